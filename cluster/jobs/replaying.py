"""The job `replay`: the states that a log gives at a moment, by shard; or one person's, in a file.

The log is told hashes and counts. What a person's memory holds goes into a file that only its owner
may read, where `--out` says, and nowhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec

from actors.names import agents_of
from actors.past.moments import Moments
from actors.past.stepping import open_stepper
from actors.rebuilding import empty_projection
from cluster.data_dir import DataDir
from cluster.jobs.arguments import Argument, path
from cluster.jobs.states import SHARD, known_projection, now_and_then, shard_of_unit
from cluster.jobs.work import Kind, Options, Place, Result, Tell
from cluster.sources import Source, open_source
from events.durable_file import write_whole
from events.errors import CommandRejected
from events.journal import EventReader
from events.moments import moment_of
from projections.base import Projection, state_hash
from projections.rebuild import View, rebuild_all

_USER = "user"


def _moment(text: str) -> str:
    moment = moment_of(text)
    return str(moment) if isinstance(moment, int) else moment.isoformat()


def _check(directory: DataDir, options: Options) -> None:
    if ("user" in options) != ("out" in options):
        raise CommandRejected("--user and --out belong together: whose state, and the file for it")


def _source(place: Place, options: Options) -> AbstractAsyncContextManager[Source]:
    return open_source(
        place.settings.data_dir,
        backup=options.get("from-backup", ""),
        keys_from=options.get("keys-from", ""),
    )


async def _units(place: Place, options: Options) -> Sequence[str]:
    async with _source(place, options) as source:
        if "user" in options:
            await source.find(options["user"])  # told before anything is recorded as done
            return (_USER,)
        return [f"{SHARD}{shard}" for shard in sorted(source.readers)]


async def _work(place: Place, options: Options, unit: str, tell: Tell) -> Result:
    async with _source(place, options) as source:
        if unit == _USER:
            reader, user = await source.find(options["user"])
            return await _replay_user(reader, user, options)
        return await _replay_shard(source.readers[shard_of_unit(unit)], options, unit, tell)


async def _end(reader: EventReader, options: Options) -> int:
    if "to" not in options:
        return await reader.last_position()
    return await Moments(reader).position_at(moment_of(options["to"]))


async def _replay_shard(reader: EventReader, options: Options, unit: str, tell: Tell) -> Result:
    end = await _end(reader, options)
    hashes: dict[str, str] = {}

    async def seen(projection: Projection, position: int) -> None:
        hashes[projection.name] = await asyncio.to_thread(state_hash, projection)

    made = [empty_projection(agent) for agent in agents_of(options.get("projection"))]
    views = [View(projection, [end], seen) for projection in made]
    await rebuild_all(reader, views, progress=now_and_then(unit, tell))
    return {"position": end, "state_hashes": hashes}


async def _replay_user(reader: EventReader, user: str, options: Options) -> Result:
    end = await _end(reader, options)
    stepper = await open_stepper(reader, user, agents_of(options.get("projection")), end=end)
    await stepper.goto(end)
    state = stepper.state()
    write_whole(Path(options["out"]), msgspec.json.encode({"position": end, "state": state}))
    return {
        "position": end,
        "items": {name: len(items) for name, items in state.items()},
        "out": options["out"],
    }


def _total(results: Mapping[str, Result]) -> Result:
    return results[_USER] if _USER in results else {"shards": dict(results)}


REPLAY = Kind(
    name="replay",
    summary="fold the log up to a moment",
    arguments=(
        Argument(name="to", help="the moment: a position or a time", read=_moment),
        Argument(name="projection", help="only this one", read=known_projection),
        Argument(name="user", help="only what is held of this user", personal=True),
        Argument(name="out", help="the file for that", read=path),
        Argument(name="from-backup", help="read this backup", read=path),
        Argument(name="keys-from", help="where its keys are", read=path),
    ),
    check=_check,
    units=_units,
    work=_work,
    total=_total,
    by_shard=True,
)
