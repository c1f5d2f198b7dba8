"""Answers with a language model: what is told, what is recorded, and what when there is none."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from actors.models.port import Generation, ModelFailed, StartedOver
from actors.models.settings import ModelSettings
from actors.progress import answer_id
from actors.prompts import dialogue_hash
from actors.queries import CoreBlockView
from events.catalogue import (
    AnswerAbandoned,
    AnswerGiven,
    AssistantProfile,
    GenerationCompleted,
    GenerationFailed,
    Usage,
)
from events.errors import DeadlineExceeded, Unavailable
from events.said import AnswerOptions
from tests.unit.builders import event_of, said
from tests.unit.fakes.chat_parts import BIG, SETTINGS, USER, Peers, Speaking, Stage, asking, hit

FAILED = GenerationFailed(
    generation_id="gen", purpose="answer", provider="big", model="qwen", kind="unavailable"
)


async def test_an_answer_is_told_piece_by_piece_and_recorded_whole() -> None:
    """The five kinds of parts, the generation with all that its replay needs, and the citations."""
    model = Speaking(["Zoe lives ", "in Lisbon [1]."])
    stage = Stage(model, Peers(hit("a", "Zoe lives in Lisbon")))
    completed, given = await stage.answer(asking("Where does Zoe live?"))
    assert [part.kind for part in stage.heard[:2]] == ["start", "thinking"]
    assert stage.heard[0].model == "big"
    assert stage.text() == "Zoe lives in Lisbon [1]."
    assert isinstance(given, AnswerGiven)
    assert (given.content, given.model, given.finish_reason) == (stage.text(), "qwen", "stop")
    assert [(one.id, one.mark) for one in given.citations] == [("a", 1)]
    last = stage.heard[-1]
    assert (last.kind, last.text, last.position) == ("complete", given.content, 1001)
    assert (last.citations, last.usage) == (given.citations, given.usage)
    assert isinstance(completed, GenerationCompleted)
    assert (completed.purpose, completed.provider, completed.prompt) == (
        "answer",
        "big",
        "chat/system@1",
    )
    (request,) = model.requests
    assert completed.prompt_hash == dialogue_hash(request.turns)
    assert completed.generation_id == request.generation_id
    assert completed.parameters["temperature"] == request.temperature


async def test_pieces_that_are_there_at_once_are_told_together() -> None:
    """A model that is quicker than its listeners costs one signal, not one for each token."""
    whole = Generation(text="a b c", provider="big", model="qwen")
    stage = Stage(Speaking([whole]))
    await stage.answer(asking("Say the letters of the alphabet"))
    assert [part.text for part in stage.heard if part.kind == "content"] == ["a b c"]


async def test_what_was_told_does_not_count_when_an_attempt_starts_over() -> None:
    """Another round begins at its first character, and the listeners are told so."""
    script = ["Zoe li", StartedOver(reason="cut off"), "She is ", "in Lisbon."]
    stage = Stage(Speaking(script))
    payloads = await stage.answer(asking("Where does Zoe live now, and since when?"))
    assert stage.text() == "She is in Lisbon."
    rounds = [(part.kind, part.round) for part in stage.heard[2:-1]]
    assert rounds[:3] == [("content", 0), ("thinking", 1), ("content", 1)]
    assert isinstance(payloads[-1], AnswerGiven)
    assert payloads[-1].content == "She is in Lisbon."


async def test_the_whole_is_told_again_when_it_differs_from_its_pieces() -> None:
    """What is recorded is what listeners have, whatever the pieces were."""
    whole = Generation(text="Lisbon.", provider="big", model="qwen")
    stage = Stage(Speaking([" Lisbon", whole]))
    await stage.answer(asking("Where does Zoe live?"))
    assert stage.text() == stage.heard[-1].text == "Lisbon."


async def test_failed_attempts_are_recorded_before_the_one_that_succeeded() -> None:
    """The log says what it took; each attempt names the prompt that it was asked with."""
    whole = Generation(text="Hi.", provider="spare", model="m", attempt=2, failures=(FAILED,))
    stage = Stage(Speaking([whole]))
    failed, completed, given = await stage.answer(asking("Hello over there, dear friend"))
    assert isinstance(failed, GenerationFailed)
    assert isinstance(completed, GenerationCompleted)
    assert (failed.prompt, failed.prompt_hash) == (completed.prompt, completed.prompt_hash)
    assert completed.attempt == 2
    assert isinstance(given, AnswerGiven)


async def test_there_is_a_clear_answer_when_every_model_failed() -> None:
    """The failures and the abandoned answer are recorded; the listeners hear why."""
    failure = ModelFailed("no provider is there; try later", "unavailable", (FAILED,))
    stage = Stage(Speaking(["Zo", failure]))
    failed, abandoned = await stage.answer(asking("Where does Zoe live?"))
    assert isinstance(failed, GenerationFailed)
    assert isinstance(abandoned, AnswerAbandoned)
    assert (abandoned.reason, abandoned.kind, abandoned.partial) == ("failed", "unavailable", "Zo")
    last = stage.heard[-1]
    assert (last.kind, last.failure, last.position) == ("error", "unavailable", 1001)
    assert last.text == "no provider is there; try later"


async def test_a_failure_before_any_attempt_is_recorded_as_well() -> None:
    """A spent budget leaves a failed generation, though nobody was asked."""
    stage = Stage(Speaking([ModelFailed("the budget is spent", "budget_spent")]))
    failed, abandoned = await stage.answer(asking("Where does Zoe live?"))
    assert isinstance(failed, GenerationFailed)
    assert (failed.kind, failed.prompt) == ("budget_spent", "chat/system@1")
    assert isinstance(abandoned, AnswerAbandoned)


async def test_a_message_that_is_too_long_is_refused() -> None:
    """Nothing of the message is left out behind its sender's back."""
    stage = Stage(Speaking())
    (abandoned,) = await stage.answer(asking("word " * 20_000))
    assert isinstance(abandoned, AnswerAbandoned)
    assert (abandoned.reason, abandoned.kind) == ("failed", "refused")
    assert "send a shorter one" in stage.heard[-1].text


