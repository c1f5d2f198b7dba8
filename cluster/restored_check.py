"""Does a restored log give the memory that was backed up? Rebuild it and compare the hashes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from actors.queries import StateView
from actors.rebuilding import Comparison, compare
from cluster.backup import TellPart, ignore
from cluster.backup_manifest import Manifest
from cluster.data_dir import DataDir
from events.codec import Codec
from events.errors import CorruptLog
from events.journal import JournalReader
from events.keystore_copy import digest_of, erased_users
from events.log import RecordReader
from events.memory import Value
from events.sealing import KeyRing


class StateCheck(Value, frozen=True, kw_only=True):
    """The states that were backed up beside those that the log gives; or why they were not."""

    states: tuple[Comparison, ...] = ()
    left_out: str = ""


async def check_restored(
    directory: DataDir,
    logs: Sequence[RecordReader],
    manifest: Manifest,
    keys: KeyRing,
    tell: TellPart = ignore,
) -> StateCheck:
    """Rebuild every projection up to where it was backed up, and set the hashes side by side.

    Reads each log once. When people were erased since, nothing is compared: the states cannot be
    equal, and must not be.

    Raises:
        CorruptLog: a log is not whole, or what it holds does not open, or gives another state.
    """
    if digest_of(erased_users(directory.keys_file)) != manifest.erased:
        return StateCheck(left_out="people were erased since: their part is gone from every state")
    found: list[Comparison] = []
    for log, shard in zip(logs, manifest.shards, strict=True):
        states = (
            (
                state.agent,
                StateView(
                    projection=state.projection,
                    version=state.version,
                    position=state.position,
                    state_hash=state.state_hash,
                    pid=0,
                ),
            )
            for state in shard.states
        )
        told = partial(_tell_at, tell, f"check of shard {shard.shard}", shard.last_position)
        found += await compare(JournalReader(log, Codec(keys)), states, told)
    wrong = [one for one in found if one.is_comparable and not one.is_equal]
    if wrong:
        named = ", ".join(f"{one.projection} of shard {one.shard}" for one in wrong)
        raise CorruptLog(
            f"the restored log gives another state than was backed up: {named}; use another copy "
            "of the backup, or restore again without the check to look into it"
        )
    return StateCheck(states=tuple(found))


def _tell_at(tell: TellPart, unit: str, end: int, position: int) -> None:
    tell(unit, position, end)
