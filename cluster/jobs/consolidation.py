"""The job `consolidate`: everybody's memories in order, one person a unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import cast

from cluster import wiring
from cluster.consolidating import Person, consolidate, people_of, request_for
from cluster.jobs.arguments import Argument, one_of
from cluster.jobs.work import Kind, Options, Place, Result, Tell
from events.clock import system_clock
from events.codec import Codec
from events.connection import connect
from events.errors import KeyDestroyed
from events.ids import random_id, shard_of
from events.journal import Journal
from events.memory import TIERS, Tier
from events.sealing import KeyRing


@asynccontextmanager
async def _journals(place: Place) -> AsyncIterator[list[Journal]]:
    """Open the logs of all shards of the running system."""
    codec = Codec(KeyRing(wiring.keystore(place.directory)))
    async with connect(wiring.log_settings(place.running)) as connection:
        yield [Journal(connection.log(shard), codec) for shard in range(place.running.shards)]


async def _units(place: Place, options: Options) -> Sequence[str]:
    async with _journals(place) as journals:
        people = [person for journal in journals for person in await people_of(journal)]
    # Opaque ids, which say nothing about anybody; the tenant is needed to write for them.
    return [f"{person.tenant}/{person.user}" for person in people]


async def _work(place: Place, options: Options, unit: str, tell: Tell) -> Result:
    tenant, _, user = unit.partition("/")
    tiers = (cast(Tier, options["tier"]),) if "tier" in options else TIERS
    request = request_for(
        Person(user=user, tenant=tenant),
        random_id("con"),
        system_clock(),
        tiers=tiers,
        dry_run=options.get("dry-run") == "yes",
    )
    async with _journals(place) as journals:
        try:
            reports = await consolidate(journals[shard_of(user, len(journals))], request)
        except KeyDestroyed:
            return {"erased": True}
    steps = Counter(step.change for report in reports for step in report.steps)
    looked_at = sum(report.looked_at for report in reports)
    return {"consolidation_id": request.entity, "looked_at": looked_at, "steps": dict(steps)}


def _total(results: Mapping[str, Result]) -> Result:
    steps: Counter[str] = Counter()
    for result in results.values():
        steps.update(result.get("steps", {}))
    return {
        "people": len(results),
        "looked_at": sum(result.get("looked_at", 0) for result in results.values()),
        "steps": dict(steps),
    }


CONSOLIDATE = Kind(
    name="consolidate",
    summary="put everybody's memories in order: merge, supersede, let fade",
    arguments=(
        Argument(name="tier", help="only this one", read=one_of(*TIERS)),
        Argument(name="dry-run", help="yes: change nothing", read=one_of("yes", "no")),
    ),
    units=_units,
    work=_work,
    total=_total,
)
