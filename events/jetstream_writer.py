"""Writing to a stream: atomic batches, and finding out what is there when one is refused.

JetStream's rules (ADR-50 "atomic batch publishing"; measured on 2.15):
- A batch is stored whole or not at all; only its last message, the commit, is acknowledged.
- One message id that the stream knows refuses the whole batch (10201). So a batch that is sent
  again because its acknowledgement was lost is refused although it is stored.
- A power cut in the middle of a commit can leave the first records of a batch that was never
  acknowledged (seen by cutting a block file inside a batch: the server keeps what is before the
  cut). What is left is always a beginning. So a record that says that something is complete comes
  last in its batch, and appending the same batch again adds the rest.
- For a single message, a known id is recognised *after* an expected sequence is compared but
  *before* an expected last message id is. So a message that expects an impossible last id is a
  question without side effects: the answer is the position of the first one under its id, or
  "wrong last msg ID" (10070) when there is none. That is how a refused batch learns which of its
  records are there; and a refused expectation, whether it is its own success that it met.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

from events.errors import CorruptLog, Unavailable, VersionConflict
from events.jetstream_api import (
    DUPLICATE_IN_BATCH,
    WRONG_LAST_MESSAGE_ID,
    WRONG_LAST_SEQUENCE,
    JetStreamApi,
    Refused,
)
from events.log import Expected, NewRecord

_RETRY_FIRST_S = 0.02
_RETRY_MAX_S = 0.5
#: A message id that no record has: ids hold no blanks.
_NEVER = "no such id"
#: Probes on their way at once.
_PROBES_MAX = 256


class JetStreamWriter:
    """Writes batches into one stream and retries until their deadline."""

    def __init__(self, api: JetStreamApi, stream: str, prefix: str, deadline_s: float) -> None:
        self._api = api
        self._stream = stream
        self._prefix = prefix
        self._deadline_s = deadline_s
        self._probes = asyncio.Semaphore(_PROBES_MAX)
        #: The highest position that was acknowledged or seen: the log never ends below it.
        self.highest = 0
        self._corruption: CorruptLog | None = None

    async def write(
        self, records: Sequence[NewRecord], expected: Expected | None = None
    ) -> tuple[int, ...]:
        """Store all records (no two with one id) or none and return their positions.

        Raises:
            VersionConflict: `expected` does not hold.
            CorruptLog: the stream gave out a position that it had given out before.
            Unavailable: no acknowledgement within the deadline; write the same records again.
            Refused: the server does not take the records.
        """
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._deadline_s
        wait_s = _RETRY_FIRST_S
        while True:
            if self._corruption is not None:
                # What is appended now would be acknowledged at a position that was another's.
                raise self._corruption
            try:
                return await self._write_once(records, expected)
            except Unavailable:
                # The same ids again are safe: what was stored after all is recognised.
                if loop.time() + wait_s > give_up_at:
                    raise
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _RETRY_MAX_S)

    async def _write_once(
        self, records: Sequence[NewRecord], expected: Expected | None
    ) -> tuple[int, ...]:
        try:
            return await self._publish(records, expected)
        except Refused as refusal:
            is_conflict = refusal.err_code in WRONG_LAST_SEQUENCE
            if not is_conflict and refusal.err_code != DUPLICATE_IN_BATCH:
                raise
        known = await self._known(records)
        missing = [r for r, position in zip(records, known, strict=True) if position is None]
        if missing and is_conflict:
            assert expected is not None, "only an expectation can be in conflict"
            raise VersionConflict(
                f"the last {expected.kind} of {expected.user} is not at position "
                f"{expected.position}; read again and retry"
            )
        added = iter(await self._publish_missing(missing, expected) if missing else ())
        return tuple(next(added) if position is None else position for position in known)

    async def _publish_missing(
        self, missing: Sequence[NewRecord], expected: Expected | None
    ) -> tuple[int, ...]:
        try:
            return await self._publish(missing, expected)
        except Refused as refusal:
            if refusal.err_code == DUPLICATE_IN_BATCH:
                # Another writer appended one of them in between; ask again from the start.
                raise Unavailable(
                    "another writer is appending the same records; retry"
                ) from refusal
            if refusal.err_code in WRONG_LAST_SEQUENCE and expected is not None:
                raise VersionConflict(
                    f"the last {expected.kind} of {expected.user} moved on; read again and retry"
                ) from refusal
            raise

    async def _publish(
        self, records: Sequence[NewRecord], expected: Expected | None
    ) -> tuple[int, ...]:
        """Send one message or one atomic batch and return the positions from its answer."""
        floor = self.highest
        batch_id = secrets.token_urlsafe(12)
        count = len(records)
        ack = None
        for number, record in enumerate(records, 1):
            headers = {"Nats-Msg-Id": record.record_id}
            if number == 1 and expected is not None:
                headers |= self._expectation(expected)
            if count > 1:
                headers |= {"Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(number)}
            subject = self._subject(record.kind, record.user)
            if number < count:
                await self._api.send(subject, record.body, headers)
                if number == 1:
                    # Opening a batch is the server's largest cost: let it begin at once.
                    await asyncio.sleep(0)
                continue
            if count > 1:
                headers["Nats-Batch-Commit"] = "1"
            ack = await self._api.publish(subject, record.body, headers)
        assert ack is not None, "there is at least one record"
        if ack.duplicate:
            return (ack.seq,)
        first = ack.seq - count + 1
        if first <= floor:
            self._corruption = CorruptLog(
                f"stream {self._stream} gave out position {first} again after {floor}; it lost "
                "records: restore it from a backup, then restart"
            )
            raise self._corruption
        self.highest = max(self.highest, ack.seq)
        return tuple(range(first, ack.seq + 1))

    async def _known(self, records: Sequence[NewRecord]) -> list[int | None]:
        """Return the position of each record, None where the stream does not know its id."""
        return await asyncio.gather(*(self._probe(record) for record in records))

    async def _probe(self, record: NewRecord) -> int | None:
        async with self._probes:
            headers = {"Nats-Msg-Id": record.record_id, "Nats-Expected-Last-Msg-Id": _NEVER}
            try:
                ack = await self._api.publish(self._subject(record.kind, record.user), b"", headers)
            except Refused as refusal:
                if refusal.err_code == WRONG_LAST_MESSAGE_ID:
                    return None
                raise
            if not ack.duplicate:
                raise CorruptLog(
                    f"stream {self._stream} stored an empty record at {ack.seq} against an "
                    "expectation that cannot hold; this server does not keep JetStream's rules"
                )
            return ack.seq

    def _expectation(self, expected: Expected) -> dict[str, str]:
        return {
            "Nats-Expected-Last-Subject-Sequence": str(expected.position),
            "Nats-Expected-Last-Subject-Sequence-Subject": self._subject(
                expected.kind, expected.user
            ),
        }

    def _subject(self, kind: str, user: str) -> str:
        return f"{self._prefix}.{user}.{kind}"
