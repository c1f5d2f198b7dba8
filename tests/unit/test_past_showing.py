"""Events and states as people see them: plain JSON values, and never a secret."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from actors.past.showing import TEXT_CHARS_MAX, found_secrets, view_of
from events.catalogue import (
    AssistantCreated,
    AssistantProfile,
    DocumentReceived,
    MemoryChangeRequested,
    MemoryRecorded,
    MessageEmbedded,
    Payload,
    SearchPerformed,
    ServiceKeyIssued,
    ToolRequested,
    ToolReturned,
    UserRegistered,
)
from events.envelope import NOBODY
from events.memory import MemoryDraft, Provenance, ResourceContent, VaultContent
from projections.base import Projection
from projections.conversations import ConversationsProjection
from projections.directory import DirectoryProjection
from projections.plain import plain_state
from projections.retrieval_projection import RetrievalProjection
from projections.tiers import TierProjection
from projections.tool_calls import ToolCallsProjection
from tests.unit.builders import NOON, event_of, recorded, said

ANN = "usr_ann"
SECRET = "hunter2-47!"
TOLD = f"The wifi password is {SECRET}, tell nobody."
SPAN = (TOLD.index(SECRET), TOLD.index(SECRET) + len(SECRET))
SEALED = VaultContent(
    entry_type="credential",
    caption="Wifi",
    secret=SECRET.encode(),
    secret_fingerprint="4f1e",
)


def shown(payload: Payload, **how: Any) -> str:
    """Return an event as JSON; what is not plain fails here."""
    return json.dumps(view_of(event_of(payload), **how).payload, ensure_ascii=False)


def test_view_holds_envelope_position_and_plain_payload() -> None:
    """What an event says of itself is all there, times as ISO text."""
    view = view_of(event_of(said("I like tea."), position=7))
    assert (view.event_id, view.type, view.position) == ("evt_7", "MessageReceived", 7)
    assert (view.tenant, view.user, view.producer) == ("org", ANN, "test")
    assert view.recorded_at == NOON
    assert view.payload == {
        "message_id": "msg_1",
        "conversation": "cnv_1",
        "content": "I like tea.",
        "said_at": "2026-01-07T12:00:00Z",
        "external_id": "ext_msg_1",
    }


def test_bytes_are_shown_by_their_length() -> None:
    """Vectors and sealed secrets are not for reading."""
    assert '"vector": "<6 bytes>"' in shown(
        MessageEmbedded(message_id="msg_1", model="m", vector=b"\0" * 6)
    )
    assert f'"secret": "<{len(SECRET)} bytes>"' in shown(recorded(SEALED))


def test_message_is_blotted_where_it_says_that_secrets_are() -> None:
    """The rest of it stays as it was said."""
    message = msgspec.structs.replace(said(TOLD), secret_spans=(SPAN,))
    assert f"The wifi password is {'•' * len(SECRET)}, tell nobody." in shown(message)


def test_message_is_blotted_where_a_memory_found_a_secret_later() -> None:
    """A memory names the place in the message it was drawn from, not in another."""
    draft = MemoryDraft(id="mem_1", content=SEALED, provenance=Provenance(message_ids=("msg_1",)))
    reaction = event_of(MemoryRecorded(memory=draft, secret_span=SPAN))
    assert found_secrets(said(TOLD), [reaction]) == (SPAN,)
    assert found_secrets(said(TOLD, id="msg_2"), [reaction]) == ()
    bare = "Open it with seven then nine."
    assert "seven then nine" in shown(said(bare))
    assert "seven then nine" not in shown(said(bare), hidden=((13, 28),))


def test_long_text_is_shown_by_its_beginning() -> None:
    """What is shown is bounded, and a secret at the border is not cut in two."""
    long = "word " * 10_000
    told = view_of(event_of(said(long))).payload["content"]
    assert told == f"{long[:TEXT_CHARS_MAX]}… ({len(long) - TEXT_CHARS_MAX} characters more)"
    edge = "word " * ((TEXT_CHARS_MAX - 30) // 5) + TOLD + long
    assert SECRET[:6] not in view_of(event_of(said(edge))).payload["content"]


def test_secret_is_blotted_wherever_people_write() -> None:
    """In names, tags and reasons as well; ids stay as they are."""
    message = msgspec.structs.replace(said("Hi."), name=TOLD, tags=(TOLD,))
    assert SECRET not in shown(message)
    assert "msg_1" in shown(message)


@pytest.mark.parametrize(
    "payload",
    [
        MemoryChangeRequested(
            tier="knowledge_vault", change="record", memory_id="mem_1", content=SEALED
        ),
        DocumentReceived(document_id="doc_1", title=TOLD, text=f"Notes.\n{TOLD}", said_at=NOON),
        SearchPerformed(search_id="s", query=TOLD, method="hybrid"),
        ToolRequested(call_id="c", tool="memory_search", arguments={"query": [TOLD]}),
    ],
    ids=lambda payload: type(payload).__name__,
)
def test_secret_is_blotted_wherever_people_wrote_it(payload: Payload) -> None:
    """A client's request, a document, a question, a tool's arguments."""
    assert SECRET not in shown(payload)


def test_memory_is_plain_with_every_field_and_without_its_secret() -> None:
    """Defaults are spelled out; of a secret there is the fingerprint."""
    vault = TierProjection("knowledge_vault")
    vault.apply(event_of(recorded(SEALED), position=3))
    state = plain_state(vault, ANN)
    assert json.loads(json.dumps(state)) == {
        "mem_1": {
            "id": "mem_1",
            "tier": "knowledge_vault",
            "text": "credential\nWifi",
            "content": {
                "entry_type": "credential",
                "source": "conversation",
                "sensitivity": "high",
                "caption": "Wifi",
                "secret_fingerprint": "4f1e",
            },
            "key": "",
            "tags": [],
            "importance": 0.5,
            "language": "en",
            "provenance": {
                "message_ids": [],
                "external_ids": [],
                "document_id": "",
                "extractor": "rules",
            },
            "status": "active",
            "valid_from": None,
            "valid_to": None,
            "superseded_by": "",
            "in_block": True,
            "recorded_at": "2026-01-07T12:00:00Z",
            "position": 3,
            "revision": 1,
        }
    }
    assert plain_state(vault, "usr_bob") == {}


def folded(projection: Projection, *payloads: Payload, user: str = ANN) -> Projection:
    """Return a projection that has folded these events."""
    for position, payload in enumerate(payloads, 1):
        projection.apply(event_of(payload, position=position, user=user))
    return projection


def test_every_projection_has_a_plain_state() -> None:
    """Messages, profiles, passages without vectors, tool calls, keys without what they are."""
    talk = folded(ConversationsProjection(), said("Hello"))
    folded(talk, AssistantCreated(profile=AssistantProfile(id="ast_1", name="friend")), user=NOBODY)
    assert plain_state(talk, ANN)["msg_1"]["content"] == "Hello"
    assert plain_state(talk, NOBODY)["ast_1"]["profile"]["name"] == "friend"

    calls = folded(
        ToolCallsProjection(),
        ToolRequested(call_id="c", tool="current_time"),
        ToolReturned(call_id="c", tool="current_time", result={"now": [1]}),
    )
    assert plain_state(calls, ANN)["c"]["result"] == {"now": [1]}

    people = folded(DirectoryProjection(), UserRegistered(external_id="ann"))
    folded(people, ServiceKeyIssued(key_id="key_1", digest="d1"), user=NOBODY)
    assert plain_state(people, ANN) == {ANN: {"external_id": "ann", "name": ""}}
    assert plain_state(people, NOBODY) == {"key_1": {"key_id": "key_1", "tenant": "org"}}


def test_passages_are_plain_by_id_and_chunk() -> None:
    """A document's chunks each have an id of their own; secrets are blotted in the index."""
    message = msgspec.structs.replace(said(TOLD), secret_spans=(SPAN,))
    book = ResourceContent(title="Book", summary="s", resource_type="document", chunks=("a", "b"))
    passages = folded(RetrievalProjection(), message, recorded(book, id="mem_2"))
    state = plain_state(passages, ANN)
    assert list(state) == ["msg_1", "mem_2", "mem_2#1", "mem_2#2"]
    assert SECRET not in json.dumps(state)
    assert plain_state(passages, "usr_bob") == {}


def test_unknown_projection_has_no_plain_state() -> None:
    """A new kind of projection must say in `plain_state` what people see of it."""

    class Tally:
        name = "tally"

    with pytest.raises(TypeError, match="Tally has no plain state"):
        plain_state(Tally(), ANN)  # type: ignore[arg-type]  # is no projection that is known
