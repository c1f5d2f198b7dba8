"""Rebuild and verify, a shard at a time: the work behind the commands and the jobs.

The new state is built in this process, beside the running system; the agent is asked over HTTP to
put it in the place of the old one. Nothing here stops an agent, and everything may be done again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

import msgspec

from actors.names import Agent, agents_of
from actors.queries import StateView
from actors.rebuilding import Comparison, compare
from actors.verifying import Finding, Verdict, set_wrong_aside, verify_shard
from cluster import wiring
from cluster.api_client import ApiClient
from cluster.data_dir import DataDir, SystemRecord
from events.codec import Codec
from events.connection import connect
from events.errors import CommandRejected, CorruptLog, Unavailable
from events.journal import Journal
from events.memory import Value
from events.sealing import KeyRing
from projections.base import Projection
from projections.snapshots import SnapshotDirectory


class Rebuilt(Value, frozen=True, kw_only=True):
    """A projection of a shard that was rebuilt, and what was done with the new state.

    `compared`: nothing. `swapped`: it is the live one now. `prepared`: it is of another version
    than the running agent's, and waits as a snapshot for the program of that version.
    """

    comparison: Comparison
    done: Literal["compared", "swapped", "prepared"]

    @property
    def is_wrong(self) -> bool:
        """Whether the live state was another than the log gives."""
        return self.comparison.is_comparable and not self.comparison.is_equal


async def live_states(
    client: ApiClient, shard: int, projection: str | None = None
) -> dict[Agent, StateView]:
    """Return what the agents of a shard hold now, or the one with this projection.

    Raises:
        NotFound: there is no such projection.
        CommandRejected: the gateway tells no hashes.
    """
    wanted = agents_of(projection)
    status = await client.status(hashes=True)
    found = {
        agent["agent"]: msgspec.convert(agent["state"], StateView)
        for agent in status.get("agents", ())
        if agent["shard"] == shard and agent["agent"] in wanted and agent.get("state")
    }
    if not found:
        raise CommandRejected("the gateway tells no state hashes; is it of the same version?")
    return found


async def rebuild_shard(
    client: ApiClient,
    directory: DataDir,
    record: SystemRecord,
    shard: int,
    *,
    projection: str | None = None,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda position: None,
) -> list[Rebuilt]:
    """Rebuild a shard's projections (or one) from the log, compare them, and put them in place.

    With `dry_run` they are compared only. Where a live state was wrong, the snapshots that were
    taken of it and are wrong as well are set aside.

    Raises:
        CorruptLog: the log has lost or altered something; no state was replaced.
    """
    live = await live_states(client, shard, projection)
    async with _shard(directory, record, shard) as (journal, snapshots):

        def keep(agent: Agent, fresh: Projection, position: int) -> None:
            if fresh.version != live[agent].version:
                snapshots.save(fresh, position)
            else:
                snapshots.discard_rebuilt(fresh)  # of an earlier attempt
                snapshots.save_rebuilt(fresh, position)

        compared = await compare(journal, live.items(), progress, None if dry_run else keep)
    done: list[Rebuilt] = []
    for one in compared:
        # An empty state is the same, however it was made.
        if dry_run or not one.position:
            done.append(Rebuilt(comparison=one, done="compared"))
        elif not one.is_comparable:
            done.append(Rebuilt(comparison=one, done="prepared"))
        else:
            await client.swap(one.projection, shard, one.position)
            done.append(Rebuilt(comparison=one, done="swapped"))
    repaired = [one.comparison.agent for one in done if one.is_wrong and one.done == "swapped"]
    if repaired:
        async with _shard(directory, record, shard) as (journal, snapshots):
            await set_wrong_aside(journal, repaired, snapshots)
    return done


async def check_shard(
    client: ApiClient,
    directory: DataDir,
    record: SystemRecord,
    shard: int,
    *,
    progress: Callable[[int], None] = lambda position: None,
) -> Verdict:
    """Read a shard's whole log, rebuild everything, compare it with agents and snapshots.

    Agents that end because their log is not whole give no answers; then the log is read all the
    same, and that there were none is a finding like others.
    """
    live: dict[Agent, StateView] = {}
    unasked: tuple[Finding, ...] = ()
    try:
        live = await live_states(client, shard)
    except Unavailable as error:
        told_why = f"no live state to compare with: {error.message}"
        unasked = (Finding(part="projection", position=0, told=told_why),)
    try:
        async with _shard(directory, record, shard) as (journal, snapshots):
            verdict = await verify_shard(journal, live, snapshots=snapshots, progress=progress)
    except CorruptLog as error:
        # The server itself knows of holes: it is not read at all.
        lost = Finding(part="log", position=error.position, told=error.message)
        verdict = Verdict(shard=shard, through=0, findings=(lost,))
    return msgspec.structs.replace(verdict, findings=(*verdict.findings, *unasked))


async def ends(client: ApiClient) -> dict[int, int]:
    """Return where each shard's log ends: how far a rebuild has to go."""
    positions: Mapping[str, Any] = (await client.status())["last_positions"]
    return {int(shard): int(end) for shard, end in positions.items()}


@asynccontextmanager
async def _shard(
    directory: DataDir, record: SystemRecord, shard: int
) -> AsyncIterator[tuple[Journal, SnapshotDirectory]]:
    keys = KeyRing(wiring.keystore(directory))
    async with connect(wiring.log_settings(record)) as connection:
        snapshots = SnapshotDirectory(directory.snapshots / f"{shard}", keys)
        yield Journal(connection.log(shard), Codec(keys)), snapshots
