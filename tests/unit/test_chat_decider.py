"""Given events, when the chat agent decides, then these effects: answers and summaries."""

from __future__ import annotations

import msgspec

from actors.chatting.summarising import SummarySettings, summary_settings
from actors.deciders.chat import ChatDecider
from actors.effects import Answer, Append, Generate
from actors.models.settings import ModelSettings
from actors.progress import answer_id
from events.catalogue import (
    AnswerAbandoned,
    AnswerGiven,
    ConversationSummarised,
    GenerationCompleted,
    GenerationFailed,
    MessageReceived,
    Payload,
)
from events.envelope import Event
from tests.unit.builders import event_of, said
from tests.unit.fakes.chat_parts import BIG

SETTINGS = SummarySettings(window_messages=6, window_tokens=1000, prompt_tokens=2000)


class Conversation:
    """A decider that follows a conversation, event by event."""

    def __init__(self, settings: SummarySettings | None = SETTINGS) -> None:
        self.decider = ChatDecider(settings)
        self.position = 0

    def happens(self, payload: Payload) -> Event:
        self.position += 1
        event = event_of(payload, position=self.position)
        self.decider.projection.apply(event)
        return event

    def exchange(self, number: int, text: str = "hello") -> Event:
        """One message and its answer; returns the answer."""
        self.happens(said(f"{text} {number}", id=f"m{number}"))
        return self.happens(answered(f"m{number}", f"answer {number}"))

    def asked(self, event: Event) -> Generate | None:
        effects = self.decider.decide(event)
        assert len(effects) <= 1
        if not effects:
            return None
        assert isinstance(effects[0], Generate)
        return effects[0]


def answered(in_reply_to: str, text: str) -> AnswerGiven:
    return AnswerGiven(
        message_id=answer_id(in_reply_to),
        conversation="cnv_1",
        assistant="agt",
        in_reply_to=in_reply_to,
        content=text,
        model="m",
    )


def completed(output: str) -> GenerationCompleted:
    return GenerationCompleted(generation_id="gen", model="m", prompt_hash="h", output=output)


def test_a_message_that_asks_for_it_is_answered_once() -> None:
    """Whatever came of it counts: an answer, or that there is none."""
    talk = Conversation()
    wanted = talk.happens(said("hello", id="m1", answer_wanted=True))
    assert talk.decider.decide(wanted) == [Answer(message=wanted.payload)]  # type: ignore[arg-type]  # a message
    assert talk.decider.decide(talk.happens(said("hello", id="m2"))) == []
    talk.happens(answered("m1", "hi"))
    assert talk.decider.decide(wanted) == []
    other = talk.happens(said("hello", id="m3", answer_wanted=True))
    talk.happens(
        AnswerAbandoned(conversation="cnv_1", assistant="", in_reply_to="m3", reason="cancelled")
    )
    assert talk.decider.decide(other) == []


def test_a_conversation_that_outgrew_its_window_is_summarised() -> None:
    """All but the newer half of the window is summed up; the window shows it until then."""
    talk = Conversation()
    asked = [talk.asked(talk.exchange(number)) for number in range(1, 5)]
    assert asked[:3] == [None, None, None]
    last = asked[3]
    assert last is not None
    assert (last.purpose, last.prompt) == ("summary", "chat/summary@1")
    told = last.turns[-1].content
    assert "hello 1" in told
    assert "answer 2" in told
    assert "hello 3" in told
    assert "answer 3" not in told
    assert "(none yet)" in told


def test_a_summary_goes_on_from_the_one_before() -> None:
    """The next one is due half a window later, and covers what came in between."""
    talk = Conversation()
    for number in range(1, 5):
        cause = talk.exchange(number)
    asked = talk.asked(cause)
    assert asked is not None
    (effect,) = talk.decider.resume(cause, asked, completed(" They said hello. "))
    assert isinstance(effect, Append)
    summary = effect.payload
    assert isinstance(summary, ConversationSummarised)
    assert (summary.summary, summary.through, summary.through_message_id) == (
        "They said hello.",
        5,
        "m3",
    )
    assert (summary.conversation, summary.generation_id) == ("cnv_1", "gen")
    talk.happens(summary)
    causes = [talk.exchange(number) for number in (5, 6)]
    first, second = map(talk.asked, causes)
    assert first is None
    assert second is not None
    told = second.turns[-1].content
    assert "They said hello." in told
    assert "hello 3" not in told
    assert "answer 3" in told


