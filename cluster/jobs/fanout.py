"""The units of a job as tasks on a Ray cluster, side by side as far as its cores go."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import ray
import ray.exceptions

from cluster.cli_output import quiet_logs
from cluster.jobs.kinds import kind_of, place_of
from cluster.jobs.work import Job, Result
from events.errors import MirixError, Unavailable

#: A worker that is lost is replaced so often: a unit can be begun again.
_RETRIES_MAX = 2
_LOOK_S = 0.5


@ray.remote(num_cpus=1, max_retries=_RETRIES_MAX)
def _do_unit(job: Job, unit: str) -> Result | MirixError:
    """Do one unit; a `MirixError` is returned, not raised: Ray would wrap it."""
    quiet_logs()
    kind = kind_of(job.kind)
    try:
        place = place_of(kind, Path(job.data))
        return asyncio.run(kind.work(place, kind.options(job.arguments), unit, lambda line: None))
    except MirixError as error:
        return error


def _connect(address: str) -> None:
    ours = signal.getsignal(signal.SIGTERM)
    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    # Ray ends the process at once; a driver says in the log that it was stopped.
    signal.signal(signal.SIGTERM, ours)


async def side_by_side(
    job: Job, units: Sequence[str], address: str
) -> AsyncGenerator[tuple[str, Result], None]:
    """Yield each unit with its result as it is done; the order is that of their ends.

    Raises:
        MirixError: a unit failed; those that are under way are given up.
        Unavailable: the cluster cannot be reached, or lost its workers again and again.
    """
    waiting: dict[Any, str] = {}
    try:
        _connect(address)
        waiting = {_do_unit.remote(job, unit): unit for unit in units}
        while waiting:
            # In a thread: meanwhile this loop hears signals.
            ready, _ = await asyncio.to_thread(ray.wait, list(waiting), timeout=_LOOK_S)
            for reference in ready:
                unit = waiting.pop(reference)
                outcome = ray.get(reference)
                if isinstance(outcome, MirixError):
                    raise outcome
                yield unit, outcome
    except (ray.exceptions.RayError, ConnectionError) as error:
        raise Unavailable(f"Ray at {address}: {type(error).__name__}; submit again") from error
    finally:
        for reference in waiting:
            ray.cancel(reference, force=True)
        ray.shutdown()
