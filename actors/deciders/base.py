"""What a decider is: a projection, the causes it reacts to, and `decide`."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from actors.effects import Effect, Generate
from actors.names import Agent
from events.catalogue import GenerationCompleted, GenerationFailed
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
    #: Whether who reads after a position waits until what that position brought about is decided.
    #: Not for the chat agent: a conversation can be read while an answer is being made.
    readers_wait: bool

    @property
    def projection(self) -> Projection:
        """The view that the agent holds."""
        ...

    def lane(self, event: Event) -> str:
        """Return the lane of a cause: in a lane one cause is finished before the next is decided.

        Lanes do not wait for each other.
        """
        ...

    def decide(self, event: Event) -> list[Effect]:
        """Return what follows from `event`; the projection has applied it already.

        A `Generate` stands alone: what else follows is decided in `resume`.
        """
        ...

    def resume(
        self, event: Event, asked: Generate, told: GenerationCompleted | GenerationFailed
    ) -> list[Effect]:
        """Return what follows from `event`, now that a model has been asked for it.

        Pure like `decide`: a replay hands in what the log says was told.
        """
        ...

    def conclude(self, event: Event) -> None:
        """Take an own conclusion into account that is not in the projection yet."""
        ...

    def settle(self, user: str) -> None:
        """Forget the conclusions about a user: all of them have come back through the log."""
        ...

    def hold(self, projection: Projection) -> None:
        """Hold another state of the same view from now on; there are no conclusions on it yet."""
        ...


class Holder(Generic[P]):
    """For deciders of one projection, whose state can be replaced."""

    projection: P
    readers_wait = True

    def lane(self, event: Event) -> str:
        """Return the person: what one of them says is decided in order."""
        return event.user

    def resume(
        self, event: Event, asked: Generate, told: GenerationCompleted | GenerationFailed
    ) -> list[Effect]:
        """Refuse: this decider asks no model."""
        raise TypeError(f"{type(self).__name__} asked nothing")

    def hold(self, projection: Projection) -> None:
        """Hold another state of the same view from now on; there are no conclusions on it yet."""
        assert type(projection) is type(self.projection), "a state of another view"
        self.projection = projection


class Stateless(Holder[P]):
    """For deciders whose conclusions do not bear on what they decide next."""

    def conclude(self, event: Event) -> None:
        """Take no notice."""

    def settle(self, user: str) -> None:
        """Nothing to forget."""
