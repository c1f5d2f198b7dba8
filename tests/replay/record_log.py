"""Recorded logs, and the state hashes that they give: the gate through which every change goes.

`python -m tests.replay.record_log NAME` lives a small life (`tests.life`) and keeps its log, with
one event more of every kind that no kept log has in its present version. Without a name it only
adds the hashes of projections whose version is new. Neither ever changes what is there: a hash that
no longer comes out is a fold that changed, and needs a new `version` of its projection.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import msgspec

from actors.deciders.table import decider_of
from actors.names import AGENTS
from actors.past.forked_events import ForkedEvents
from cluster.cli_output import quiet_logs
from events.catalogue import CATALOGUE, Payload
from events.envelope import Envelope, Event
from events.exported import ExportedEvents, write_events
from events.journal import EventReader
from projections.base import Projection, apply_or_skip, state_hash
from projections.directory import DirectoryProjection
from tests.life import live, system_in_one_process
from tests.replay.record_golden import samples

LOGS = Path(__file__).parent / "logs"
RECORDED_AT = datetime(2026, 11, 20, tzinfo=UTC)
MESSAGES = 24

#: State hash by projection and version of it.
Hashes: TypeAlias = dict[str, dict[str, str]]


def recorded() -> list[Path]:
    """Return the recorded logs."""
    return sorted(LOGS.glob("*.jsonl"))


def hashes_file(log: Path) -> Path:
    """Return where the hashes of a log are."""
    return log.with_suffix(".hashes.json")


def read_hashes(log: Path) -> Hashes:
    """Return the hashes that a log gave when it was recorded, and since."""
    file = hashes_file(log)
    return msgspec.json.decode(file.read_bytes(), type=Hashes) if file.exists() else {}


def projections() -> list[Projection]:
    """Return every projection there is, empty."""
    held: list[Projection] = [
        decider_of(agent, lambda user, secret: "").projection for agent in AGENTS
    ]
    return [*held, DirectoryProjection()]


async def replayed(log: Path) -> list[Projection]:
    """Return every projection after a recorded log."""
    found = projections()
    async for event in ExportedEvents.open(log).read():
        for projection in found:
            if event.envelope.type in projection.kinds:
                apply_or_skip(projection, event)
    return found


async def versions() -> set[tuple[str, int]]:
    """Return the types and versions of event that the recorded logs hold."""
    return {
        (envelope.type, envelope.version)
        for log in recorded()
        async for _, envelope in ExportedEvents.open(log).envelopes()
    }


async def add_hashes(log: Path) -> list[str]:
    """Add the hashes of projections whose present version has none; return their names."""
    hashes = read_hashes(log)
    added = []
    for projection in await replayed(log):
        known = hashes.setdefault(projection.name, {})
        if str(projection.version) not in known:
            known[str(projection.version)] = state_hash(projection)
            added.append(f"{projection.name} v{projection.version}")
    text = msgspec.json.format(msgspec.json.encode(hashes, order="sorted"), indent=2)
    hashes_file(log).write_bytes(text + b"\n")
    return added


async def record(name: str) -> Path:
    """Live a life and keep its log under a name that is free."""
    path = LOGS / f"{name}.jsonl"
    covered = await versions()
    async with system_in_one_process() as life:
        await live(life, MESSAGES)
        end = await life.journal.last_position()
        lived = {(e.type, e.version) async for _, e in life.journal.envelopes()}
        more = [
            payload
            for type_, kind in CATALOGUE.items()
            if (type_, kind.version) not in covered | lived
            for payload in samples(kind)[:1]
        ]
        user = (await anext(life.journal.read(kinds=frozenset({"MessageReceived"})))).user
        added = [_event(payload, end + n, user) for n, payload in enumerate(more, start=1)]
        reader: EventReader = ForkedEvents(life.journal, end, added)
        LOGS.mkdir(exist_ok=True)
        with path.open("xb") as file:
            await write_events(reader, file)
    return path


def _event(payload: Payload, position: int, user: str) -> Event:
    type_ = type(payload).__name__
    envelope = Envelope(
        event_id=f"evt_recorded_{position}",
        type=type_,
        version=payload.version,
        shard=0,
        tenant="default",
        user=user if payload.personal else "system",
        entity="",
        recorded_at=RECORDED_AT,
        causation_id="",
        correlation_id=f"cor_recorded_{position}",
        producer="test",
        sealed=payload.personal,
    )
    return Event(envelope=envelope, payload=payload, position=position)


async def main(arguments: list[str]) -> None:
    """Record what is asked for, then add hashes that are missing."""
    quiet_logs()
    for name in arguments:
        sys.stdout.write(f"recorded {await record(name)}\n")
    for log in recorded():
        added = await add_hashes(log)
        sys.stdout.write(f"{log.name}: {', '.join(added) or 'nothing to add'}\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
