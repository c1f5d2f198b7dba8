"""Active retrieval: find out what a message is about, then search all of memory for it.

As in MIRIX, every message is searched for before it is answered; nobody has to ask for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Literal, TypeAlias

from actors.asking import completed_generation, not_asked
from actors.chatting.dialogue import question_of
from actors.chatting.making import Making
from actors.chatting.topic import (
    TOPIC_PROMPT,
    TOPIC_TOKENS_MAX,
    stands_alone,
    topic_by_words,
    topic_from,
    topic_turns,
)
from actors.chatting.wishes import quotes_only
from actors.models.port import GenerationRequest, LanguageModel, ModelFailed, Turn, whole
from actors.models.settings import ModelSettings
from actors.ports import Recall
from actors.prompts import dialogue_hash
from actors.queries import FoundMemory, SearchMemories
from events.catalogue import GenerationFailed, MessageReceived
from events.envelope import Event
from events.ids import derived_id

#: Hits that an answer can rest on.
HITS_MAX = 10
#: Hits asked for where some may stand in the prompt anyway.
HITS_WITH_WINDOW_MAX = 20
#: A topic that a model takes longer to name is formed by words.
TOPIC_WAIT_S = 5.0

#: The search that the answer to a message of (user, tenant) begins with, where it alone tells.
Foresight: TypeAlias = Callable[[str, str, MessageReceived], SearchMemories | None]
#: Reads the turns before a message.
TurnsBefore: TypeAlias = Callable[[], Awaitable[tuple[Turn, ...]]]


class Retrieving:
    """Finds what an answer can rest on."""

    def __init__(
        self, recall: Recall, model: LanguageModel, topic: Literal["words", "model"]
    ) -> None:
        """Put it together; `topic` says who finds out what a message is about."""
        self._recall = recall
        self._model = model
        self._topic = topic

    async def search_topic(
        self, cause: Event, message: MessageReceived, before: TurnsBefore, making: Making
    ) -> tuple[FoundMemory, ...]:
        """Return what memory has on what a message is about, best first.

        Args:
            cause: the message's event.
            message: what was said.
            before: reads the turns before it; not called where the message stands alone.
            making: records what a model was asked for the topic.

        Raises:
            Unavailable: memory cannot be searched at the moment.
        """
        asked = question_of(message) if message.role != "tool" else ""
        if asked and self._topic != "model" and stands_alone(asked):
            return await self.search(cause, message, asked, HITS_WITH_WINDOW_MAX)
        turns = await before()
        if not asked:  # a tool's result: what is asked for stands before it
            asked = next((one.content for one in reversed(turns) if one.role == "user"), "")
        topic = ""
        if self._topic == "model":
            topic = await self._ask_topic(cause, message, asked, turns, making)
        topic = topic or topic_by_words(asked, turns)
        return await self.search(cause, message, topic, HITS_WITH_WINDOW_MAX)

    async def _ask_topic(
        self,
        cause: Event,
        message: MessageReceived,
        asked: str,
        before: tuple[Turn, ...],
        making: Making,
    ) -> str:
        """Return the topic as a model names it; empty when it does not."""
        turns = topic_turns(asked, before)
        request = GenerationRequest(
            turns=turns,
            purpose="topic",
            user=cause.user,
            generation_id=derived_id("gen", message.message_id, "topic"),
            max_tokens=TOPIC_TOKENS_MAX,
        )
        prompt_hash = dialogue_hash(turns)
        try:
            async with asyncio.timeout(TOPIC_WAIT_S):
                generation = await whole(self._model, request)
        except TimeoutError:
            failures: tuple[GenerationFailed, ...] = (_topic_late(request),)
        except ModelFailed as failure:
            failures = failure.failures or (not_asked(request, failure),)
        else:
            making.record(generation.failures, TOPIC_PROMPT, prompt_hash)
            completed = completed_generation(request, generation, TOPIC_PROMPT, prompt_hash)
            making.payloads.append(completed)
            return topic_from(generation.text)
        making.record(failures, TOPIC_PROMPT, prompt_hash)
        return ""

    async def search(
        self, cause: Event, message: MessageReceived, topic: str, limit: int = HITS_MAX
    ) -> tuple[FoundMemory, ...]:
        """Return what memory has on a topic, in all six tiers and in what was said, best first.

        The message itself is not among it, but all that came before it is.

        Raises:
            Unavailable: memory cannot be searched at the moment.
        """
        request = search_of(cause.user, cause.envelope.tenant, message, topic, limit)
        # Everything before it. The message itself, which is left out, is still being embedded.
        outcome = await self._recall.search(request, min_position=cause.position - 1)
        return outcome.results


def search_of(
    user: str, tenant: str, message: MessageReceived, topic: str, limit: int
) -> SearchMemories:
    """Return what is asked of memory before a message is answered."""
    return SearchMemories(
        user=user,
        tenant=tenant,
        query=topic,
        limit=limit,
        exclude_ids=(message.message_id,),
    )


def foresight(settings: ModelSettings) -> Foresight:
    """Return what tells from a message alone which search its answer begins with.

    None where that takes more than the message: the turns before it, or a model.
    """
    quotes = quotes_only(settings)

    def foresee(user: str, tenant: str, message: MessageReceived) -> SearchMemories | None:
        if not message.answer_wanted:
            return None
        if quotes:
            return search_of(user, tenant, message, message.content, HITS_MAX)
        asked = question_of(message)
        if settings.topic == "model" or message.role == "tool" or not stands_alone(asked):
            return None
        return search_of(user, tenant, message, asked, HITS_WITH_WINDOW_MAX)

    return foresee


def _topic_late(request: GenerationRequest) -> GenerationFailed:
    return GenerationFailed(
        generation_id=request.generation_id,
        purpose=request.purpose,
        provider="",
        model=request.model,
        kind="timed_out",
        detail=f"no topic within {TOPIC_WAIT_S:g} s; it was formed by words",
    )


def fresh_first(
    found: Sequence[FoundMemory], shown: Collection[str], asked: str
) -> tuple[FoundMemory, ...]:
    """Return the hits that tell a prompt most, best first.

    Messages that the conversation shows anyway come last, the same question asked before not at
    all.

    Args:
        found: the hits, best first.
        shown: ids of the messages that stand in the prompt.
        asked: the question.
    """
    question = _folded(asked)
    telling = [hit for hit in found if _folded(hit.text) != question]
    fresh = [hit for hit in telling if hit.id not in shown]
    again = [hit for hit in telling if hit.id in shown]
    return tuple((*fresh, *again)[:HITS_MAX])


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
