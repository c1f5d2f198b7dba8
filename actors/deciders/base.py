"""What a decider is: a projection, the causes it reacts to, and `decide`."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from actors.effects import Effect
from actors.names import Agent
from events.envelope import Event
from projections.base import Projection

P = TypeVar("P", bound=Projection)


class Decider(Protocol):
    """One agent's judgement. No clock, no randomness, no network, no model.

    A decider sees its own conclusions at once (`conclude`), before they are read back from the log:
    what it decides depends on the order of the causes alone, not on how they were batched.
    """

    agent: Agent
    causes: frozenset[str]

    @property
    def projection(self) -> Projection:
        """The view that the agent holds."""
        ...

    def decide(self, event: Event) -> list[Effect]:
        """Return what follows from `event`; the projection has applied it already."""
        ...

    def conclude(self, event: Event) -> None:
        """Take an own conclusion into account that is not in the projection yet."""
        ...

    def settle(self) -> None:
        """Forget the conclusions: all of them have come back through the log."""
        ...

    def hold(self, projection: Projection) -> None:
        """Hold another state of the same view from now on; there are no conclusions on it yet."""
        ...


class Holder(Generic[P]):
    """For deciders of one projection, whose state can be replaced."""

    projection: P

    def hold(self, projection: Projection) -> None:
        """Hold another state of the same view from now on."""
        assert type(projection) is type(self.projection), "a state of another view"
        self.projection = projection


class Stateless(Holder[P]):
    """For deciders whose conclusions do not bear on what they decide next."""

    def conclude(self, event: Event) -> None:
        """Take no notice."""

    def settle(self) -> None:
        """Nothing to forget."""
