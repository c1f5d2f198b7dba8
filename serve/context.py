"""What the routes share: settings, backend, identities, keys, metrics; how they write events."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from weakref import WeakValueDictionary

from starlette.requests import Request

from actors.progress import AgentStatus
from events.catalogue import Payload, UserRegistered
from events.clock import Clock, system_clock
from events.envelope import NOBODY, NewEvent
from events.errors import DeadlineExceeded
from events.ids import derived_id, random_id
from events.keystore import KeyStore
from events.memory import Value
from serve.access import ServiceKeys, pepper_of
from serve.backend import Backend
from serve.identity import Identities, Person
from serve.metrics import Metrics
from serve.problems import NotHandledYet
from serve.repeats import Repeats
from serve.settings import ServeSettings
from serve.tail import Places

PRODUCER = "gateway"
REGISTERED_MAX = 100_000


class Caller(Value, frozen=True, kw_only=True):
    """Who asks: the service key, its tenant, and the id that ties together what comes of it."""

    key_id: str
    tenant: str
    correlation_id: str


class GatewayContext:
    """The gateway's desk: one a replica."""

    def __init__(
        self,
        settings: ServeSettings,
        backend: Backend,
        keystore: KeyStore,
        *,
        clock: Clock = system_clock,
    ) -> None:
        self.settings = settings
        self.backend = backend
        self.clock = clock
        self.identities = Identities.of(keystore, backend.shards)
        self.service_keys = ServiceKeys(
            backend, pepper_of(keystore), age_s_max=settings.keys_age_s_max
        )
        self.metrics = Metrics()
        self.event_streams = Places(settings.event_streams_max)
        self.repeats = Repeats()
        self._registered: OrderedDict[str, None] = OrderedDict()
        # Forgotten when nobody holds or awaits them.
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        #: How far the log of each shard goes at least.
        self._ends: dict[int, int] = {}
        self._status: tuple[datetime, tuple[AgentStatus, ...], dict[int, int]] | None = None

    async def record(self, caller: Caller, person: Person, events: Sequence[NewEvent]) -> int:
        """Append the events of one request as one batch, registering the person at first sight.

        Returns:
            The position of the last of them; for a repeated request, where they already are.
        """
        return max(await self.record_each(caller, person, events))

    async def record_each(
        self, caller: Caller, person: Person, events: Sequence[NewEvent]
    ) -> tuple[int, ...]:
        """Append the events of one request as one batch; return the position of each.

        Those that are there already keep their positions.
        """
        known = person.id == NOBODY or person.id in self._registered
        if not known and await self.backend.is_registered(person.id):
            self._remember(person.id)
            known = True
        batch = [*events] if known else [self._registration(caller, person), *events]
        positions = await self.backend.append(person.shard, batch)
        self._goes_to(person.shard, max(positions))
        self.metrics.count_appended(batch)
        if not known:
            self._remember(person.id)
        return tuple(positions[-len(events) :])

    async def handled(self, person: Person, position: int, *, first: int = 0) -> int:
        """Wait until all agents have handled what a person said up to `position`.

        An answer to what was said before `first` (0: before `position`) is not waited for.

        Returns:
            How far they are.

        Raises:
            NotHandledYet: they are not there in time; the write itself is safe.
        """
        try:
            reached = await self.backend.wait_handled(
                person.shard,
                position,
                user=person.id,
                first=first or position,
                timeout_s=self.settings.wait_timeout_s,
            )
        except DeadlineExceeded as error:
            raise NotHandledYet(
                f"recorded at position {position}, but not handled by all agents within "
                f"{self.settings.wait_timeout_s:g} s; the work goes on, do not send it again",
                position,
            ) from error
        self._goes_to(person.shard, reached)
        return reached

    async def end_before(self, shard: int, position: int) -> int | None:
        """Return the end of a shard's log when it lies before `position`, else None.

        The log is asked only for what this replica does not know to be there: what it wrote itself
        costs nothing. Whoever names a position that was acknowledged named it before this is asked.
        """
        if position <= self._ends.get(shard, 0):
            return None
        end = await self.backend.last_position(shard)
        self._goes_to(shard, end)
        return end if position > end else None

    def _goes_to(self, shard: int, position: int) -> None:
        self._ends[shard] = max(position, self._ends.get(shard, 0))

    async def agents(self) -> tuple[tuple[AgentStatus, ...], dict[int, int]]:
        """Return how far the agents are, and the end of each shard's log; at most a moment old."""
        now = self.clock()
        if self._status is not None:
            age_s = (now - self._status[0]).total_seconds()
            if 0 <= age_s < self.settings.status_age_s_max:
                return self._status[1], self._status[2]
        status = await self.backend.status()
        ends = {
            shard: await self.backend.last_position(shard) for shard in range(self.backend.shards)
        }
        self._status = (now, status, ends)
        return status, ends

    @asynccontextmanager
    async def turn(self, person: Person, memory_id: str) -> AsyncIterator[None]:
        """Let the changes of one memory pass one after another in this replica.

        Raises:
            DeadlineExceeded: its turn did not come in time.
        """
        lock = self._turns.setdefault((person.id, memory_id), asyncio.Lock())
        try:
            async with asyncio.timeout(self.settings.wait_timeout_s):
                await lock.acquire()
        except TimeoutError as error:
            raise DeadlineExceeded(
                f"others were changing memory {memory_id} all the time; this change was not made, "
                "send it again"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _registration(self, caller: Caller, person: Person) -> NewEvent:
        # Two first requests at once derive the same event id, and the log keeps one of them.
        return new_event(
            caller,
            person,
            UserRegistered(external_id=person.external_id),
            event_id=derived_id("evt", "UserRegistered", person.id),
        )

    def _remember(self, user: str) -> None:
        self._registered[user] = None
        if len(self._registered) > REGISTERED_MAX:
            self._registered.popitem(last=False)


def new_event(
    caller: Caller, person: Person, payload: Payload, *, entity: str = "", event_id: str = ""
) -> NewEvent:
    """Return an event that `caller` gives rise to."""
    return NewEvent(
        event_id=event_id or random_id("evt"),
        payload=payload,
        tenant=caller.tenant,
        user=person.id,
        entity=entity,
        correlation_id=caller.correlation_id,
        producer=PRODUCER,
    )


def context_of(request: Request) -> GatewayContext:
    """Return what the routes share."""
    context: GatewayContext = request.app.state.context
    return context


def caller_of(request: Request) -> Caller:
    """Return who asks; `edge.ProtectedRoute` has authenticated them."""
    caller: Caller = request.state.caller
    return caller
