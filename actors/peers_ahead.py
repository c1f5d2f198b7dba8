"""The chat agent's peers, asked before it asks: by the time an answer is begun, they have answered.

What an answer begins with is known from its message alone, as a rule (`Foresight`). So the search
agent and the core memory agent are asked when the message arrives, while it is still being decided
what follows from it.
"""

from __future__ import annotations

from collections.abc import Sequence

from actors.ahead import Ahead
from actors.chatting.retrieving import Foresight
from actors.names import Agent
from actors.peers import AskPeer, Peers
from actors.queries import CoreBlockView, SearchMemories, SearchOutcome
from events.catalogue import MessageReceived
from events.envelope import Event
from events.journal import Journal


class PeersAhead(Peers):
    """`Peers` that are asked for the beginning of an answer when its message arrives."""

    def __init__(
        self, agent: Agent, journal: Journal, ask: AskPeer, foresight: Foresight, *, blocks: bool
    ) -> None:
        """Put it together; `blocks`: answers begin with the core blocks, too."""
        super().__init__(agent, journal, ask)
        self._foresight = foresight
        self._wants_blocks = blocks
        self._searches: Ahead[tuple[SearchMemories, int], SearchOutcome] = Ahead()
        self._blocks: Ahead[str, tuple[CoreBlockView, ...]] = Ahead()

    async def arriving(self, events: Sequence[Event]) -> None:
        """Ask what the answers to messages will begin with; waits for nothing."""
        for event in events:
            message = event.payload
            if not isinstance(message, MessageReceived) or not message.answer_wanted:
                continue
            request = self._foresight(event.user, event.envelope.tenant, message)
            if request is not None:
                before = event.position - 1
                asked = super().search(request, min_position=before)
                self._searches.begin((request, before), asked)
            if self._wants_blocks:
                self._blocks.begin(event.user, super().blocks(event.user))

    async def search(self, request: SearchMemories, *, min_position: int = 0) -> SearchOutcome:
        """Search one user's memory, once the index has applied `min_position`."""
        asked = self._searches.claim((request, min_position))
        return await (asked or super().search(request, min_position=min_position))

    async def blocks(self, user: str) -> tuple[CoreBlockView, ...]:
        """Return what stands in front of every answer to a person."""
        asked = self._blocks.claim(user)
        return await (asked or super().blocks(user))
