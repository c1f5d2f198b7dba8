"""Send records to a system: in order within a file, several files at a time, each once.

Batches are posted in the order of their file because a later statement may correct an earlier one.
Every message carries its `external_id`, so that repeating a batch whose answer was lost is safe.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from cluster.api_client import Accepted, NewMessage
from cluster.record_values import BadRecord, DocumentRecord, MessageRecord, Record
from events.errors import CommandRejected, Forbidden, NotFound, Unauthenticated
from events.memory import Value

BATCH_MESSAGES_MAX = 200
BATCH_CHARS_MAX = 200_000
LANES_MAX = 4
#: Of the refusals, those that are about the caller and not about what was sent.
_CALLERS_FAULT = (Unauthenticated, Forbidden, NotFound)
Item = TypeVar("Item")


class Sink(Protocol):
    """What ingesting needs of the API client."""

    async def add_messages(
        self,
        messages: list[NewMessage],
        *,
        user_id: str,
        conversation_id: str,
        wait: bool = False,
    ) -> Accepted:
        """Append messages."""
        ...

    async def add_document(self, document: dict[str, str], *, wait: bool = False) -> object:
        """Hand in a document."""
        ...


class Batch(Value, frozen=True, kw_only=True):
    """Messages of one user and conversation, that go out together."""

    user: str
    conversation: str
    messages: tuple[MessageRecord, ...]


class Summary(Value, frozen=True, kw_only=True, omit_defaults=False):
    """What came of an ingestion. Seconds run until everything can be found.

    `already_there` of the `messages` were in the log before; what cannot be told counts as new.
    """

    messages: int
    already_there: int = 0
    documents: int
    bad_records: tuple[BadRecord, ...]
    seconds: float

    @property
    def messages_per_s(self) -> float:
        """Messages a second, end to end."""
        return self.messages / self.seconds if self.seconds else 0.0


class Tally:
    """Counts while it runs; `advance` is told how many records are done."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self.messages = 0
        self.already_there = 0
        self.documents = 0
        self.bad_records: list[BadRecord] = []
        self._advance = advance

    def add(self, *, messages: int = 0, documents: int = 0) -> None:
        """Count what went in."""
        self.messages += messages
        self.documents += documents
        self._advance(messages + documents)

    def refuse(self, bad: BadRecord) -> None:
        """Keep a record that did not go in."""
        self.bad_records.append(bad)
        self._advance(1)


async def ingest(
    sink: Sink,
    lanes: Iterable[tuple[str, Iterable[Record]]],
    *,
    user_id: str,
    wait: bool = True,
    advance: Callable[[int], None] = lambda done: None,
) -> Summary:
    """Send the records of all lanes (path, records), `LANES_MAX` at a time.

    A record's own user goes before `user_id`. With `wait`, return once everything can be found.

    Raises:
        MirixError: the system refuses the caller, or stays away for longer than the client's
            patience. What was accepted before stays.
    """
    tally = Tally(advance)
    started = time.monotonic()
    turn = asyncio.Semaphore(LANES_MAX)

    async def run_lane(path: str, records: Iterable[Record]) -> None:
        async with turn:
            await _send_lane(sink, path, records, user_id, wait, tally)

    try:
        async with asyncio.TaskGroup() as group:
            for path, records in lanes:
                group.create_task(run_lane(path, records))
    except* Exception as failures:  # the first says it all: the others were cancelled with it
        raise _first(failures) from failures
    return Summary(
        messages=tally.messages,
        already_there=tally.already_there,
        documents=tally.documents,
        bad_records=tuple(tally.bad_records),
        seconds=time.monotonic() - started,
    )


async def _send_lane(
    sink: Sink, path: str, records: Iterable[Record], user_id: str, wait: bool, tally: Tally
) -> None:
    for last_of_user, item in _mark_last(batches(records, user_id)):
        match item:
            case BadRecord():
                tally.refuse(item)
            case DocumentRecord():
                await _send_document(sink, path, item, user_id, wait, tally)
            case Batch():
                await _send_batch(sink, path, item, wait and last_of_user, tally)


def batches(
    records: Iterable[Record], user_id: str
) -> Iterator[Batch | DocumentRecord | BadRecord]:
    """Group messages that follow each other in one conversation; bad records pass at once."""
    waiting: list[MessageRecord] = []
    chars = 0
    for record in records:
        if isinstance(record, BadRecord):
            yield record
            continue
        full = len(waiting) >= BATCH_MESSAGES_MAX or chars >= BATCH_CHARS_MAX
        if waiting and (full or not _belongs(record, waiting[-1])):
            yield _batch(waiting, user_id)
            waiting, chars = [], 0
        if isinstance(record, MessageRecord):
            waiting.append(record)
            chars += len(record.content)
        else:
            yield record
    if waiting:
        yield _batch(waiting, user_id)


def _belongs(record: Record, before: MessageRecord) -> bool:
    if not isinstance(record, MessageRecord):
        return False
    return (record.conversation, record.user) == (before.conversation, before.user)


def _batch(messages: list[MessageRecord], user_id: str) -> Batch:
    first = messages[0]
    user = first.user or user_id
    return Batch(user=user, conversation=first.conversation, messages=tuple(messages))


def _mark_last(
    items: Iterable[Batch | DocumentRecord | BadRecord],
) -> Iterator[tuple[bool, Batch | DocumentRecord | BadRecord]]:
    """Yield each item, saying of a batch whether it is the last of its user in a row.

    Waiting for the last one of a user is enough: agents handle a user's causes in order. Documents
    and bad records pass by the batch that is held back.
    """
    held: Batch | None = None
    for item in items:
        if not isinstance(item, Batch):
            yield False, item
            continue
        if held is not None:
            yield held.user != item.user, held
        held = item
    if held is not None:
        yield True, held


async def _send_document(
    sink: Sink, path: str, record: DocumentRecord, user_id: str, wait: bool, tally: Tally
) -> None:
    document = {
        "user_id": user_id,
        "title": record.title,
        "text": record.text,
        "media_type": record.media_type,
        "uri": record.uri,
    }
    try:
        await sink.add_document(document, wait=wait)
    except CommandRejected as error:
        if isinstance(error, _CALLERS_FAULT):
            raise
        tally.refuse(BadRecord(path=path, line=record.line, reason=error.message))
    else:
        tally.add(documents=1)


async def _send_batch(sink: Sink, path: str, batch: Batch, wait: bool, tally: Tally) -> None:
    """Send a batch; when the system refuses its content, halve it until the bad one is found."""
    messages = [_as_sent(record) for record in batch.messages]
    try:
        accepted = await sink.add_messages(
            messages, user_id=batch.user, conversation_id=batch.conversation, wait=wait
        )
    except CommandRejected as error:
        if isinstance(error, _CALLERS_FAULT):
            raise
        if len(batch.messages) == 1:
            line = batch.messages[0].line
            tally.refuse(BadRecord(path=path, line=line, reason=error.message))
            return
        middle = len(batch.messages) // 2
        for half in (batch.messages[:middle], batch.messages[middle:]):
            part = Batch(user=batch.user, conversation=batch.conversation, messages=half)
            await _send_batch(sink, path, part, wait, tally)
    else:
        if accepted.new is not None:
            tally.already_there += len(messages) - accepted.new
        tally.add(messages=len(messages))


def _as_sent(record: MessageRecord) -> NewMessage:
    return NewMessage(
        role=record.role,
        content=record.content,
        name=record.name,
        created_at=record.created_at,
        external_id=record.external_id,
    )


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
