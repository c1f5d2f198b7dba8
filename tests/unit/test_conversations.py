"""The view of conversations: what was said, in short as well, and what will have no answer."""

from __future__ import annotations

from typing import Any

from actors.past.stepping import without_secrets
from actors.progress import answer_id
from actors.queries import GetAbandoned, GetWindow, Window
from actors.readers import read
from events.catalogue import (
    AnswerAbandoned,
    AnswerGiven,
    AssistantCreated,
    AssistantProfile,
    ConversationSummarised,
    Payload,
)
from projections.base import state_hash
from projections.conversations import ConversationsProjection
from projections.plain import plain_state
from tests.unit.builders import event_of, said

SECRET = "The wifi password is fjord-7731-Lodge."


def following(*payloads: Payload, user: str = "usr_ann") -> ConversationsProjection:
    projection = ConversationsProjection()
    for position, payload in enumerate(payloads, start=1):
        projection.apply(event_of(payload, position=position, user=user))
    return projection


def summarised(text: str, through: int) -> ConversationSummarised:
    return ConversationSummarised(
        conversation="cnv_1",
        assistant="",
        summary=text,
        through_message_id=f"m{through}",
        through=through,
    )


def abandoned(in_reply_to: str, partial: str = "") -> AnswerAbandoned:
    return AnswerAbandoned(
        conversation="cnv_1",
        assistant="",
        in_reply_to=in_reply_to,
        reason="cancelled",
        partial=partial,
    )


TALK = (
    said("one", id="m1"),
    said("two", id="m2"),
    said("two again", id="m2"),
    said(SECRET, id="m3"),
    summarised("first", 1),
    summarised("They counted.", 2),
    abandoned("m3", "Half an"),
    abandoned("m3", "another"),
    AssistantCreated(profile=AssistantProfile(id="agt", name="n")),
)


def answered(in_reply_to: str, text: str) -> AnswerGiven:
    return AnswerGiven(
        message_id=answer_id(in_reply_to),
        conversation="cnv_1",
        assistant="",
        in_reply_to=in_reply_to,
        content=text,
        model="m",
    )


def window(projection: ConversationsProjection, **given: Any) -> Window:
    found: Window = read(projection, GetWindow(user="usr_ann", conversation="cnv_1", **given), None)
    return found


def test_a_snapshot_holds_all_of_it() -> None:
    """Restored, the state is the same, answers the same and goes on the same."""
    live = following(*TALK)
    restored = ConversationsProjection()
    restored.restore(live.snapshot())
    assert state_hash(restored) == state_hash(live)
    for projection in (live, restored):
        projection.apply(event_of(said("four", id="m4"), position=20))
    assert state_hash(restored) == state_hash(live)
    assert window(restored) == window(live)
    assert [one.id for one in window(restored).messages] == ["m1", "m2", "m3", "m4"]


def test_a_window_is_the_end_of_a_conversation_before_a_position() -> None:
    """Oldest first, with the latest summary, and which of its messages have no answer."""
    live = following(*TALK)
    found = window(live, limit=2)
    assert [one.id for one in found.messages] == ["m2", "m3"]
    assert (found.summary, found.summarised, found.abandoned) == ("They counted.", 2, ("m3",))
    assert [one.id for one in window(live, before=4).messages] == ["m1", "m2"]
    assert [one.content for one in window(live, before=4).messages] == ["one", "two"]


def test_an_answer_stands_behind_its_question_when_it_came_after_the_next() -> None:
    """Who wrote twice before the first answer was there: the second sees the first one's answer."""
    live = following(said("one", id="m1"), said("two", id="m2"), answered("m1", "first"))
    shown = [one.content for one in window(live, before=2, answered=True).messages]
    assert shown == ["one", "first"]
    assert [one.content for one in window(live, before=2).messages] == ["one"]
    assert [one.content for one in window(live).messages] == ["one", "two", "first"]


def test_a_window_of_nothing_is_empty() -> None:
    """Another person, another conversation: nothing of this one."""
    live = following(*TALK)
    query = GetWindow(user="usr_eve", conversation="cnv_1")
    assert read(live, query, None) == Window()
    assert read(live, GetWindow(user="usr_ann", conversation="cnv_2"), None) == Window()


def test_why_there_is_no_answer_can_be_read() -> None:
    """The first word on it counts."""
    live = following(*TALK)
    found = read(live, GetAbandoned(user="usr_ann", message_id="m3"), None)
    assert (found.reason, found.partial, found.position) == ("cancelled", "Half an", 7)
    assert read(live, GetAbandoned(user="usr_ann", message_id="m1"), None) is None


def test_summaries_and_missing_answers_are_seen_in_the_past() -> None:
    """Who steps through the log sees them come, without secrets."""
    live = following(*TALK, abandoned("m9", SECRET), summarised(SECRET, 3))
    shown = {
        name: without_secrets(live, item) for name, item in plain_state(live, "usr_ann").items()
    }
    assert list(shown) == [
        "m1",
        "m2",
        "m3",
        "summary of cnv_1",
        "no answer to m3",
        "no answer to m9",
    ]
    assert "fjord" not in repr(shown)
    assert shown["no answer to m3"]["partial"] == "Half an"
