"""Sending records: in order, each once, around what the system refuses."""

from __future__ import annotations

import pytest

from cluster.api_client import Accepted, NewMessage
from cluster.ingest import BATCH_MESSAGES_MAX, ingest
from cluster.record_values import BadRecord, DocumentRecord, MessageRecord, Record
from events.errors import CommandRejected, Unauthenticated


class FakeSink:
    """Stands for the API client: keeps what it is sent and refuses what a test says."""

    def __init__(self, refused: str = "", failure: Exception | None = None) -> None:
        self.sent: list[tuple[str, str, list[str], bool]] = []
        self.documents: list[dict[str, str]] = []
        self._refused = refused
        self._failure = failure

    async def add_messages(
        self,
        messages: list[NewMessage],
        *,
        user_id: str,
        conversation_id: str,
        wait: bool = False,
    ) -> Accepted:
        if self._failure:
            raise self._failure
        contents = [message.content for message in messages]
        if self._refused and self._refused in contents:
            raise CommandRejected("content is not wanted (HTTP 422)")
        self.sent.append((user_id, conversation_id, contents, wait))
        return Accepted(position=len(self.sent))

    async def add_document(self, document: dict[str, str], *, wait: bool = False) -> object:
        self.documents.append(document)
        return {}


def message(content: str, conversation: str = "c", user: str = "", line: int = 1) -> MessageRecord:
    return MessageRecord(
        content=content, conversation=conversation, external_id=content, user=user, line=line
    )


async def test_messages_go_out_in_order_when_they_fill_several_batches() -> None:
    """Batches are bounded, keep the order, and only the last one of a user waits."""
    sink = FakeSink()
    records = [message(str(number)) for number in range(BATCH_MESSAGES_MAX + 1)]

    summary = await ingest(sink, [("f", records)], user_id="ann")

    assert [len(contents) for _, _, contents, _ in sink.sent] == [BATCH_MESSAGES_MAX, 1]
    assert [waited for *_, waited in sink.sent] == [False, True]
    assert summary.messages == BATCH_MESSAGES_MAX + 1


async def test_messages_are_kept_apart_when_user_or_conversation_changes() -> None:
    """A batch has one user and one conversation; the last batch of each user waits."""
    sink = FakeSink()
    bad = BadRecord(path="f", line=3, reason="x")
    records: list[Record] = [message("1", "c1"), message("2", "c2", "bob"), bad]
    records += [message("3", "c3", "bob")]

    await ingest(sink, [("f", records)], user_id="ann")

    assert sink.sent == [
        ("ann", "c1", ["1"], True),
        ("bob", "c2", ["2"], False),
        ("bob", "c3", ["3"], True),
    ]


async def test_rest_goes_in_when_one_message_is_refused() -> None:
    """A refused batch is halved until the bad message stands alone with its line."""
    sink = FakeSink(refused="3")
    records = [message(str(number), line=number) for number in range(1, 8)]

    summary = await ingest(sink, [("f.jsonl", records)], user_id="ann")

    assert [text for *_, contents, _ in sink.sent for text in contents] == list("124567")
    (bad,) = summary.bad_records
    assert str(bad) == "f.jsonl:3: content is not wanted (HTTP 422)"


async def test_everything_stops_when_the_caller_is_refused() -> None:
    """A wrong key is not the fault of the records."""
    sink = FakeSink(failure=Unauthenticated("no such key (HTTP 401)"))

    with pytest.raises(Unauthenticated):
        await ingest(sink, [("f", [message("1")])], user_id="ann")


async def test_progress_reaches_the_total_when_all_is_done() -> None:
    """Messages, documents and bad records each count."""
    document = DocumentRecord(title="t", text="x", media_type="text/plain", uri="u")
    seen: list[int] = []

    summary = await ingest(
        FakeSink(),
        [("a", [document, BadRecord(path="a", line=1, reason="x")]), ("b", [message("1")])],
        user_id="ann",
        advance=seen.append,
    )

    assert sum(seen) == 3
    assert (summary.messages, summary.documents, len(summary.bad_records)) == (1, 1, 1)
