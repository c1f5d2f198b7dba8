"""Is a shard whole? Its log read from end to end, and everything made from it made again.

One pass checks that no position is missing, that every payload is what was sealed, that every
event is one of the catalogue, and rebuilds all projections on the way: at the positions of the live
states and of the snapshots, each must have the hash that the log gives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from actors.names import AGENTS, Agent
from actors.queries import StateView
from actors.rebuilding import Comparison, Rebuilding, empty_projection
from events.errors import CorruptLog
from events.journal import EventReader
from events.memory import Value
from projections.rebuild import rebuild_all
from projections.snapshots import SnapshotDirectory, StateFile


class Finding(Value, frozen=True, kw_only=True):
    """Something that is not as the log says, or the log itself; `position` 0: not known."""

    part: Literal["log", "snapshot", "projection"]
    position: int
    told: str


class Verdict(Value, frozen=True, kw_only=True):
    """What is known of a shard after all was read.

    `through` is the end of its log; `findings` begin with the first bad position.
    """

    shard: int
    through: int
    events: int = 0
    snapshots: int = 0
    projections: tuple[Comparison, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


async def verify_shard(
    reader: EventReader,
    live: Mapping[Agent, StateView],
    *,
    snapshots: SnapshotDirectory | None = None,
    progress: Callable[[int], None] = lambda position: None,
) -> Verdict:
    """Read a shard's whole log and compare everything that is made from it.

    Args:
        reader: the log; what it reads is checked.
        live: the states of the agents that run; asked for before this is called.
        snapshots: the shard's snapshots.
        progress: told the position reached, now and then.
    """
    kept: dict[Agent, dict[StateFile, str]] = {}
    findings: list[Finding] = []
    for agent in AGENTS:
        kept[agent], damaged = await asyncio.to_thread(_read_snapshots, agent, snapshots)
        findings += damaged
    try:
        end = await reader.last_position()
    except CorruptLog as error:
        return Verdict(shard=reader.shard, through=0, findings=(_in_log(error), *findings))
    for files in kept.values():
        findings += _behind_the_end(files, end)
    made = [
        Rebuilding(agent, _comparable(agent, live), {one.position for one in kept[agent]})
        for agent in AGENTS
    ]
    events = 0
    try:
        views = [one.view for one in made]
        events = await rebuild_all(reader, views, until=end, progress=progress)
    except CorruptLog as error:
        findings.append(_in_log(error))
    for one in made:
        findings += _differences(one, kept[one.agent])
    compared = (one.comparison(reader.shard) for one in made)
    return Verdict(
        shard=reader.shard,
        through=end,
        events=events,
        snapshots=sum(map(len, kept.values())),
        projections=tuple(one for one in compared if one is not None),
        # What is made from a log that is not whole can be no better.
        findings=tuple(sorted(findings, key=lambda one: (one.part != "log", one.position))),
    )


async def set_wrong_aside(
    reader: EventReader, agents: Sequence[Agent], snapshots: SnapshotDirectory
) -> list[str]:
    """Take out of use the snapshots of some agents that are not what the log gives.

    Where a live state was wrong, the snapshots taken of it may be wrong, too: the past would be
    read from them.

    Returns:
        The names of their files.
    """
    kept = {
        agent: (await asyncio.to_thread(_read_snapshots, agent, snapshots))[0] for agent in agents
    }
    end = await reader.last_position()
    made = [
        Rebuilding(agent, None, {one.position for one in kept[agent] if one.position <= end})
        for agent in agents
    ]
    await rebuild_all(reader, [one.view for one in made])
    wrong = [
        file
        for one in made
        for file, state_hash in kept[one.agent].items()
        if not file.is_previous and one.hashes.get(file.position, state_hash) != state_hash
    ]
    for file in wrong:
        snapshots.set_aside(file)
    return [file.path.name for file in wrong]


def _in_log(error: CorruptLog) -> Finding:
    return Finding(part="log", position=error.position, told=error.message)


def _comparable(agent: Agent, live: Mapping[Agent, StateView]) -> StateView | None:
    """Return the agent's state, unless it is of another version of the projection."""
    state = live.get(agent)
    return state if state and state.version == empty_projection(agent).version else None


def _read_snapshots(
    agent: Agent, snapshots: SnapshotDirectory | None
) -> tuple[dict[StateFile, str], list[Finding]]:
    """Return the hashes of the states on disk, and what is wrong with the files."""
    hashes: dict[StateFile, str] = {}
    damaged: list[Finding] = []
    projection = empty_projection(agent)
    for file in [] if snapshots is None else snapshots.files(projection):
        try:
            assert snapshots is not None  # there are no files otherwise
            hashes[file] = snapshots.hash_of(file, projection)
        except CorruptLog as error:
            damaged.append(Finding(part="snapshot", position=file.position, told=error.message))
        except FileNotFoundError:
            continue  # its agent dropped it meanwhile
    return hashes, damaged


def _behind_the_end(files: dict[StateFile, str], end: int) -> list[Finding]:
    """Take out the states of positions that the log does not have, and return them as findings."""
    found = []
    for file in [one for one in files if one.position > end]:
        del files[file]
        told = f"{file.path.name} was taken at {file.position}, but the log ends at {end}"
        found.append(Finding(part="snapshot", position=end + 1, told=told))
    return found


def _differences(made: Rebuilding, kept: Mapping[StateFile, str]) -> list[Finding]:
    """Return which states, live or on disk, are not what the log gives at their positions."""
    found = []
    for file, state_hash in kept.items():
        rebuilt = made.hashes.get(file.position, state_hash)
        # One that was replaced may well have been wrong: that is why.
        if rebuilt != state_hash and not file.is_previous:
            told = f"{file.path.name} is not what the log gives at {file.position}"
            found.append(Finding(part="snapshot", position=file.position, told=told))
    live = made.live
    if live is not None and made.hashes.get(live.position, live.state_hash) != live.state_hash:
        told = (
            f"agent {made.agent} holds another {made.projection} than the log gives; mirix rebuild"
        )
        found.append(Finding(part="projection", position=live.position, told=told))
    return found
