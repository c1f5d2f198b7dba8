"""The jobs `rebuild` and `verify`: what the log says against what the agents hold, by shard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from actors.names import agents_of
from cluster.jobs.arguments import Argument
from cluster.jobs.work import Kind, Options, Place, Result, Tell
from cluster.rebuilding import check_shard, rebuild_shard
from events.errors import CorruptLog

#: What the name of a unit begins with that is a shard.
SHARD = "shard-"
#: Between two lines about one shard, in positions.
_TELL_POSITIONS = 100_000


def known_projection(text: str) -> str:
    """Return the name of a projection (or of its agent).

    Raises:
        NotFound: there is none of it.
    """
    agents_of(text)
    return text


async def _shards(place: Place, options: Options) -> Sequence[str]:
    return [f"{SHARD}{shard}" for shard in range(place.running.shards)]


async def _rebuild(place: Place, options: Options, unit: str, tell: Tell) -> Result:
    async with place.client() as client:
        rebuilt = await rebuild_shard(
            client,
            place.directory,
            place.running,
            shard_of_unit(unit),
            projection=options.get("projection"),
            progress=now_and_then(unit, tell),
        )
    return {
        one.comparison.projection: {
            "done": one.done,
            "equal": not one.is_wrong,
            "position": one.comparison.position,
            "state_hash": one.comparison.rebuilt_hash,
        }
        for one in rebuilt
    }


async def _verify(place: Place, options: Options, unit: str, tell: Tell) -> Result:
    async with place.client() as client:
        verdict = await check_shard(
            client,
            place.directory,
            place.running,
            shard_of_unit(unit),
            progress=now_and_then(unit, tell),
        )
    for finding in verdict.findings:
        tell(f"{unit}: {finding.told}")
    if not verdict.is_sound:
        first = verdict.findings[0]
        more = f" ({len(verdict.findings)} findings)" if len(verdict.findings) > 1 else ""
        raise CorruptLog(f"{unit}, position {first.position}: {first.told}{more}")
    return {
        "through": verdict.through,
        "events": verdict.events,
        "snapshots": verdict.snapshots,
        "projections": len(verdict.projections),
    }


def shard_of_unit(unit: str) -> int:
    """Return the shard that is a unit of work."""
    return int(unit.removeprefix(SHARD))


def now_and_then(unit: str, tell: Tell) -> Callable[[int], None]:
    """Return what tells of the positions reached, a line in so many."""
    told = 0

    def reached(position: int) -> None:
        nonlocal told
        if position - told >= _TELL_POSITIONS:
            told = position
            tell(f"{unit}: position {position}")

    return reached


def _by_shard(results: Mapping[str, Result]) -> Result:
    return {"shards": dict(results)}


REBUILD = Kind(
    name="rebuild",
    summary="rebuild projections from the log and put them in the place of the live ones",
    arguments=(Argument(name="projection", help="only this one", read=known_projection),),
    units=_shards,
    work=_rebuild,
    total=_by_shard,
    by_shard=True,
)
VERIFY = Kind(
    name="verify",
    summary="check that the log is whole and that every state is what it says",
    arguments=(),
    units=_shards,
    work=_verify,
    total=_by_shard,
    by_shard=True,
)
