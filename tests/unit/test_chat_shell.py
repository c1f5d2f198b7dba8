"""The chat agent's shell with a model: answers in order, once each, and a summary beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

from actors.answerer import Answerer
from actors.asking import Asking
from actors.chatting.summarising import SummarySettings
from actors.deciders.chat import ChatDecider
from actors.execution import Execution
from actors.models.port import ModelFailed
from actors.progress import Unheard, cancel_subject, encode_signal
from actors.queries import GetWindow, Window
from actors.readers import read
from actors.shell import Shell
from actors.tools import LocalTools
from events.catalogue import (
    AnswerAbandoned,
    AnswerGiven,
    ConversationSummarised,
    GenerationCompleted,
    GenerationFailed,
)
from events.clock import FixedClock
from events.codec import Codec
from events.envelope import Event
from events.journal import Journal
from events.memory_keystore import MemoryKeyStore
from events.memory_log import MemoryLog
from events.sealing import KeyRing
from events.signals import MemorySignals
from projections.snapshots import NoSnapshots
from tests.unit.builders import new_message
from tests.unit.fakes.chat_parts import SETTINGS, Peers, Speaking
from tests.unit.test_shell import Embedding

WINDOW = SummarySettings(window_messages=4, window_tokens=2000, prompt_tokens=4000)


class ShellPeers(Peers):
    """The other agents; the conversation is the one that the shell holds."""

    shell: Shell

    async def window(
        self, user: str, conversation: str, *, before: int, limit: int, answered: bool = False
    ) -> Window:
        """Read the end of the conversation, own answers included."""
        query = GetWindow(
            user=user, conversation=conversation, before=before, limit=limit, answered=answered
        )
        return await self.shell.on_state(
            lambda: read(self.shell.projection, query, None), min_position=before, user=user
        )


class ChatAgent:
    """One chat agent on a log in memory."""

    def __init__(self, *scripts: Sequence[object], journal: Journal | None = None) -> None:
        codec = Codec(KeyRing(MemoryKeyStore()))
        self.journal = journal or Journal(MemoryLog(), codec, FixedClock())
        self.model = Speaking(*scripts)
        self.signals = MemorySignals()
        peers = ShellPeers()
        self.answerer = Answerer(
            peers, self.signals, 0, model=self.model, settings=SETTINGS, peers=peers
        )
        self.shell = peers.shell = Shell(
            decider=ChatDecider(WINDOW),
            journal=self.journal,
            signals=self.signals,
            snapshots=NoSnapshots(),
            execution=Execution(
                embedding=Embedding(),
                answerer=self.answerer,
                tools=LocalTools(peers, FixedClock()),
                asking=Asking("chat", self.model, peers),
                retry_wait_s=0.001,
            ),
            snapshot_every_events=1000,
            retry_wait_s=0.001,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work while the context lasts."""
        tasks = [asyncio.create_task(one) for one in (self.shell.run(), self.answerer.run())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def say(self, text: str, number: int) -> None:
        """Append a message that wants an answer."""
        await self.journal.append([new_message(text, number, answer_wanted=True)])

    async def until(self, kind: str, count: int) -> list[Event]:
        """Return the events of a kind as soon as there are so many."""
        async with asyncio.timeout(10):
            after = 0
            while True:
                found = [event async for event in self.journal.read(kinds=frozenset({kind}))]
                if len(found) >= count:
                    return found
                async with aclosing(self.journal.follow(after=after)) as batches:
                    after = (await anext(batches)).through


async def test_the_second_of_two_quick_messages_sees_the_answer_to_the_first() -> None:
    """One conversation is one lane, and an answer stands behind what it answers."""
    agent = ChatAgent(["In Lisbon."], ["A baker."])
    await agent.say("Where does Zoe live?", 1)
    await agent.say("What does Zoe do?", 2)
    async with agent.running():
        answers = await agent.until(AnswerGiven.__name__, 2)
    assert [event.payload.content for event in answers] == ["In Lisbon.", "A baker."]  # type: ignore[attr-defined]
    assert [turn.content for turn in agent.model.requests[1].turns[1:]] == [
        "Where does Zoe live?",
        "In Lisbon.",
        "What does Zoe do?",
    ]


async def test_an_answer_is_in_the_log_with_its_generation_once_whatever_happens_after() -> None:
    """Started again, the agent answers nothing that is answered."""
    first = ChatAgent(["In Lisbon."])
    await first.say("Where does Zoe live?", 1)
    async with first.running():
        await first.until(AnswerGiven.__name__, 1)
    again = ChatAgent(["A baker."], journal=first.journal)
    await again.say("What does Zoe do?", 2)
    async with again.running():
        given = await again.until(AnswerGiven.__name__, 2)
    completed = await again.until(GenerationCompleted.__name__, 2)
    assert len(given) == len(completed) == 2
    assert given[0].envelope.causation_id == completed[0].envelope.causation_id


async def test_a_long_conversation_is_summarised_beside_its_answers() -> None:
    """The summary is an event, and stands in the next prompt."""
    agent = ChatAgent(["one."], ["two."], ["three."], ["They counted."], ["four."])
    async with agent.running():
        for number, text in enumerate(("Say one", "Say two", "Say three"), start=1):
            await agent.say(text, number)
            await agent.until(AnswerGiven.__name__, number)
        (summary,) = await agent.until(ConversationSummarised.__name__, 1)
        await agent.say("Say four", 4)
        await agent.until(AnswerGiven.__name__, 4)
    assert isinstance(summary.payload, ConversationSummarised)
    assert summary.payload.summary == "They counted."
    purposes = [request.purpose for request in agent.model.requests]
    assert purposes == ["answer", "answer", "answer", "summary", "answer"]
    assert "They counted." in agent.model.requests[-1].turns[0].content


async def test_the_conversation_goes_on_when_an_answer_failed() -> None:
    """The failure is recorded, the next message is answered."""
    agent = ChatAgent([ModelFailed("all are away", "unavailable")], ["A baker."])
    await agent.say("Where does Zoe live?", 1)
    await agent.say("What does Zoe do?", 2)
    async with agent.running():
        await agent.until(AnswerGiven.__name__, 1)
        (abandoned,) = await agent.until(AnswerAbandoned.__name__, 1)
        (failed,) = await agent.until(GenerationFailed.__name__, 1)
    assert abandoned.envelope.causation_id == failed.envelope.causation_id
    assert agent.shell.projection.abandoned["usr_ann"].keys() == {"msg_1"}  # type: ignore[attr-defined]


async def test_a_cancelled_answer_makes_room_for_the_next() -> None:
    """Nobody waits for the first any more; the second is made at once."""
    agent = ChatAgent(["In ", asyncio.Event()], ["A baker."])
    await agent.say("Where does Zoe live?", 1)
    await agent.say("What does Zoe do?", 2)
    async with agent.running():
        async with agent.signals.subscribe("signals.answers.0.msg_1") as parts:
            async for _, body in parts:
                if b"In " in body:
                    break
        subject = cancel_subject(0, "msg_1")
        await agent.signals.publish(subject, encode_signal(Unheard()))
        await agent.until(AnswerGiven.__name__, 1)
        (abandoned,) = await agent.until(AnswerAbandoned.__name__, 1)
    assert abandoned.payload.partial == "In "  # type: ignore[attr-defined]
