"""The supervisor behind `mirix up`: starts log, Ray, agents and gateway, watches, stops them again.

    lock -> nats-server -> Ray -> nine agents a shard -> gateway -> ready -> ... -> the reverse
                                 (beside these two: a model on vLLM)

It owns every process of the system. Whatever ends it (SIGTERM, Ctrl-C, an error while starting), it
stops what was started in reverse order and looks by pid that nothing is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
import structlog

from cluster import processes, ray_host, wiring
from cluster.api_client import ApiClient
from cluster.data_dir import DataDir, SystemRecord
from cluster.lifecycle import clean_up
from cluster.operator_key import local_operator_key
from cluster.progress import Progress
from cluster.settings import Settings
from events.connection import LogSettings
from events.errors import CommandRejected, Unavailable
from events.nats_server import NatsServer

#: Ray's own processes that nothing restarts: without one of them the system cannot go on.
_VITAL = frozenset({"gcs_server", "raylet"})
_LOOK_S = 2.0
_GRACE_S = 5.0
_READY_POLL_S = 0.2
_LOADING_TOLD_S = 15.0

_log = structlog.get_logger()


async def run_system(settings: Settings, tell: Callable[[Progress], None]) -> None:
    """Start a system, serve until a signal asks to stop, and leave nothing running.

    Raises:
        CommandRejected: another supervisor runs on the directory.
        Misconfigured: the system cannot start as it is set up.
        Unavailable: a part did not start in time, or died for good.
    """
    directory = DataDir(settings.data_dir)
    directory.prepare()
    with directory.lock():
        directory.refuse_half_restored()
        clean_up(directory)
        _check_port(settings)
        await _Supervisor(settings, directory, tell).run()


def _check_port(settings: Settings) -> None:
    """Find out before anything is started, not half a minute later.

    Raises:
        CommandRejected: somebody listens on the port already.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise CommandRejected(
                f"port {settings.port} of {settings.host} cannot be used ({error.strerror}); "
                "choose another one with --port"
            ) from error


