"""Do one job: `python -m cluster.jobs.run KIND --data DIR [--ray ADDRESS] -- ARGUMENTS`.

The driver of a job, wherever it runs: in a terminal, or below Ray's Jobs API (`ray job submit`),
which says by RAY_ADDRESS where its cluster is. There the units of kinds that work by shard are done
side by side, as Ray tasks; otherwise one after the other in this process. The driver alone writes
the job's events.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import msgspec

from cluster import wiring
from cluster.cli_output import exit_status, quiet_logs
from cluster.jobs.arguments import Parser, split
from cluster.jobs.journal import JOB_SHARD, JobJournal, missing
from cluster.jobs.kinds import kind_of, place_of
from cluster.jobs.work import STOPPED, Job, Kind, Options, Place, Result, Tell
from cluster.settings import from_environment, ray_address
from events.codec import Codec
from events.connection import connect
from events.errors import MirixError, Unavailable, VersionConflict
from events.journal import Journal
from events.sealing import KeyRing

#: Does units, and yields each with its result as it is done.
Worker: TypeAlias = Callable[[Sequence[str]], AsyncGenerator[tuple[str, Result], None]]


async def run_job(job: Job, *, ray: str, tell: Tell) -> Result:
    """Do a job, going on where an earlier attempt was lost, and return its result.

    Args:
        job: what to do.
        ray: the address of a Ray cluster, or nothing for this process alone.
        tell: hears what is done.

    Raises:
        MirixError: it failed; the log says so too, where it can be written.
    """
    kind = kind_of(job.kind)
    place = place_of(kind, Path(job.data))
    options = kind.options(job.arguments)
    worker = _worker(kind, job, place, options, ray, tell)
    if kind.offline:
        return await _run_offline(kind, job, place, options, worker, tell)
    async with open_journal(place) as journal:
        return await attempt(kind, job, place, journal, worker, tell)


async def attempt(
    kind: Kind, job: Job, place: Place, journal: Journal, worker: Worker, tell: Tell
) -> Result:
    """Do what is left of a job, and tell the log of each unit and of the end.

    Raises:
        VersionConflict: another driver of this job took over.
        MirixError: a unit failed.
    """
    events = await JobJournal.begin(journal, job)
    try:
        units = await kind.units(place, kind.options(job.arguments))
        if events.done:
            tell(f"{len(events.done)} of {len(units)} were done by an earlier attempt")
        async with aclosing(worker(missing(units, events.done))) as finished:
            async for unit, result in finished:
                await events.progressed(unit, len(units), result)
                tell(f"{len(events.done)} of {len(units)} done: {unit}")
        total = kind.total({unit: events.done[unit] for unit in units})
    except VersionConflict:
        raise  # the log belongs to the other driver now
    except BaseException as error:  # a stop, too, is in the log before it goes on its way
        await events.finished("failed", {}, _reason(error))
        raise
    await events.finished("succeeded", total)
    return total


async def _run_offline(
    kind: Kind, job: Job, place: Place, options: Options, worker: Worker, tell: Tell
) -> Result:
    """Do a job on a directory without a system; its events go into the log that it leaves."""
    units = await kind.units(place, options)
    done: dict[str, Result] = {}
    async with aclosing(worker(units)) as finished:
        async for unit, result in finished:
            done[unit] = result
            tell(f"{len(done)} of {len(units)} done: {unit}")
    total = kind.total(done)
    async with own_journal(place) as journal:
        events = await JobJournal.begin(journal, job)
        for unit, result in done.items():
            await events.progressed(unit, len(units), result)
        await events.finished("succeeded", total)
    return total


@asynccontextmanager
async def open_journal(place: Place) -> AsyncIterator[Journal]:
    """Open the log of a running system where the events of jobs lie."""
    codec = Codec(KeyRing(wiring.keystore(place.directory)))
    async with connect(wiring.log_settings(place.running)) as connection:
        yield Journal(connection.log(JOB_SHARD), codec)


@asynccontextmanager
async def own_journal(place: Place) -> AsyncIterator[Journal]:
    """Open the log of a directory on which no system runs, with a server for this alone."""
    from events.nats_server import NatsServer

    with place.directory.lock():
        server = NatsServer(place.directory.log)
        try:
            await server.start()
            codec = Codec(KeyRing(wiring.keystore(place.directory)))
            async with connect(await server.prepare(JOB_SHARD + 1)) as connection:
                yield Journal(connection.log(JOB_SHARD), codec)
        finally:
            await server.stop()


def _worker(kind: Kind, job: Job, place: Place, options: Options, ray: str, tell: Tell) -> Worker:
    async def here(units: Sequence[str]) -> AsyncGenerator[tuple[str, Result], None]:
        for unit in units:
            yield unit, await kind.work(place, options, unit, tell)

    async def wherever(units: Sequence[str]) -> AsyncGenerator[tuple[str, Result], None]:
        if ray and kind.by_shard:
            from cluster.jobs.fanout import side_by_side  # imports Ray

            worker = side_by_side(job, units, ray)
        else:
            worker = here(units)
        async with aclosing(worker) as finished:
            async for unit, result in finished:
                yield unit, result

    return wherever


def _reason(error: BaseException) -> str:
    """Return a reason that holds nothing a person said: other errors may quote anything."""
    if isinstance(error, MirixError):
        return error.message
    return STOPPED if isinstance(error, asyncio.CancelledError) else type(error).__name__


async def until_signal(job: Job, *, ray: str, tell: Tell) -> Result:
    """Do a job as `run_job` does; SIGTERM and SIGINT end it in good order.

    Raises:
        Unavailable: it was stopped; submitted again, it goes on where it was.
    """
    working = asyncio.ensure_future(run_job(job, ray=ray, tell=tell))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, working.cancel)
    try:
        return await working
    except asyncio.CancelledError:
        raise Unavailable(f"{job.job_id} was stopped; submit it again to go on") from None


def main(arguments: Sequence[str]) -> int:
    """Do the job of a command line; return 0, 1 when it failed, 2 when it was asked wrongly."""
    own, rest = split(arguments)
    parser = Parser(prog="python -m cluster.jobs.run", description=__doc__, allow_abbrev=False)
    parser.add_argument("kind", metavar="KIND")
    parser.add_argument("--data", type=Path, help="data directory of the system")
    parser.add_argument("--ray", default="", help="address of a Ray cluster (RAY_ADDRESS)")
    quiet_logs()
    try:
        asked = parser.parse_args(own)
        kind = kind_of(asked.kind)
        job = kind.job(from_environment(asked.data).data_dir, rest)
        _say(f"{job.job_id}: {kind.summary}")
        # Ray's own tools also take the address of a dashboard there, below which nothing runs.
        ray = asked.ray or ("" if "://" in ray_address() else ray_address())
        result = asyncio.run(until_signal(job, ray=ray, tell=_say))
    except MirixError as error:
        sys.stderr.write(f"mirix: {error.message}\n")
        return exit_status(error)
    _say(msgspec.json.encode(result).decode())
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
