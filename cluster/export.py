"""`mirix export`: a shard's events, or one person's, in clear, in one file (`events.exported`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cluster.backup import TellPart, ignore
from events.durable_file import writing_whole
from events.errors import CommandRejected, NotFound
from events.exported import write_events
from events.ids import shard_of
from events.journal import EventReader
from events.memory import Value

_TELL_EVENTS = 1000


class ExportReport(Value, frozen=True, kw_only=True):
    """What was exported; `user` is empty for a whole shard."""

    path: str
    shard: int
    user: str
    first: int
    last_position: int
    events: int
    bytes: int


async def export(
    journals: Sequence[EventReader],
    path: Path,
    *,
    user: str = "",
    shard: int | None = None,
    first: int = 1,
    last: int | None = None,
    tell: TellPart = ignore,
) -> ExportReport:
    """Write events to a file that is readable by its owner only.

    Args:
        journals: the events of every shard, in order.
        path: the file; it must not be there.
        user: only those of this opaque user id.
        shard: which shard; None: the user's, or the only one.
        first: the first position, from 1.
        last: the last position; None: the end as of now.
        tell: told the progress.

    Raises:
        NotFound: there is nothing of that user.
        CommandRejected: the file is there, or there are no such positions or shards.
        CorruptLog: the log lost or altered something.
    """
    reader = _reader(journals, user, shard)
    check_free(path)
    if last is not None and first > last:
        raise CommandRejected(f"the first position, {first}, is after the last, {last}")
    end = await reader.last_position()
    until = end if last is None else last
    unit = f"events of shard {reader.shard}"

    def told(position: int) -> None:
        if position % _TELL_EVENTS == 0:
            tell(unit, position - first + 1, until - first + 1)

    try:
        with writing_whole(path) as file:
            count = await write_events(reader, file, user=user, first=first, last=until, tell=told)
            if user and not count:
                raise NotFound(f"there is no event of user {user} from {first} to {until}")
            size = file.tell()
    except OSError as error:
        raise CommandRejected(f"{path} cannot be written: {error.strerror}") from error
    tell(unit, until - first + 1, until - first + 1)
    return ExportReport(
        path=str(path),
        shard=reader.shard,
        user=user,
        first=first,
        last_position=until,
        events=count,
        bytes=size,
    )


def check_free(path: Path) -> None:
    """See that a file is not there yet.

    Raises:
        CommandRejected: it is.
    """
    if path.exists():
        raise CommandRejected(f"{path} is there already; remove it or give another name")


def _reader(journals: Sequence[EventReader], user: str, shard: int | None) -> EventReader:
    wanted = shard_of(user, len(journals)) if user and shard is None else shard
    if wanted is None and len(journals) > 1:
        raise CommandRejected(f"there are {len(journals)} shards; name one, or a user")
    for reader in journals:
        if wanted in (None, reader.shard):
            return reader
    raise CommandRejected(f"there is no shard {wanted}; there are {len(journals)}, counted from 0")