async def _together(*works: Coroutine[Any, Any, None]) -> None:
    """Do works side by side; when one fails the others are given up, and its error is raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Supervisor:
    """One run of a system."""

    def __init__(
        self, settings: Settings, directory: DataDir, tell: Callable[[Progress], None]
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._tell = tell
        self._started_at_s = time.monotonic()
        self._stop = asyncio.Event()
        self._record = SystemRecord(
            supervisor=processes.this_process(),
            run_id=uuid4().hex,
            port=settings.port,
            shards=settings.shards,
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    async def run(self) -> None:
        processes.mark_children(self._record.run_id)
        self._write()
        self._hear_signals()
        try:
            async with AsyncExitStack() as stack:
                if await self._unless_stopped(self._start(stack)):
                    await self._watch()
                self._write(state="stopping")
                self._step("stopping")
        finally:
            self._end_leftovers()
            self._directory.remove_system()
        self._step("stopped")

    async def _start(self, stack: AsyncExitStack) -> None:
        server = await self._start_log(stack)
        log = server.settings(shards=self._settings.shards)
        self._step("starting Ray")
        # In this thread: the kernel ends Ray's processes when the thread that made them ends.
        stack.push_async_callback(self._part("Ray", ray_host.stop_ray, self._record.run_id))
        head = ray_host.start_ray(
            self._directory, self._record.run_id, wiring.serve_settings(self._settings)
        )
        self._write(
            ray_temp_dir=str(head.sessions),
            ray_address=head.address,
            ray_dashboard_url=head.dashboard_url,
        )
        operator = local_operator_key(self._settings.data_dir)
        if wiring.runs_models(self._settings):
            # Stopped after the agents, which may ask it to the last.
            stack.push_async_callback(self._part("models", wiring.stop_models, self._settings))
            await asyncio.to_thread(wiring.begin_serving, self._settings)
            await _together(self._start_models(), self._start_serving(stack, log, operator))
        else:
            await self._start_serving(stack, log, operator)
        self._say(Progress(step="ready", url=self._url))

    async def _start_serving(self, stack: AsyncExitStack, log: LogSettings, operator: str) -> None:
        """Start all but the models: until one is there, answers come from the next in order."""
        await self._start_actors(stack, log, operator)
        await self._wait_ready(operator)
        if self._settings.consolidate_every_h:
            schedule = asyncio.create_task(wiring.keep_consolidating(self._settings, log))
            stack.callback(schedule.cancel)
            schedule.add_done_callback(_tell_of_end)
        self._write(state="ready", url=self._url)

    async def _start_models(self) -> None:
        """Load the models, with a sign of life now and then.

        Raises:
            Unavailable: they were not there in time, or cannot be loaded.
        """
        limit_s, began_s = self._settings.llm_ready_timeout_s, time.monotonic()
        self._step(f"loading the model {self._settings.llm_model}")
        loading = asyncio.create_task(asyncio.to_thread(wiring.start_models, self._settings))
        while not loading.done():
            waited_s = time.monotonic() - began_s
            if waited_s >= limit_s:
                raise Unavailable(
                    f"the model {self._settings.llm_model} was not loaded in {limit_s:g} s; see "
                    f"{self._directory.run}, or give it longer with llm_ready_timeout_s"
                )
            if waited_s >= _LOADING_TOLD_S:
                self._step(f"still loading the model ({waited_s:.0f} s)")
            await asyncio.wait({loading}, timeout=min(_LOADING_TOLD_S, limit_s - waited_s))
        loading.result()
        self._step("the model is loaded")

    async def _start_actors(self, stack: AsyncExitStack, log: LogSettings, operator: str) -> None:
        """Start agents and gateway side by side: neither waits for the other."""
        shards = self._settings.shards
        where = f" in each of {shards} shards" if shards > 1 else ""
        self._step(f"starting nine agents{where}, and the gateway")
        stack.push_async_callback(self._part("agents", wiring.stop_agents, self._settings))
        stack.push_async_callback(self._part("gateway", wiring.stop_gateway, self._settings))
        key = await wiring.put_keys_in_use(self._settings, log, operator)
        if key is not None:
            self._say(Progress(step="service key made, shown this once", bootstrap_key=key))
        await asyncio.gather(
            asyncio.to_thread(wiring.start_agents, self._settings, log, self._came_up),
            asyncio.to_thread(wiring.start_gateway, self._settings, log),
        )

    def _came_up(self, names: Sequence[str], done: int, total: int) -> None:
        """Give a sign of life: the model and the agents come up one by one, for half a minute."""
        if not self._stop.is_set():
            self._step(f"{', '.join(names)} ready ({done} of {total})")

    async def _start_log(self, stack: AsyncExitStack) -> NatsServer:
        self._step("starting the log")
        server = NatsServer(self._directory.log)
        stack.push_async_callback(server.stop)
        await server.start()
        supervising = asyncio.create_task(server.supervise())
        stack.callback(supervising.cancel)
        supervising.add_done_callback(lambda _: self._stop.set())
        reach = await server.prepare(self._settings.shards)
        self._write(
            nats_url=reach.url,
            nats_user=reach.user,
            nats_monitor_url=reach.monitor_url,
            nats_password_file=str(self._directory.log / "nats-password"),
        )
        return server

    @property
    def _url(self) -> str:
        return f"http://{self._settings.host}:{self._settings.port}"

    async def _wait_ready(self, operator: str) -> None:
        self._step("waiting until it is ready")
        async with ApiClient(self._url, operator) as client:
            try:
                async with asyncio.timeout(self._settings.ready_timeout_s):
                    while not await client.is_ready():  # noqa: ASYNC110  # it is another process
                        await asyncio.sleep(_READY_POLL_S)
            except TimeoutError as error:
                raise Unavailable(
                    f"{self._url}/ready did not say so in {self._settings.ready_timeout_s:g} s; "
                    f"see {self._directory.run}"
                ) from error

    async def _watch(self) -> None:
        """Keep the record of processes true until a signal comes or a vital one has died."""
        while not self._stop.is_set():
            below = await asyncio.to_thread(processes.descendants)
            missing = _VITAL - {record.name for record in below}
            if missing:
                raise Unavailable(
                    f"{', '.join(sorted(missing))} died; stopping, start again with `mirix up`"
                )
            if below != self._record.processes:
                self._write(processes=below)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), _LOOK_S)

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do the work and return True, or give it up and return False when a signal comes."""
        working = asyncio.create_task(work)
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            stopped.cancel()
            working.result()
            return True
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
        return False

    def _part(
        self, name: str, stop: Callable[..., None], *args: Any
    ) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            try:
                await asyncio.to_thread(stop, *args)
            except Exception as error:  # the parts below must be stopped whatever one of them does
                _log.warning("part_not_stopped", part=name, error=repr(error))

        return run

    def _end_leftovers(self) -> None:
        left = processes.members(self._record.run_id, self._record.processes)
        if left:
            _log.info("leftovers_ended", pids=[process.pid for process in left])
            left = processes.end(left, grace_s=_GRACE_S)
        if left:
            _log.error("leftovers_stay", pids=[process.pid for process in left])
        ray_host.remove_sessions(ray_host.temp_dir(self._record.run_id))

    def _hear_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)

    def _step(self, what: str) -> None:
        self._say(Progress(step=what))

    def _say(self, progress: Progress) -> None:
        seconds = round(time.monotonic() - self._started_at_s, 1)
        pid = self._record.supervisor.pid
        self._tell(msgspec.structs.replace(progress, seconds=seconds, pid=pid))

    def _write(self, **changes: Any) -> None:
        self._record = msgspec.structs.replace(self._record, **changes)
        self._directory.write_system(self._record)


def _tell_of_end(schedule: asyncio.Task[None]) -> None:
    """Say so when the schedule ended by an error: the system goes on without it."""
    if not schedule.cancelled() and schedule.exception() is not None:
        _log.error("consolidation_schedule_ended", exc_info=schedule.exception())
