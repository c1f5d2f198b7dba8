"""What backups are made of: keys on disk, a log in memory, the states that agents would hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from actors.names import AGENTS
from actors.rebuilding import empty_projection
from cluster import wiring
from cluster.backup import BackupReport, write_backup
from cluster.backup_manifest import StateHash
from cluster.data_dir import DataDir
from cluster.object_store import ObjectStore
from events.codec import Codec
from events.envelope import NewEvent
from events.journal import Journal
from events.memory import SemanticContent
from events.memory_log import MemoryLog
from events.sealing import KeyRing
from projections.base import apply_or_skip, state_hash
from projections.snapshots import SnapshotDirectory
from tests.unit.builders import new_message, recorded


class SmallSystem:
    """Keys on disk, logs in memory, no agents: their states are folded when they are asked for."""

    def __init__(self, root: Path, shards: int = 1) -> None:
        self.directory = DataDir(root)
        self.directory.prepare()
        self.keystore = wiring.keystore(self.directory)
        self.keys = KeyRing(self.keystore, age_s_max=0)
        self.logs: list[MemoryLog] = [MemoryLog(shard) for shard in range(shards)]
        self._said = 0

    def journal(self, shard: int = 0) -> Journal:
        return Journal(self.logs[shard], Codec(self.keys))

    async def live(self, events: int, shard: int = 0, users: Sequence[str] = ("usr_ann",)) -> None:
        """Append messages, each followed by a memory."""
        for _ in range(events):
            self._said += 1
            number, user = self._said, users[self._said % len(users)]
            content = SemanticContent(name=f"thing {number}", summary=f"{user} has {number}")
            memory = NewEvent(
                event_id=f"evt_memory_{number}",
                payload=recorded(content, id=f"mem_{number}"),
                tenant="org",
                user=user,
                producer="semantic_memory",
            )
            await self.journal(shard).append([new_message("hello", number, user=user), memory])

    async def states(self) -> dict[int, tuple[StateHash, ...]]:
        """Return the hashes of the nine states of each shard, and keep a snapshot of one."""
        found: dict[int, tuple[StateHash, ...]] = {}
        for log in self.logs:
            end = await log.last_position()
            for agent in AGENTS:
                projection = empty_projection(agent)
                async for event in self.journal(log.shard).read(0, end, projection.kinds):
                    apply_or_skip(projection, event)
                state = StateHash(
                    agent=agent,
                    projection=projection.name,
                    version=projection.version,
                    position=end,
                    state_hash=state_hash(projection),
                )
                found[log.shard] = (*found.get(log.shard, ()), state)
                if agent == "semantic_memory" and end:
                    folder = self.directory.snapshots / f"{log.shard}"
                    SnapshotDirectory(folder, self.keys).save(projection, end)
        return found

    async def back_up(self, store: ObjectStore, keys: ObjectStore) -> BackupReport:
        states = await self.states()
        return await write_backup(self.directory, self.logs, states, store, keys)
