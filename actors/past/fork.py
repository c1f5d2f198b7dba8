"""What if: decide the past again from some position, otherwise, and compare the two memories.

The chosen memory agents meet the same inputs in the same order as they did; what they concluded
then is left out, what they conclude now goes into a history of its own. Nothing is appended:
deciders are pure, and effects that reach out (vectors, tools, answers) are not run. What a model is
asked is answered from the log, and by a model only where one was given (`actors/past/told.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing

import msgspec
import structlog

from actors.asking import last_told
from actors.deciders.base import Decider
from actors.deciders.memory import MemoryDecider
from actors.deciders.settings import DeciderSettings
from actors.deciders.table import decider_of
from actors.effects import Effect, Generate
from actors.execution import conclusions
from actors.extraction.asking import ModelExtractor
from actors.extraction.extractor import Extractor
from actors.names import AGENTS, OWNER_OF, Agent, Owner
from actors.past.alignment import aligned
from actors.past.difference import difference
from actors.past.queries import ForkReport
from actors.past.told import GENERATIONS, Live, Told
from events.catalogue import MemoryChangeRejected, Payload
from events.envelope import Envelope, Event
from events.errors import CommandRejected, KeyDestroyed
from events.ids import derived_id
from events.journal import EventReader
from events.memory import TIERS, Tier, Value
from events.sealing import KeyRing
from projections.base import Projection, apply_or_skip
from projections.tiers import TierProjection

#: The agents that can decide otherwise: the owners of the six tiers.
FORKABLE: tuple[Owner, ...] = tuple(OWNER_OF[tier] for tier in TIERS)
#: What two histories need not have in common for their memories to be the same.
NOT_COMPARED = frozenset({"position", "recorded_at", "provenance.extractor"})

#: How far back open causes are looked for at first, in events.
_LOOK_BACK = 1000
#: Events that are read, or met, at one go.
_CHUNK_EVENTS = 64
#: What is met, and what says that it was.
_TELLING = (
    MemoryDecider.causes | TierProjection.kinds | {MemoryChangeRejected.__name__} | GENERATIONS
)

log = structlog.get_logger(__name__)

#: Returns an agent's projection for a user ("" for everybody) as of a position.
StateAt = Callable[[Agent, str, int], Awaitable[Projection]]


class ForkRequest(Value, frozen=True, kw_only=True):
    """From where, for whom and by whom to decide again.

    Inputs after `at` up to `until` are met again; `user` empty means everybody of the shard.
    `reuse` takes what a model said then where the same prompt is asked again, of any model or of
    the provider or model `prefer` alone.
    """

    at: int
    until: int
    user: str = ""
    agents: tuple[Owner, ...] = FORKABLE
    settings: DeciderSettings = DeciderSettings()
    reuse: bool = True
    prefer: str = ""


class _Branch:
    """One agent on two histories: as the log has it, and as it decides now."""

    def __init__(self, agent: Agent, decider: Decider, actual: Projection, begun: set[str]) -> None:
        self.agent = agent
        self.decider = decider
        self.actual = actual
        #: Ids of what is met; what the log says followed from it is part of `actual`.
        self.met = begun


async def fork(
    reader: EventReader,
    state_at: StateAt,
    request: ForkRequest,
    *,
    extractor: Extractor | ModelExtractor,
    keys: KeyRing,
    live: Live | None = None,
    keep: Callable[[Event], None] = lambda event: None,
    progress: Callable[[int], None] = lambda position: None,
) -> ForkReport:
    """Decide again and compare.

    Args:
        reader: the events of one shard.
        state_at: gives the states to begin with.
        request: from where, for whom, by whom.
        extractor: what the agents draw findings with.
        keys: seal the secrets that the vault finds; nothing else is done with them.
        live: asks a model for what the log does not answer; None: nobody is asked.
        keep: told each event of the new history behind `at`, in order, numbered from there on.
        progress: told the position reached, now and then.

    Raises:
        CommandRejected: a position is not in the log, or an agent cannot be forked.
    """
    await _check(reader, request)
    told = Told(reader, live, reuse=request.reuse, prefer=request.prefer)
    begun = await _begun(reader, request, told)
    branches = [
        await _branch(state_at, request, agent, begun, extractor, keys) for agent in request.agents
    ]
    scratch = _Scratch(request.at, keep, told)
    async with aclosing(_history(reader, request, branches, begun)) as chunks:
        async for chunk in chunks:
            # On another thread: deciding takes its time, and others are answered meanwhile.
            await asyncio.to_thread(_meet_all, chunk, request, branches, scratch, keys)
            progress(min(max(chunk[-1].position, request.at), request.until))
    return await asyncio.to_thread(
        _report, reader.shard, request, branches, scratch, extractor.name
    )


def _report(
    shard: int, request: ForkRequest, branches: list[_Branch], scratch: _Scratch, extractor: str
) -> ForkReport:
    before = _tiers(branch.actual for branch in branches)
    after = _tiers(branch.decider.projection for branch in branches)
    found = difference(
        shard,
        request.at,
        request.until,
        before,
        {tier: aligned(after[tier], before[tier], NOT_COMPARED) for tier in after},
        request.user,
        tuple(after),
        ignored=NOT_COMPARED,
    )
    return ForkReport(
        shard=shard,
        extractor=extractor,
        agents=request.agents,
        causes=scratch.causes,
        parked=scratch.parked,
        failure=scratch.failure,
        conclusions=scratch.conclusions,
        reused=scratch.told.reused,
        asked=scratch.told.asked,
        unasked=scratch.told.unasked,
        memories=sum(
            len(shelf.memories) for one in after.values() for shelf in one.shelves.values()
        ),
        difference=found,
    )


async def _check(reader: EventReader, request: ForkRequest) -> None:
    end = await reader.last_position()
    if not 0 <= request.at <= request.until <= end:
        raise CommandRejected(
            f"cannot fork from position {request.at} to {request.until}: the log of shard"
            f" {reader.shard} goes from 0 to {end}"
        )
    if not request.agents:
        raise CommandRejected(f"no agent was chosen; there are {', '.join(FORKABLE)}")


async def _branch(
    state_at: StateAt,
    request: ForkRequest,
    agent: Agent,
    begun: _Begun,
    extractor: Extractor | ModelExtractor,
    keys: KeyRing,
) -> _Branch:
    base = begun.bases.get(agent, request.at)
    state = (await state_at(agent, request.user, base)).snapshot()
    decider = decider_of(agent, keys.fingerprint, extractor, request.settings)
    decider.projection.restore(state)
    actual = decider_of(agent, keys.fingerprint).projection
    actual.restore(state)
    return _Branch(agent, decider, actual, begun.open_to(agent))


class _Begun:
    """What the agents had begun by `at`: an agent is always a little behind the log.

    `open` are the causes up to `at` from which something follows only behind it, with the agents
    that had them still before them; `positions` says where they are. Causes from which nothing
    followed at all were handled, and stay so. `bases` says where an agent was before the cause
    whose conclusions `at` stands in the middle of.
    """

    def __init__(self) -> None:
        self.open: dict[str, set[Agent]] = {}
        self.positions: dict[str, int] = {}
        self.bases: dict[Agent, int] = {}

    def open_to(self, agent: Agent) -> set[str]:
        """Return the ids of the causes that an agent had still before it."""
        return {cause for cause, agents in self.open.items() if agent in agents}


async def _begun(reader: EventReader, request: ForkRequest, told: Told) -> _Begun:
    """Look at what followed behind `at`, then back for what it followed from.

    `told` notes where the generations are on the way.
    """
    begun = _Begun()
    seen = set[str]()
    async with aclosing(_telling(reader, request.user, request.at)) as envelopes:
        async for position, envelope in envelopes:
            seen.add(envelope.event_id)
            told.note(position, envelope)
            if envelope.causation_id not in seen:
                for owner in request.agents:
                    if owner == envelope.producer:
                        begun.open.setdefault(envelope.causation_id, set()).add(owner)
    span, until = _LOOK_BACK, request.at
    while until > 0 and len(begun.positions) < len(begun.open):
        after = max(0, until - span)
        async with aclosing(_telling(reader, request.user, after, until)) as envelopes:
            async for position, envelope in envelopes:
                if envelope.event_id in begun.open:
                    begun.positions[envelope.event_id] = position
                for agent in begun.open.get(envelope.causation_id, ()):
                    if agent == envelope.producer:
                        told.note(position, envelope)
                        begun.bases[agent] = min(position - 1, begun.bases.get(agent, position))
        span, until = 4 * span, after
    return begun


async def _telling(
    reader: EventReader, user: str, after: int, until: int | None = None
) -> AsyncGenerator[tuple[int, Envelope], None]:
    """Yield the envelopes of what was met and concluded; a user's are read by their subject."""
    if user:
        async with aclosing(reader.read(after, until, _TELLING, user)) as events:
            async for event in events:
                yield event.position, event.envelope
        return
    async with aclosing(reader.envelopes(after, until)) as envelopes:
        async for position, envelope in envelopes:
            if envelope.type in _TELLING:
                yield position, envelope


