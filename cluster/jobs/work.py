"""What a job is: a kind of work with its arguments, done in units that are never done twice.

The id follows from kind, arguments and data directory alone, so that the same job submitted again
is the same job: it goes on after the units that its events in the log say are done.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from cluster import wiring
from cluster.api_client import ApiClient
from cluster.data_dir import DataDir, SystemRecord
from cluster.jobs.arguments import Argument, parse
from cluster.operator_key import local_operator_key
from cluster.settings import Settings
from cluster.sources import opaque_id
from events.catalogue import JobFinished, JobProgressed, JobSubmitted, Payload
from events.ids import derived_id
from events.memory import Value
from serve.identity import Identities

#: What a job says while it works, in one line.
Tell: TypeAlias = Callable[[str], None]
#: What a unit gave: counts, hashes and paths, never what a person said.
Result: TypeAlias = dict[str, Any]
Options: TypeAlias = Mapping[str, str]

#: Why an attempt ended that somebody stopped: what the log says of it, in place of an error.
STOPPED = "stopped"
#: Seconds for which a job waits for a system that restarts.
_PATIENCE_S = 600.0


class Job(Value, frozen=True, kw_only=True):
    """One job. `arguments` are in their canonical form (`Kind.job`)."""

    kind: str
    data: str
    arguments: tuple[str, ...] = ()

    @property
    def job_id(self) -> str:
        """The id of the job, in the log and with Ray."""
        return derived_id(self.kind, self.data, *self.arguments)


class Place(Value, frozen=True, kw_only=True):
    """Where a job works: a data directory, and the system that runs on it, if one does."""

    settings: Settings
    record: SystemRecord | None = None

    @property
    def directory(self) -> DataDir:
        """The data directory."""
        return DataDir(self.settings.data_dir)

    @property
    def running(self) -> SystemRecord:
        """The record of the running system, for kinds that are not `offline`."""
        assert self.record is not None  # `place_of` saw to it
        return self.record

    def client(self) -> ApiClient:
        """Return a client of the running system, with the operator's key."""
        key = local_operator_key(self.settings.data_dir)
        return ApiClient(self.running.url, key, patience_s=_PATIENCE_S)


def unchecked(directory: DataDir, options: Options) -> None:
    """Check nothing more than each argument by itself."""


class Kind(Value, frozen=True, kw_only=True):
    """A kind of job: its arguments and what it does.

    `check` says what is wrong with arguments that are each right. `units` names the units of work;
    `work` does one and returns its result; `total` makes the job's result of those of its units.
    `by_shard`: units do not know of each other, so that Ray may run them side by side. `offline`:
    it works on a directory on which no system runs.
    """

    name: str
    summary: str
    arguments: tuple[Argument, ...]
    units: Callable[[Place, Options], Coroutine[Any, Any, Sequence[str]]]
    work: Callable[[Place, Options, str, Tell], Coroutine[Any, Any, Result]]
    total: Callable[[Mapping[str, Result]], Result]
    check: Callable[[DataDir, Options], None] = unchecked
    by_shard: bool = False
    offline: bool = False

    def options(self, arguments: Sequence[str]) -> Options:
        """Return the arguments by name.

        Raises:
            WrongUse: one is wrong, missing or unknown.
        """
        return parse(self.name, self.arguments, arguments)

    def job(self, data: Path, arguments: Sequence[str]) -> Job:
        """Return the job with these arguments, written in the one way that makes its id.

        Raises:
            WrongUse: an argument is wrong, missing or unknown.
        """
        options = self.options(arguments)
        placed = []
        for argument in self.arguments:
            text = options.get(argument.name)
            if text is None:
                continue
            if argument.personal:
                text = _opaque(data, text)
            placed.append(text if argument.positional else f"--{argument.name}={text}")
        return Job(kind=self.name, data=str(data), arguments=tuple(placed))


def _opaque(data: Path, user: str) -> str:
    """Return the opaque id of somebody: a client's id may be a name, and names stay out of logs."""
    with closing(wiring.keystore(DataDir(data))) as keystore:
        return opaque_id(user, Identities.of(keystore, 1))


class History(Value, frozen=True, kw_only=True):
    """What the log says of one job. `done` are the units of the run that is not finished.

    A run is the attempts up to a success; the next submission begins a new one. `submitted` is the
    position of the last `JobSubmitted`.
    """

    kind: str = ""
    arguments: tuple[str, ...] = ()
    attempt: int = 0
    state: Literal["new", "running", "succeeded", "failed"] = "new"
    submitted: int = 0
    done: dict[str, Result] = {}
    total: int = 0
    result: Result = {}
    error: str = ""


def fold(history: History, payload: Payload, position: int) -> History:
    """Return the history with one more of the job's events."""
    match payload:
        case JobSubmitted():
            anew = history.state in ("new", "succeeded")
            return History(
                kind=payload.kind,
                arguments=payload.arguments,
                attempt=payload.attempt,
                state="running",
                submitted=position,
                done={} if anew else history.done,
                total=0 if anew else history.total,
            )
        case JobProgressed():
            done = {**history.done, payload.unit: payload.result}
            return msgspec.structs.replace(history, done=done, total=payload.total)
        case JobFinished():
            return msgspec.structs.replace(
                history, state=payload.status, result=payload.result, error=payload.error
            )
    return history