async def test_an_answer_quotes_when_there_is_no_language_model() -> None:
    """Without a model everything is as it was: quotations, and `extractive` as the model."""
    peers = Peers(hit("x", "irrelevant", relevance=0.0), hit("a", "Zoe lives in Lisbon"))
    stage = Stage(None, peers, ModelSettings())
    completed, given = await stage.answer(asking("And where does she live?"))
    assert isinstance(given, AnswerGiven)
    assert (given.model, given.content) == (
        "extractive",
        "From memory: “Zoe lives in Lisbon” [1]",
    )
    assert [(one.id, one.mark) for one in given.citations] == [("a", 1)]
    assert isinstance(completed, GenerationCompleted)
    assert (completed.provider, completed.model) == ("extractive", "extractive")
    assert stage.text() == given.content
    assert stage.heard[0].model == "extractive"
    assert [one.query for one in peers.searched] == ["And where does she live?"]


async def test_profile_and_options_say_how_the_answer_is_made() -> None:
    """The client's word counts before the profile's; a model that nobody has is passed over."""
    peers = Peers()
    peers.profile = AssistantProfile(
        id="agt",
        name="n",
        system_prompt="You are a pirate.",
        model_settings={
            "model": "gpt-3.5-turbo",
            "temperature": 0.1,
            "parameters": {"max_tokens": 77, "top_p": "high"},
        },
    )
    model = Speaking(["Arr"], ["Arr"])
    stage = Stage(model, peers)
    await stage.answer(asking("Hello over there, dear friend", assistant="agt"))
    options = AnswerOptions(temperature=1.5, model="big", output_schema={"type": "object"})
    await stage.answer(asking("Hello", assistant="agt", options=options, id="msg_2"))
    first, second = model.requests
    assert first.turns[0].content.startswith("You are a pirate.")
    assert (first.model, first.temperature, first.max_tokens, first.top_p) == ("", 0.1, 77, None)
    assert (second.model, second.temperature, second.max_tokens) == ("big", 1.5, 77)
    assert second.output is not None


async def test_an_answer_is_made_without_core_blocks_when_they_cannot_be_read() -> None:
    """An agent that starts again holds up no answer."""
    peers = Peers()
    peers.blocks_failure = Unavailable("core memory starts")
    stage = Stage(Speaking(["Hi."]), peers)
    assert isinstance((await stage.answer(asking("Hello there")))[-1], AnswerGiven)


async def test_an_answer_is_made_without_the_conversation_when_that_does_not_come_in_time() -> None:
    """An agent far behind the log still answers, from memory."""
    peers = Peers(hit("a", "Zoe lives in Lisbon"))
    peers.window_failure = DeadlineExceeded("agent chat is at 1, not yet at 9")
    model = Speaking(["In Lisbon."])
    payloads = await Stage(model, peers).answer(asking("Where does Zoe live?"))
    assert isinstance(payloads[-1], AnswerGiven)
    assert "Zoe lives in Lisbon" in model.requests[0].turns[0].content


