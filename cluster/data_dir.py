"""Where a system keeps what it knows: the layout of a data directory, its lock, its running record.

log/         the log (JetStream's store)      keys/       master.key and keys.db, apart from it
snapshots/   projections, to start quickly    models/     the embedder's built graph
rankers/     trained rankers, once there are any
run/         system.json and the processes' own logs, gone or useless after a stop
mirix.toml   optional settings                restoring.json  while a backup is being restored
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal

import msgspec

from events.durable_file import write_whole
from events.errors import CommandRejected, Misconfigured


class ProcessRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A process of the system; `created_at_s` tells it from a later one with its pid."""

    pid: int
    created_at_s: float
    name: str = ""


class SystemRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What `run/system.json` says about the running system. Holds no keys, only where they lie.

    `run_id` is in the environment of every process of the system (`processes.MARK`).
    """

    supervisor: ProcessRecord
    run_id: str
    state: Literal["starting", "ready", "stopping"] = "starting"
    url: str = ""
    port: int = 0
    shards: int = 1
    nats_url: str = ""
    nats_user: str = ""
    nats_password_file: str = ""
    nats_monitor_url: str = ""
    ray_temp_dir: str = ""
    ray_address: str = ""
    ray_dashboard_url: str = ""
    started_at: str = ""
    processes: tuple[ProcessRecord, ...] = ()


class DataDir(msgspec.Struct, frozen=True):
    """The paths of one data directory."""

    root: Path

    @property
    def log(self) -> Path:
        """The store of the log."""
        return self.root / "log"

    @property
    def keys(self) -> Path:
        """The key store."""
        return self.root / "keys"

    @property
    def keys_file(self) -> Path:
        """The data keys, wrapped by the master key."""
        return self.keys / "keys.db"

    @property
    def master_key(self) -> Path:
        """The master key, readable by its owner only."""
        return self.keys / "master.key"

    @property
    def snapshots(self) -> Path:
        """Snapshots of the projections."""
        return self.root / "snapshots"

    @property
    def models(self) -> Path:
        """Built models."""
        return self.root / "models"

    @property
    def rankers(self) -> Path:
        """Trained rankers, each with its report."""
        return self.root / "rankers"

    @property
    def run(self) -> Path:
        """What belongs to the running system."""
        return self.root / "run"

    @property
    def system_file(self) -> Path:
        """The record of the running system."""
        return self.run / "system.json"

    @property
    def lock_file(self) -> Path:
        """Held locked by the supervisor for as long as it lives."""
        return self.run / "lock"

    @property
    def restoring_file(self) -> Path:
        """There while a backup is being restored: what is there then is not to be started."""
        return self.root / "restoring.json"

    @property
    def supervisor_log(self) -> Path:
        """What the supervisor and its libraries write."""
        return self.run / "supervisor.log"

    def begin_supervisor_log(self) -> IO[bytes]:
        """Empty the supervisor's log, or make it, and open it for lines to be added."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        return os.fdopen(os.open(self.supervisor_log, flags, 0o600), "wb")

    def prepare(self) -> None:
        """Make the directories that are missing, closed to other users.

        Raises:
            Misconfigured: they cannot be made or written.
        """
        try:
            for directory in (self.log, self.keys, self.snapshots, self.models, self.run):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Misconfigured(
                f"data directory {self.root} cannot be used: {error.strerror}; "
                "give another one with --data or MIRIX_DATA"
            ) from error
        if not os.access(self.run, os.W_OK):
            raise Misconfigured(f"data directory {self.root} is not writable by this user")

    def refuse_half_restored(self) -> None:
        """See that no restore was left in the middle.

        Raises:
            CommandRejected: one was; what is there is not all that was backed up.
        """
        if self.restoring_file.exists():
            raise CommandRejected(
                f"{self.root} holds a backup that was not restored to its end; run the same "
                "`mirix restore` again, or empty the directory"
            )

    def read_system(self) -> SystemRecord | None:
        """Return the record of the running system, or None when there is none.

        Raises:
            Misconfigured: the file is there but damaged.
        """
        try:
            return msgspec.json.decode(self.system_file.read_bytes(), type=SystemRecord)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except msgspec.MsgspecError as error:
            raise Misconfigured(
                f"{self.system_file} is damaged ({error}); run `mirix down`, or delete it when "
                "no system runs on this directory"
            ) from error

    def write_system(self, record: SystemRecord) -> None:
        """Write the record of the running system: whole or not at all, mode 0600."""
        write_whole(self.system_file, msgspec.json.encode(record))

    def remove_system(self) -> None:
        """Forget the running system."""
        self.system_file.unlink(missing_ok=True)

    def is_locked(self) -> bool:
        """Say whether a supervisor holds this directory now."""
        try:
            handle = self.lock_file.open("r")
        except (FileNotFoundError, NotADirectoryError):
            return False
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the directory; the kernel lets go when the process ends, however it ends.

        Raises:
            CommandRejected: another supervisor holds it.
        """
        with self.lock_file.open("a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise CommandRejected(self.already_running()) from error
            yield

    def already_running(self) -> str:
        """Return the line that says which system runs here."""
        record = self.read_system()
        if record is None:
            return f"a system is already starting on {self.root}"
        return (
            f"already running on {self.root}: pid {record.supervisor.pid}, "
            f"{record.url or 'not ready yet'}"
        )