async def _history(
    reader: EventReader, request: ForkRequest, branches: list[_Branch], begun: _Begun
) -> AsyncGenerator[Sequence[Event], None]:
    """Yield the inputs that were still open, then what lies behind `at`, to the end of the log.

    To its end: what followed from the last inputs lies behind them.
    """
    still_open = sorted(begun.positions.values())
    for start in range(0, len(still_open), _CHUNK_EVENTS):
        if chunk := await reader.at(still_open[start : start + _CHUNK_EVENTS]):
            yield chunk
    chunk = []
    kinds = frozenset[str]().union(
        *(branch.decider.causes | branch.actual.kinds for branch in branches)
    )
    first = min([request.at, *begun.bases.values()])
    async with aclosing(reader.read(first, None, kinds, request.user or "*")) as events:
        async for event in events:
            if event.id not in begun.positions:
                chunk.append(event)
            if len(chunk) == _CHUNK_EVENTS:
                yield chunk
                chunk = []
    if chunk:
        yield chunk


def _meet_all(
    events: Sequence[Event],
    request: ForkRequest,
    branches: list[_Branch],
    scratch: _Scratch,
    keys: KeyRing,
) -> None:
    for event in events:
        _meet(event, request, branches, scratch, keys)


def _meet(
    event: Event, request: ForkRequest, branches: list[_Branch], scratch: _Scratch, keys: KeyRing
) -> None:
    """Let an event of the log happen in both histories."""
    agent = event.envelope.producer
    is_new = request.at < event.position <= request.until
    if is_new and agent not in AGENTS:
        scratch.follow(event)
    for branch in branches:
        if agent == branch.agent:
            # Its own conclusion of then: part of the log's memory, as far as its cause is met.
            if event.envelope.causation_id in branch.met:
                apply_or_skip(branch.actual, event)
            continue
        if is_new:
            branch.met.add(event.id)
        if event.id in branch.met and event.envelope.type in branch.decider.causes:
            _decide(branch, event, scratch, keys)


