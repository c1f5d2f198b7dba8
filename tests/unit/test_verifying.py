"""Verifying a shard finds what is not as it should be, and names the first bad position."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from actors.names import AGENTS, Agent
from actors.queries import StateView
from actors.rebuilding import empty_projection
from actors.verifying import Verdict, set_wrong_aside, verify_shard
from events.catalogue import CATALOGUE
from events.clock import FixedClock
from events.codec import Codec
from events.journal import Journal
from events.log import NewRecord, Record
from events.memory import SemanticContent
from events.memory_keystore import MemoryKeyStore
from events.memory_log import MemoryLog
from events.sealing import KeyRing
from projections.base import state_hash
from projections.rebuild import rebuild
from projections.snapshots import SnapshotDirectory
from projections.tiers import TierProjection
from tests.unit.builders import event_of, new_message, recorded
from tests.unit.test_shell import as_new

COUNT = 12
HALF = COUNT // 2


class Holed(MemoryLog):
    """A log whose records can be altered and lost, as on a disk."""

    @property
    def records(self) -> list[Record]:
        """All records, to lay hands on."""
        return self._records


class Shard:
    """A log with messages and memories, live states of all agents and a directory of snapshots."""

    def __init__(self, tmp_path: Path) -> None:
        self.log = Holed()
        self.codec = Codec(KeyRing(MemoryKeyStore()))
        self.journal = Journal(self.log, self.codec, FixedClock())
        self.snapshots = SnapshotDirectory(tmp_path, self.codec.keys)
        self.live: dict[Agent, StateView] = {}

    async def fill(self) -> None:
        for number in range(HALF):
            memory = recorded(SemanticContent(name="n", summary=f"s {number}"), id=f"mem_{number}")
            await self.journal.append([new_message(f"word {number}", number)])
            await self.journal.append([as_new(event_of(memory, position=100 + number))])
        for agent in AGENTS:
            projection = empty_projection(agent)
            await rebuild(projection, self.journal, COUNT)
            self.live[agent] = StateView(
                projection=projection.name,
                version=projection.version,
                position=COUNT,
                state_hash=state_hash(projection),
                pid=1,
            )

    async def semantic(self, position: int) -> TierProjection:
        tier = TierProjection("semantic")
        await rebuild(tier, self.journal, position)
        return tier

    async def verify(self) -> Verdict:
        return await verify_shard(self.journal, self.live, snapshots=self.snapshots)


def files(directory: Path, kind: str) -> list[Path]:
    """Return the files of a kind: snapshot, rebuilt, previous, damaged."""
    return sorted(directory.glob(f"*.{kind}"))


@pytest.fixture
async def shard(tmp_path: Path) -> Shard:
    """Return a shard in which everything is as it should be."""
    made = Shard(tmp_path)
    await made.fill()
    return made


async def test_sound_shard_has_no_findings(shard: Shard) -> None:
    """Everything was read, every agent compared, every snapshot opened."""
    for position in (HALF, COUNT):
        shard.snapshots.save(await shard.semantic(position), position)
    verdict = await shard.verify()
    assert verdict.findings == ()
    assert verdict.is_sound
    assert (verdict.events, verdict.through, verdict.snapshots) == (COUNT, COUNT, 2)
    assert [one.is_equal for one in verdict.projections] == [True] * len(AGENTS)


@pytest.mark.parametrize("position", [1, 4, COUNT])
async def test_flipped_bit_is_found_at_its_position(shard: Shard, position: int) -> None:
    """A payload that does not authenticate is named."""
    old = shard.log.records[position - 1]
    body = bytearray(old.body)
    body[-1] ^= 1
    shard.log.records[position - 1] = msgspec.structs.replace(old, body=bytes(body))
    verdict = await shard.verify()
    first = verdict.findings[0]
    assert (first.part, first.position) == ("log", position)
    assert not verdict.is_sound


async def test_event_of_an_unknown_type_is_found_at_its_position(shard: Shard) -> None:
    """What a newer program wrote is no event of this catalogue."""
    known = dict(CATALOGUE)
    shard.codec._catalogue = known
    known.pop("MemoryRecorded")
    verdict = await shard.verify()
    assert [(one.part, one.position) for one in verdict.findings] == [("log", 2)]
    assert "not known here" in verdict.findings[0].told


async def test_lost_end_is_found_where_it_begins(shard: Shard) -> None:
    """Agents have seen what the log no longer has."""
    del shard.log.records[-2:]
    verdict = await shard.verify()
    assert [(one.part, one.position) for one in verdict.findings] == [("log", COUNT - 1)]


async def test_event_under_another_subject_is_found(shard: Shard) -> None:
    """A record that was moved under another kind is not believed."""
    stray = NewRecord(
        kind="UserRegistered", user="u", record_id="x", body=shard.log.records[0].body
    )
    await shard.log.append([stray])
    verdict = await shard.verify()
    assert verdict.findings[0].position == COUNT + 1


async def test_damaged_snapshot_is_found_and_left_where_it_is(shard: Shard, tmp_path: Path) -> None:
    """Verifying changes nothing, not even for the better."""
    shard.snapshots.save(await shard.semantic(HALF), HALF)
    (path,) = files(tmp_path, "snapshot")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    verdict = await shard.verify()
    assert [(one.part, one.position) for one in verdict.findings] == [("snapshot", HALF)]
    assert path.exists()


async def test_snapshot_that_the_log_does_not_give_is_found_and_can_be_set_aside(
    shard: Shard, tmp_path: Path
) -> None:
    """It is whole, and wrong: as are the answers about the past that rest on it."""
    wrong = await shard.semantic(HALF)
    stray = recorded(SemanticContent(name="stray", summary="never said"), id="stray")
    wrong.apply(event_of(stray))
    shard.snapshots.save(wrong, HALF)
    shard.snapshots.keep_previous(wrong, HALF)
    shard.snapshots.save(await shard.semantic(COUNT), COUNT)
    verdict = await shard.verify()
    assert [(one.part, one.position) for one in verdict.findings] == [("snapshot", HALF)]
    names = await set_wrong_aside(shard.journal, ["semantic_memory"], shard.snapshots)
    assert names == [path.stem + ".snapshot" for path in files(tmp_path, "damaged")]
    assert (await shard.verify()).is_sound


async def test_snapshot_from_behind_the_end_is_found(shard: Shard) -> None:
    """The log was there once: what is after its end now is lost."""
    shard.snapshots.save(await shard.semantic(COUNT), COUNT + 5)
    verdict = await shard.verify()
    assert [(one.part, one.position) for one in verdict.findings] == [("snapshot", COUNT + 1)]


async def test_live_state_that_the_log_does_not_give_is_found(shard: Shard) -> None:
    """The agent and the position are named; one of another version is left out."""
    odd = shard.live["semantic_memory"]
    shard.live["semantic_memory"] = msgspec.structs.replace(odd, state_hash="0" * 64)
    newer = shard.live["tool"]
    shard.live["tool"] = msgspec.structs.replace(newer, version=newer.version + 1)
    verdict = await shard.verify()
    (finding,) = verdict.findings
    assert (finding.part, finding.position) == ("projection", COUNT)
    assert "semantic_memory" in finding.told
    assert "tool" not in {one.agent for one in verdict.projections}


async def test_bad_log_comes_before_what_is_made_from_it(shard: Shard) -> None:
    """The first finding is the one to act on."""
    shard.live["chat"] = msgspec.structs.replace(shard.live["chat"], position=1, state_hash="0")
    old = shard.log.records[8]
    shard.log.records[8] = msgspec.structs.replace(old, body=old.body[:-1])
    verdict = await shard.verify()
    assert [(one.part, one.position) for one in verdict.findings] == [
        ("log", 9),
        ("projection", 1),
    ]
