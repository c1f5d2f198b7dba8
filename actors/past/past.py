"""Everything that can be asked about the past of one shard."""

from __future__ import annotations

from typing import Any

from actors.past.queries import PastQuery
from actors.ports import EmbeddingService
from events.errors import CommandRejected
from events.journal import EventReader
from events.sealing import KeyRing
from projections.snapshots import SnapshotStore


class Past:
    """Answers questions about the past of a shard from its log and snapshots; never writes."""

    def __init__(
        self,
        reader: EventReader,
        *,
        snapshots: SnapshotStore,
        embedding: EmbeddingService,
        keys: KeyRing | None,
    ) -> None:
        self._reader = reader
        self._snapshots = snapshots
        self._embedding = embedding
        self._keys = keys

    async def ask(self, query: PastQuery) -> Any:
        """Answer a query."""
        raise CommandRejected(f"{type(query).__name__} is not answered")
