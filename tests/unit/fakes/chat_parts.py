"""What an answerer stands on, in memory: a model that says what it is told to, and its peers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import msgspec

from actors.answerer import Answerer
from actors.models.port import (
    Delta,
    Generation,
    GenerationRequest,
    LanguageModel,
    ModelFailed,
    StartedOver,
    Told,
    ToolCall,
)
from actors.models.settings import ModelSettings, ProviderSettings
from actors.progress import AnswerPart, answers_subject, decode_answer_part
from actors.queries import (
    CoreBlockView,
    FoundMemory,
    GetWindow,
    SearchMemories,
    SearchOutcome,
    ToolCallView,
    Window,
)
from actors.readers import read
from actors.tools import LocalTools
from events.catalogue import AssistantProfile, MessageReceived, Payload, Usage
from events.clock import FixedClock
from events.envelope import Event
from events.errors import MirixError
from events.signals import MemorySignals
from projections.conversations import ConversationsProjection
from tests.unit.builders import NOON, event_of

USER = "usr_ann"
BIG = ProviderSettings(name="big", kind="vllm", model="qwen", context_tokens=8192)
SETTINGS = ModelSettings(providers=(BIG,))


def hit(id: str, text: str, *, tier: str = "semantic", **fields: Any) -> FoundMemory:
    """Return a memory as a search finds it."""
    given: dict[str, Any] = {"score": 1.0, "relevance": 0.8, "said_at": NOON, "recorded_at": NOON}
    return FoundMemory(id=id, tier=tier, text=text, message_ids=(f"m_{id}",), **(given | fields))


def asking(content: str, *, id: str = "msg_q", **fields: Any) -> MessageReceived:
    """Return a message that wants an answer."""
    return MessageReceived(
        message_id=id,
        conversation=fields.pop("conversation", "cnv"),
        content=content,
        said_at=NOON + timedelta(hours=1),
        answer_wanted=True,
        **fields,
    )


class Speaking:
    """A language model that says what its script has for each request, piece by piece.

    A script is a list of pieces: texts, `StartedOver`, tool calls, an event to wait for, a failure,
    or a whole `Generation`.
    """

    name = "speaking"

    def __init__(self, *scripts: Sequence[object]) -> None:
        self.scripts = list(scripts)
        self.requests: list[GenerationRequest] = []
        self.closed = 0

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Told, None]:
        """Say what the next script has."""
        self.requests.append(request)
        script = self.scripts.pop(0)
        text = ""
        calls: tuple[ToolCall, ...] = ()
        try:
            for piece in script:
                match piece:
                    case str():
                        text += piece
                        yield Delta(text=piece)
                        await asyncio.sleep(0)
                    case StartedOver():
                        text = ""
                        yield piece
                    case asyncio.Event():
                        await piece.wait()
                    case ModelFailed():
                        raise piece
                    case ToolCall():
                        calls = (*calls, piece)
                    case Generation():
                        yield piece
                        return
                    case _:
                        raise TypeError(f"{piece!r} cannot be said")
        except (asyncio.CancelledError, GeneratorExit):
            self.closed += 1
            raise
        yield Generation(
            text=text,
            tool_calls=calls,
            provider="big",
            model="qwen",
            usage=Usage(prompt_tokens=10, completion_tokens=2),
            finish_reason="tool_calls" if calls else "stop",
        )


class Peers:
    """The other agents: memories that are found, and the conversation of a real projection."""

    def __init__(self, *found: FoundMemory) -> None:
        self.found = found
        self.blocks_told: tuple[CoreBlockView, ...] = ()
        self.blocks_failure: MirixError | None = None
        self.window_failure: MirixError | None = None
        self.search_failures: list[MirixError] = []
        self.profile: AssistantProfile | None = None
        self.projection = ConversationsProjection()
        self.searched: list[SearchMemories] = []
        self.called: list[str] = []
        self._tools = LocalTools(self, FixedClock())

    def told(self, *payloads: Payload) -> None:
        """Let the conversation hold these, before the message."""
        at = sum(map(len, self.projection.messages.values()))
        for position, payload in enumerate(payloads, start=at + 1):
            self.projection.apply(event_of(payload, position=position))

    async def search(self, request: SearchMemories, *, min_position: int = 0) -> SearchOutcome:
        """Find what there is to be found."""
        self.searched.append(request)
        if self.search_failures:
            raise self.search_failures.pop(0)
        return SearchOutcome(search_id="s", position=min_position, results=self.found)

    async def window(
        self, user: str, conversation: str, *, before: int, limit: int, answered: bool = False
    ) -> Window:
        """Read the end of the conversation."""
        if self.window_failure is not None:
            raise self.window_failure
        query = GetWindow(
            user=user, conversation=conversation, before=before, limit=limit, answered=answered
        )
        window: Window = read(self.projection, query, None)
        return window

    async def blocks(self, user: str) -> tuple[CoreBlockView, ...]:
        """Read the core blocks."""
        if self.blocks_failure is not None:
            raise self.blocks_failure
        return self.blocks_told

    async def assistant(self, tenant: str, assistant_id: str) -> AssistantProfile | None:
        """Read the profile."""
        return self.profile

    async def call(
        self, cause: Event, call_id: str, tool: str, arguments: dict[str, Any], *, timeout_s: float
    ) -> ToolCallView:
        """Carry a call out at once, as the tool agent would."""
        self.called.append(call_id)
        view = ToolCallView(call_id=call_id, tool=tool, status="returned", position=1)
        try:
            result = await self._tools.call(
                tool, arguments, user=cause.user, tenant="org", position=cause.position
            )
        except MirixError as error:
            return msgspec.structs.replace(view, status="failed", error=error.message)
        return msgspec.structs.replace(view, result=result)


class Stage:
    """An answerer on its ports, and all that its listeners hear."""

    def __init__(
        self,
        model: LanguageModel | None,
        peers: Peers | None = None,
        settings: ModelSettings = SETTINGS,
    ) -> None:
        self.peers = peers or Peers()
        self.signals = MemorySignals()
        self.answerer = Answerer(
            self.peers, self.signals, 0, model=model, settings=settings, peers=self.peers
        )
        self.heard: list[AnswerPart] = []
        self._news = asyncio.Condition()

    async def answer(self, message: MessageReceived, position: int = 1000) -> list[Payload]:
        """Answer a message, append the answer at the next position, and hear all of it."""
        async with self.listening(message.message_id):
            event = event_of(message, position=position, user=USER)
            payloads, afterwards = await self.answerer.answer(event, message)
            await afterwards(position + 1)
            await self.until(lambda: self.heard[-1].kind in ("complete", "error"))
        return payloads

    @asynccontextmanager
    async def listening(self, message_id: str) -> AsyncIterator[None]:
        """Hear the parts of an answer while the context lasts."""
        async with self.signals.subscribe(answers_subject(0, message_id)) as parts:

            async def hear() -> None:
                async for _, body in parts:
                    async with self._news:
                        self.heard.append(decode_answer_part(body))
                        self._news.notify_all()

            task = asyncio.create_task(hear())
            try:
                yield
            finally:
                task.cancel()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds of what was heard."""
        async with asyncio.timeout(5), self._news:
            await self._news.wait_for(lambda: bool(self.heard) and holds())

    def text(self) -> str:
        """Return the text as a listener has it that goes by rounds and offsets."""
        text, round_ = "", 0
        for part in self.heard:
            if part.round > round_:
                text, round_ = "", part.round
            if part.kind == "content":
                assert part.offset == len(text), "a piece is missing"
                text += part.text
        return text