def test_what_is_said_meanwhile_changes_no_summary() -> None:
    """Decided again after more was said, a cause gives the same: a replay hears the same."""
    talk = Conversation()
    for number in range(1, 5):
        cause = talk.exchange(number)
    before = talk.asked(cause)
    assert before is not None
    talk.exchange(9)
    assert talk.asked(cause) == before
    (effect,) = talk.decider.resume(cause, before, completed("x"))
    assert isinstance(effect, Append)
    assert isinstance(effect.payload, ConversationSummarised)
    assert effect.payload.through == 5


def test_no_second_summary_is_asked_for_while_one_is_on_its_way() -> None:
    """What was concluded counts before it comes back through the log, and until then only."""
    talk = Conversation()
    for number in range(1, 5):
        cause = talk.exchange(number)
    summary = ConversationSummarised(
        conversation="cnv_1", assistant="", summary="x", through_message_id="m3", through=5
    )
    talk.decider.conclude(event_of(summary, position=99))
    assert talk.asked(cause) is None
    talk.decider.settle("usr_ann")
    assert talk.asked(cause) is not None


def test_there_is_no_summary_when_the_model_has_none() -> None:
    """A failure, or an empty output, changes nothing; the next answer asks again."""
    talk = Conversation()
    for number in range(1, 5):
        cause = talk.exchange(number)
    asked = talk.asked(cause)
    assert asked is not None
    failed = GenerationFailed(
        generation_id="g", purpose="summary", provider="p", model="m", kind="timed_out"
    )
    assert talk.decider.resume(cause, asked, failed) == []
    assert talk.decider.resume(cause, asked, completed(" \n")) == []


def test_a_few_long_messages_outgrow_the_window_as_well() -> None:
    """Size counts like number; a Chinese conversation counts by its characters."""
    talk = Conversation()
    assert talk.asked(talk.exchange(1)) is None
    asked = talk.asked(talk.exchange(2, "面包" * 600))
    assert asked is not None
    told = asked.turns[-1].content
    assert "answer 1" in told
    assert "用中文" in asked.turns[0].content


def test_a_long_past_is_summed_up_in_pieces_that_fit() -> None:
    """Of a conversation that was handed in whole, one prompt takes as much as it has room for."""
    talk = Conversation()
    for number in range(200):
        talk.happens(said("word " * 100, id=f"old{number}"))
    cause = talk.exchange(1)
    asked = talk.asked(cause)
    assert asked is not None
    assert len(asked.turns[-1].content.encode()) / 3 < 1.2 * SETTINGS.prompt_tokens
    (effect,) = talk.decider.resume(cause, asked, completed("x"))
    assert isinstance(effect, Append)
    assert isinstance(effect.payload, ConversationSummarised)
    assert 1 < effect.payload.through < 50


def test_secrets_are_not_summed_up() -> None:
    """What is somebody's secret is in no prompt, and so in no summary."""
    talk = Conversation()
    talk.exchange(1, "The wifi password is fjord-7731-Lodge. Number")
    for number in range(2, 5):
        cause = talk.exchange(number)
    asked = talk.asked(cause)
    assert asked is not None
    assert "wifi password is •••" in asked.turns[-1].content
    assert "fjord" not in asked.turns[-1].content


def test_nothing_is_summarised_without_a_model() -> None:
    """Without one, answers are no causes at all."""
    assert summary_settings(ModelSettings()) is None
    assert summary_settings(ModelSettings(providers=(BIG,), window_messages=0)) is None
    assert summary_settings(ModelSettings(providers=(BIG,))) == SummarySettings(
        window_messages=20, window_tokens=2048, prompt_tokens=4096
    )
    assert ChatDecider().causes == {"MessageReceived"}
    assert ChatDecider(SETTINGS).causes == {"MessageReceived", "AnswerGiven"}
    talk = Conversation(None)
    for number in range(1, 20):
        assert talk.decider.decide(talk.exchange(number)) == []


def test_answers_of_one_conversation_are_made_one_after_another() -> None:
    """Other conversations, other people and summaries have lanes of their own."""
    decider = ChatDecider(SETTINGS)
    message = said("a", id="m1")
    elsewhere = msgspec.structs.replace(message, conversation="cnv_2")
    lanes = [
        decider.lane(event_of(payload, user=user))
        for payload, user in (
            (message, "usr_ann"),
            (said("b", id="m2"), "usr_ann"),
            (elsewhere, "usr_ann"),
            (message, "usr_bo"),
            (answered("m1", "x"), "usr_ann"),
        )
    ]
    assert lanes[0] == lanes[1]
    assert len(set(lanes)) == 4
    assert isinstance(message, MessageReceived)
    assert not decider.readers_wait
