"""One agent, whole: shell, answering half and ports put together, wherever it is hosted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from actors.answerer import Answerer
from actors.chatting.retrieving import foresight
from actors.chatting.summarising import summary_settings
from actors.chatting.wishes import quotes_only
from actors.deciders.chat import conversation_lane
from actors.deciders.table import decider_of
from actors.execution import Execution
from actors.modelling import extractor_of, model_of
from actors.models.settings import ModelSettings
from actors.names import OWNERS, Agent
from actors.peers import AskPeer, Peers
from actors.peers_ahead import PeersAhead
from actors.ports import EmbeddingService
from actors.progress import answer_id
from actors.queries import (
    AdoptState,
    AnswerSoFar,
    AwaitRecorded,
    CountAll,
    Foresee,
    GetAbandoned,
    GetAnswerSoFar,
    GetMessage,
    GetState,
    Query,
    RollBackState,
    SearchMemories,
)
from actors.questions import answering
from actors.readers import BRIEF, read
from actors.settings import RankingSettings
from actors.shell import Shell
from actors.swapping import Swapping
from actors.tools import LocalTools
from events.catalogue import MessageReceived
from events.clock import system_clock
from events.envelope import Event
from events.errors import CommandRejected, Unavailable
from events.journal import Journal
from events.signals import Signals
from projections.snapshots import SnapshotStore

if TYPE_CHECKING:
    from actors.searching import Searcher

#: Between two tries to hear questions where there is no connection.
ANSWER_AGAIN_S = 1.0

log = structlog.get_logger(__name__)


class AgentProcess:
    """Runs one agent of one shard and answers queries to it."""

    def __init__(
        self,
        agent: Agent,
        *,
        journal: Journal,
        signals: Signals,
        snapshots: SnapshotStore,
        embedding: EmbeddingService,
        ask: AskPeer,
        models: ModelSettings | None = None,
        shards: int = 1,
        questions: EmbeddingService | None = None,
        ranking: RankingSettings | None = None,
        snapshot_every_events: int = 20_000,
        snapshot_every_s: float = 3600.0,
        retry_wait_s: float = 0.2,
        give_way_s: float = 0.0,
    ) -> None:
        """Put an agent together.

        The search agent needs `questions`, which embeds them, and searches as `ranking` says.
        """
        models = models or ModelSettings()
        self._journal, self._signals = journal, signals
        peers = _peers(agent, journal, self._among(agent, ask), models)
        self._model = model_of(agent, journal, models, shards)
        self._answerer = Answerer(
            peers,
            signals,
            journal.shard,
            model=self._model.model if self._model else None,
            settings=models,
            peers=peers,
        )
        execution = Execution(
            embedding=embedding,
            answerer=self._answerer,
            tools=LocalTools(peers, system_clock),
            asking=self._model.asking(peers) if self._model else None,
            retry_wait_s=retry_wait_s,
            at_once=models.answers_at_once,
        )
        self.shell = Shell(
            decider=decider_of(
                agent,
                journal.codec.keys.fingerprint,
                extractor_of(agent, models),
                summarise=summary_settings(models),
            ),
            journal=journal,
            signals=signals,
            snapshots=snapshots,
            execution=execution,
            snapshot_every_events=snapshot_every_events,
            snapshot_every_s=snapshot_every_s,
            retry_wait_s=retry_wait_s,
        )
        self._swapping = Swapping(
            self.shell,
            snapshots,
            lambda: decider_of(agent, journal.codec.keys.fingerprint).projection,
        )
        self.searcher: Searcher | None = None
        if give_way_s and agent in OWNERS:
            self.shell.arriving = partial(_give_way, give_way_s)
        if isinstance(peers, PeersAhead):
            self.shell.arriving = peers.arriving
        if agent == "search":
            self.searcher = _searcher(self.shell, journal, questions, ranking, models)
            self.shell.arriving = self.searcher.foreseen.foresee

    def _among(self, agent: Agent, ask: AskPeer) -> AskPeer:
        """Answer what an agent asks itself without a way around."""

        async def asked(peer: Agent, query: Query, min_position: int, timeout_s: float) -> Any:
            if peer == agent:
                return await self.ask(query, min_position=min_position, timeout_s=timeout_s)
            return await ask(peer, query, min_position, timeout_s)

        return asked

    async def run(self) -> None:
        """Work until cancelled; raises what makes going on impossible."""
        if self._model is not None:
            await self._model.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.shell.run())
            group.create_task(self._answer_questions())
            if self._model is not None:
                group.create_task(self._model.run())
            if self.shell.agent == "chat":
                group.create_task(self._answerer.run())
            if self.searcher is not None:
                group.create_task(self.searcher.run())

    async def _answer_questions(self) -> None:
        """Answer what is asked over signals, until cancelled."""

        async def here(query: Query, min_position: int, timeout_s: float) -> Any:
            return await self.ask(query, min_position=min_position, timeout_s=timeout_s)

        while True:
            try:
                shard, agent = self._journal.shard, self.shell.agent
                async with answering(self._signals, shard, agent, here):
                    await asyncio.Future()
            except Unavailable as error:
                # Until then whoever asks turns to the actor.
                log.warning("questions_not_heard", error=error.message)
            await asyncio.sleep(ANSWER_AGAIN_S)

    async def ask(self, query: Query, *, min_position: int = 0, timeout_s: float = 10) -> Any:
        """Answer a query, once `min_position` is handled.

        Raises:
            NotFound: there is no such thing.
            CommandRejected: this agent does not answer such queries.
            DeadlineExceeded: the agent did not get to `min_position` in `timeout_s` seconds.
        """
        match query:
            case GetState():
                return await self.shell.state()
            case AdoptState(position=position):
                return await self._swapping.adopt(position, timeout_s)
            case RollBackState():
                return await self._swapping.roll_back(timeout_s)
            case GetAnswerSoFar(user=user, message_id=message_id) if self.shell.agent == "chat":
                return await self._so_far(user, message_id, min_position, timeout_s)
        if self.searcher is None:
            shell = self.shell
            return await shell.on_state(
                lambda: read(shell.projection, query, shell.keys),
                min_position=min_position,
                timeout_s=timeout_s,
                user=getattr(query, "user", ""),  # a few questions are nobody's
                brief=isinstance(query, BRIEF),
            )
        match query:
            case SearchMemories():
                return await self.searcher.search(
                    query, min_position=min_position, timeout_s=timeout_s
                )
            case Foresee():
                return self.searcher.foreseen.expect(query)
            case CountAll():
                return await self.searcher.count(query)
            case AwaitRecorded(search_id=search_id):
                return await self.searcher.records.recorded(search_id, timeout_s)
            case _:
                raise CommandRejected(f"the search agent does not answer {type(query).__name__}")

    async def _so_far(
        self, user: str, message_id: str, min_position: int, timeout_s: float
    ) -> AnswerSoFar:
        """Return how far the answer to a message is; where it is done, the log has the word."""
        shell, reply_id = self.shell, answer_id(message_id)
        making = self._answerer.so_far(user, message_id)
        answer, abandoned, asked = await shell.on_state(
            lambda: (
                read(shell.projection, GetMessage(user=user, message_id=reply_id), None),
                read(shell.projection, GetAbandoned(user=user, message_id=message_id), None),
                read(shell.projection, GetMessage(user=user, message_id=message_id), None),
            ),
            min_position=min_position,
            timeout_s=timeout_s,
        )
        text, round_ = (making.text, making.round) if making else ("", 0)
        if answer is not None:
            return AnswerSoFar(state="given", text=text, round=round_, answer=answer)
        if abandoned is not None:
            return AnswerSoFar(state="abandoned", text=text, round=round_, abandoned=abandoned)
        if making is not None:
            return making
        # Not begun yet: it waits for its turn in its conversation.
        waits = asked is not None and shell.works_on(
            conversation_lane(user, asked.conversation), asked.position
        )
        return AnswerSoFar(state="making" if waits else "unknown")


async def _give_way(wait_s: float, events: Sequence[Event]) -> None:
    """Let those who answer a message have the cores first: nobody waits for what is kept of it."""
    payloads = (event.payload for event in events)
    if any(isinstance(one, MessageReceived) and one.answer_wanted for one in payloads):
        await asyncio.sleep(wait_s)


def _peers(agent: Agent, journal: Journal, ask: AskPeer, models: ModelSettings) -> Peers:
    if agent != "chat":
        return Peers(agent, journal, ask)
    return PeersAhead(agent, journal, ask, foresight(models), blocks=not quotes_only(models))


def _searcher(
    shell: Shell,
    journal: Journal,
    questions: EmbeddingService | None,
    ranking: RankingSettings | None,
    models: ModelSettings,
) -> Searcher:
    # With its index; one agent of nine needs it.
    from actors.searching import Searcher

    if questions is None:
        raise TypeError("the search agent needs an embedder for questions")
    return Searcher(shell, journal, questions, ranking, foresight(models))