def _decide(branch: _Branch, cause: Event, scratch: _Scratch, keys: KeyRing) -> None:
    scratch.causes += 1
    try:
        payloads = _concluded(branch, cause, branch.decider.decide(cause), scratch.told, keys)
    except KeyDestroyed:
        return  # erased since: nothing follows any more
    # Whatever an extractor fails with, an agent would park the cause and go on.
    except Exception as error:
        # Its text may quote what a person said: it is for who asked, not for the operator's log.
        kind = type(error).__name__
        log.warning("cause_not_decided", agent=branch.agent, cause=cause.id, error=kind)
        scratch.parked += 1
        scratch.failure = scratch.failure or f"{branch.agent} at {cause.position}: {error!r}"
        return
    for ordinal, payload in enumerate(payloads):
        event = scratch.conclude(branch.agent, cause, payload, ordinal)
        apply_or_skip(branch.decider.projection, event)


def _concluded(
    branch: _Branch, cause: Event, effects: Sequence[Effect], told: Told, keys: KeyRing
) -> list[Payload]:
    """Return what effects give; a generation's decider goes on with what was told, then or now."""
    payloads: list[Payload] = []
    while effects and isinstance(asked := effects[0], Generate):
        said = told.wait_for(branch.agent, cause, asked)
        payloads += said
        effects = branch.decider.resume(cause, asked, last_told(said))
    return payloads + [
        payload for effect in effects for payload in conclusions(effect, cause.user, keys)
    ]


class _Scratch:
    """The new history behind the position of the fork: inputs, and what is concluded from them."""

    def __init__(self, at: int, keep: Callable[[Event], None], told: Told) -> None:
        self._end = at
        self._keep = keep
        self.told = told
        self.causes = self.parked = self.conclusions = 0
        self.failure = ""

    def follow(self, event: Event) -> None:
        """Take an input over, at the next position."""
        self._end += 1
        self._keep(msgspec.structs.replace(event, position=self._end))

    def conclude(self, agent: Agent, cause: Event, payload: Payload, ordinal: int) -> Event:
        """Return what follows from a cause as an event of the new history."""
        self._end += 1
        self.conclusions += 1
        envelope = Envelope(
            event_id=derived_id("evt", "fork", agent, cause.id, ordinal),
            type=type(payload).__name__,
            version=payload.version,
            shard=cause.envelope.shard,
            tenant=cause.envelope.tenant,
            user=cause.user,
            entity="",
            recorded_at=cause.envelope.recorded_at,
            causation_id=cause.id,
            correlation_id=cause.envelope.correlation_id or cause.id,
            producer=agent,
            sealed=payload.personal,
        )
        event = Event(envelope=envelope, payload=payload, position=self._end)
        self._keep(event)
        return event


def _tiers(projections: Iterable[Projection]) -> dict[Tier, TierProjection]:
    # The owners of tiers hold nothing else.
    return {one.tier: one for one in projections if isinstance(one, TierProjection)}
