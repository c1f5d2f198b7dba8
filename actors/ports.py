"""What an agent's shell needs from outside: the ports of the effects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from actors.embedding import Embedded
from actors.queries import CoreBlockView, SearchMemories, SearchOutcome, ToolCallView, Window
from events.catalogue import AssistantProfile
from events.envelope import Event


class EmbeddingService(Protocol):
    """An embedder that may be in another process."""

    async def embed(self, texts: Sequence[str], model: str = "") -> Embedded:
        """Return one vector a text, and the model that made them.

        Args:
            texts: in any number.
            model: the name that its vectors are recorded under; empty: the system's own.

        Raises:
            ModelNotServed: another model than the system's own cannot be reached.
            Unavailable: the system's own cannot be reached at the moment.
        """
        ...


class Recall(Protocol):
    """The search agent, as the others see it."""

    async def search(self, request: SearchMemories, *, min_position: int = 0) -> SearchOutcome:
        """Search one user's memory, once the index has applied `min_position`.

        Raises:
            Unavailable: it cannot be reached at the moment.
        """
        ...


class Conversations(Protocol):
    """The chat agent, as the others see it."""

    async def window(
        self, user: str, conversation: str, *, before: int, limit: int, answered: bool = False
    ) -> Window:
        """Return the last messages of a conversation before a position, and its summary.

        With `answered`, also the answers to them that were given after it.

        Raises:
            Unavailable: it cannot be reached at the moment.
        """
        ...


class CoreBlocks(Protocol):
    """The core memory agent, as the others see it."""

    async def blocks(self, user: str) -> tuple[CoreBlockView, ...]:
        """Return what stands in front of every answer to a person.

        Raises:
            Unavailable: it cannot be reached at the moment.
        """
        ...


class ToolCalls(Protocol):
    """The tool agent, as the chat agent sees it."""

    async def call(
        self, cause: Event, call_id: str, tool: str, arguments: dict[str, Any], *, timeout_s: float
    ) -> ToolCallView:
        """Ask for a tool in the log, for the answer to `cause`, and return what came of it.

        Asked for again under the same `call_id`, it is not called a second time.

        Raises:
            Unavailable: the tool agent cannot be reached, or did not come back in time.
        """
        ...


class Tools(Protocol):
    """The tools that can be called."""

    def describe(self) -> tuple[dict[str, Any], ...]:
        """Return name, description and JSON schema of the arguments of each tool."""
        ...

    async def call(
        self, tool: str, arguments: dict[str, Any], *, user: str, tenant: str, position: int
    ) -> Any:
        """Call a tool for a user; returns plain JSON values.

        Raises:
            CommandRejected: there is no such tool or the arguments do not fit it.
        """
        ...


class Assistants(Protocol):
    """The assistant profiles, as an answer needs them."""

    async def assistant(self, tenant: str, assistant_id: str) -> AssistantProfile | None:
        """Return a profile; None where the organisation has none by that id.

        Raises:
            Unavailable: it cannot be reached at the moment.
        """
        ...


class ChatPeers(Recall, Conversations, CoreBlocks, Assistants, ToolCalls, Protocol):
    """All that an answer with a language model is made from."""