async def test_core_blocks_stand_in_front_of_an_answer() -> None:
    """Who the person is, is there before anything is searched."""
    peers = Peers()
    peers.blocks_told = (
        CoreBlockView(block="human", value="Ann is a baker.", limit_chars=9, memory_ids=()),
    )
    model = Speaking(["Hi."])
    await Stage(model, peers).answer(asking("Hello there"))
    assert "human:\nAnn is a baker." in model.requests[0].turns[0].content


async def test_an_attempt_after_a_search_that_failed_begins_another_round() -> None:
    """What is away for the moment is raised, for the shell to wait; nothing is told twice."""
    peers = Peers()
    peers.search_failures = [Unavailable("the index is away")]
    stage = Stage(Speaking(["Hi."]), peers)
    message = asking("Hello there")
    with pytest.raises(Unavailable):
        await stage.answerer.answer(event_of(message, user=USER), message)
    assert (await stage.answer(message))[-1].content == "Hi."  # type: ignore[attr-defined]
    assert stage.text() == "Hi."


async def test_memory_is_searched_for_what_the_turns_before_are_about() -> None:
    """A question that leans on the last answer finds what it is about."""
    peers = Peers()
    peers.told(said("Who is my dentist?", id="m1"), _answered("Dr. Li in Elm Street.", "m1"))
    model = Speaking(["At nine."], ["At nine."])
    stage = Stage(model, peers)
    await stage.answer(asking("When is he free?", conversation="cnv_1"))
    await stage.answer(asking("Which bread does Bo bake?", conversation="cnv_1", id="msg_2"))
    leaning, alone = (one.query for one in peers.searched)
    assert "Dr. Li" in leaning
    assert alone == "Which bread does Bo bake?"
    assert [turn.content for turn in model.requests[0].turns[1:]] == [
        "Who is my dentist?",
        "Dr. Li in Elm Street.",
        "When is he free?",
    ]


async def test_a_model_names_the_topic_when_that_is_set() -> None:
    """The generation is recorded; where it fails, words have to do."""
    settings = ModelSettings(providers=(BIG,), topic="model")
    peers = Peers()
    model = Speaking(["“Dr. Li opening hours”"], ["At nine."])
    topic, answer, _ = await Stage(model, peers, settings).answer(asking("When is he free?"))
    assert isinstance(topic, GenerationCompleted)
    assert isinstance(answer, GenerationCompleted)
    assert [one.purpose for one in (topic, answer)] == ["topic", "answer"]
    failing = Speaking([ModelFailed("away", "unavailable")], ["At nine."])
    failed, *_ = await Stage(failing, peers, settings).answer(asking("When is he free?"))
    assert isinstance(failed, GenerationFailed)
    assert failed.purpose == "topic"
    assert [one.query for one in peers.searched] == ["Dr. Li opening hours", "When is he free?"]


async def test_many_answers_are_made_side_by_side() -> None:
    """One that is slow holds up no other."""
    slow, peers = asyncio.Event(), Peers()
    stage = Stage(Speaking(["slow", slow], *(["quick"] for _ in range(20))), peers)
    first = asking("Tell me something slow please", id="msg_slow")
    waiting = asyncio.create_task(stage.answerer.answer(event_of(first, user=USER), first))
    await asyncio.sleep(0)
    others = [asking("Tell me something quick please", id=f"msg_{n}") for n in range(20)]
    done = await asyncio.gather(
        *(stage.answerer.answer(event_of(one, user=USER), one) for one in others)
    )
    assert not waiting.done()
    slow.set()
    texts = [payloads[-1].content for payloads, _ in (*done, await waiting)]  # type: ignore[attr-defined]
    assert sorted(texts) == ["quick"] * 20 + ["slow"]


async def test_the_usage_of_an_answer_is_that_of_all_its_generations() -> None:
    """What a client is told that an answer cost is what it cost."""
    whole = Generation(
        text="Hi.", provider="b", model="m", usage=Usage(prompt_tokens=7, completion_tokens=3)
    )
    stage = Stage(Speaking([whole]), settings=msgspec.structs.replace(SETTINGS))
    given = (await stage.answer(asking("Hello there")))[-1]
    assert isinstance(given, AnswerGiven)
    assert given.usage == whole.usage


def _answered(text: str, in_reply_to: str) -> AnswerGiven:
    return AnswerGiven(
        message_id=answer_id(in_reply_to),
        conversation="cnv_1",
        assistant="",
        in_reply_to=in_reply_to,
        content=text,
        model="qwen",
    )
