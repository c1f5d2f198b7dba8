"""States of projections on disk, so that a restart, or a look at the past, reads little of the log.

A snapshot is one file (`snapshot_file`), written beside its place and moved there when it is whole
and on the disk: a crash in the middle leaves the one before. A file that does not check out is set
aside, and the one before it is used: snapshots are a short cut, the log is the truth. How many are
kept, and which, is `snapshot_retention`'s matter.

Two states have names of their own and are nobody's short cut: one `rebuilt` from the log that an
agent is to adopt, and the `previous` one that it had before.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

import structlog

from events.errors import CorruptLog, NotFound
from events.sealing import KeyRing
from projections.base import Projection, hash_parts
from projections.snapshot_file import FORMAT_VERSION, read_state, write_state
from projections.snapshot_retention import surplus_of_versions

log = structlog.get_logger(__name__)

#: Snapshots kept of a projection's present version.
KEPT_MAX = 8
_POSITION_MAX = 2**63 - 1
_SNAPSHOT, _REBUILT, _PREVIOUS = "snapshot", "rebuilt", "previous"
_NAME = re.compile(
    rf"(?P<projection>\w+)-v(?P<version>\d+)-(?P<position>\d{{20}})"
    rf"\.f{FORMAT_VERSION}\.(?P<role>{_SNAPSHOT}|{_REBUILT}|{_PREVIOUS})"
)
_OLD_NAME = re.compile(r"(?P<projection>\w+)-v\d+-\d{20}\.snapshot")


class SnapshotStore(Protocol):
    """Keeps the states of projections."""

    def save(self, projection: Projection, position: int) -> None:
        """Keep the projection's state as of `position`."""
        ...

    def load(self, projection: Projection) -> int:
        """Restore the newest usable state into `projection`; return its position (0: none)."""
        ...

    def load_at(self, projection: Projection, until: int) -> int:
        """Restore the newest state not after `until`; return its position (0: none, left empty)."""
        ...

    def load_part(self, projection: Projection, user: str, until: int) -> int:
        """Restore that user's part alone, the others empty, as `load_at` does the whole."""
        ...

    def save_rebuilt(self, projection: Projection, position: int) -> None:
        """Keep a state that was rebuilt from the log, for an agent to adopt."""
        ...

    def load_rebuilt(self, projection: Projection, position: int) -> None:
        """Restore the state that was rebuilt up to `position`.

        Raises:
            NotFound: there is none, or it is damaged.
        """
        ...

    def discard_rebuilt(self, projection: Projection) -> None:
        """Drop the rebuilt states of this projection."""
        ...

    def keep_previous(self, projection: Projection, position: int) -> None:
        """Keep the state that is about to be replaced: one a projection, the last."""
        ...

    def load_previous(self, projection: Projection) -> int:
        """Restore the state that was replaced last; return its position (0: none)."""
        ...

    def versions(self, projection: Projection) -> tuple[int, ...]:
        """Return the versions of which there are snapshots, the latest first."""
        ...


class NoSnapshots:
    """The twin for logs that are read from the start each time."""

    def save(self, projection: Projection, position: int) -> None:
        """Keep nothing."""

    def load(self, projection: Projection) -> int:
        """Return 0: there is none."""
        return 0

    def load_at(self, projection: Projection, until: int) -> int:
        """Return 0: there is none."""
        return 0

    def load_part(self, projection: Projection, user: str, until: int) -> int:
        """Return 0: there is none."""
        return 0

    def save_rebuilt(self, projection: Projection, position: int) -> None:
        """Keep nothing."""

    def load_rebuilt(self, projection: Projection, position: int) -> None:
        """Raise `NotFound`: there is none."""
        raise NotFound(_no_rebuilt(projection, position))

    def discard_rebuilt(self, projection: Projection) -> None:
        """Do nothing: there is none."""

    def keep_previous(self, projection: Projection, position: int) -> None:
        """Keep nothing."""

    def load_previous(self, projection: Projection) -> int:
        """Return 0: there is none."""
        return 0

    def versions(self, projection: Projection) -> tuple[int, ...]:
        """Return nothing: there are none."""
        return ()


class StateFile(NamedTuple):
    """A file with a state as of a position; `is_previous`: one that another state replaced."""

    path: Path
    position: int
    is_previous: bool


class _Kept(NamedTuple):
    """A file of a projection; ordered by version, then position."""

    version: int
    position: int
    path: Path


class SnapshotDirectory:
    """Snapshots as files `<projection>-v<version>-<position>.f<format>.<role>` in one directory.

    Several processes may use one directory: an agent saves, others read its past.

    Args:
        directory: made by the first save.
        keys: seal and open people's parts.
        kept_max: snapshots kept of a projection's present version, at least 2.
    """

    def __init__(self, directory: Path, keys: KeyRing, *, kept_max: int = KEPT_MAX) -> None:
        self._directory = directory
        self._keys = keys
        self._kept_max = kept_max

    def save(self, projection: Projection, position: int) -> None:
        """Write the state durably, then drop the files that are too many."""
        self._write(projection, position, _SNAPSHOT)
        kept = {(one.version, one.position): one.path for one in self._kept(projection, _SNAPSHOT)}
        for surplus in surplus_of_versions(kept, projection.version, self._kept_max):
            kept[surplus].unlink(missing_ok=True)
        for path in self._of_old_format(projection):
            path.unlink(missing_ok=True)

    def load(self, projection: Projection) -> int:
        """Restore the newest file that checks out; return its position, or 0."""
        old = self._of_old_format(projection)
        if old:
            log.info("old_snapshots_ignored", projection=projection.name, files=len(old))
        return self.load_at(projection, _POSITION_MAX)

    def load_at(self, projection: Projection, until: int) -> int:
        """Restore the newest file not after `until` that checks out; return its position, or 0."""
        return self._load(projection, self._until(projection, until)) or 0

    def load_part(self, projection: Projection, user: str, until: int) -> int:
        """Restore one user's part from the newest file not after `until` that checks out.

        Only that part is read and opened. A user whom the snapshot does not hold, or who was erased
        since, has nothing in the projection then.
        """
        return self._load(projection, self._until(projection, until), user) or 0

    def save_rebuilt(self, projection: Projection, position: int) -> None:
        """Write a rebuilt state durably."""
        self._write(projection, position, _REBUILT)

    def load_rebuilt(self, projection: Projection, position: int) -> None:
        """Restore the state that was rebuilt up to `position`.

        Raises:
            NotFound: there is none, or it is damaged.
        """
        found = [one for one in self._present(projection, _REBUILT) if one.position == position]
        if self._load(projection, found) is None:
            raise NotFound(_no_rebuilt(projection, position))

    def discard_rebuilt(self, projection: Projection) -> None:
        """Drop the rebuilt states of this projection, of whatever version."""
        for one in self._kept(projection, _REBUILT):
            one.path.unlink(missing_ok=True)

    def keep_previous(self, projection: Projection, position: int) -> None:
        """Write the state durably, then drop the one that was kept before."""
        path = self._write(projection, position, _PREVIOUS)
        for one in self._kept(projection, _PREVIOUS):
            if one.path != path:
                one.path.unlink(missing_ok=True)

    def load_previous(self, projection: Projection) -> int:
        """Restore the state that was replaced last; return its position, or 0."""
        return self._load(projection, self._present(projection, _PREVIOUS)) or 0

    def versions(self, projection: Projection) -> tuple[int, ...]:
        """Return the versions of which there are snapshots, the latest first."""
        found = {one.version for one in self._kept(projection, _SNAPSHOT)}
        return tuple(sorted(found, reverse=True))

    def files(self, projection: Projection) -> list[StateFile]:
        """Return every state of the projection's present version."""
        return [
            StateFile(one.path, one.position, role == _PREVIOUS)
            for role in (_SNAPSHOT, _REBUILT, _PREVIOUS)
            for one in self._present(projection, role)
        ]

    def hash_of(self, file: StateFile, projection: Projection) -> str:
        """Read one of `files` whole and return its state hash; nothing is set aside.

        Raises:
            CorruptLog: it is damaged.
            FileNotFoundError: it is not there any more.
        """
        return hash_parts(read_state(file.path, projection, file.position, self._keys))

    def set_aside(self, file: StateFile) -> None:
        """Take one of `files` out of use, because it is not what the log gives."""
        with suppress(FileNotFoundError):  # its agent dropped it meanwhile
            file.path.replace(file.path.with_suffix(".damaged"))

    def _write(self, projection: Projection, position: int, role: str) -> Path:
        self._directory.mkdir(parents=True, exist_ok=True)
        stem = f"{projection.name}-v{projection.version}-{position:020d}"
        path = self._directory / f"{stem}.f{FORMAT_VERSION}.{role}"
        write_state(path, projection, position, self._keys)
        return path

    def _load(
        self, projection: Projection, files: list[_Kept], user: str | None = None
    ) -> int | None:
        """Restore the first of the files that checks out; return its position, or None."""
        for one in files:
            try:
                parts = read_state(one.path, projection, one.position, self._keys, user)
            except FileNotFoundError:
                continue  # its agent dropped it meanwhile
            except CorruptLog as error:
                _set_aside(one.path, error)
                continue
            projection.restore(parts)
            return one.position
        return None

    def _until(self, projection: Projection, until: int) -> list[_Kept]:
        return [one for one in self._present(projection, _SNAPSHOT) if one.position <= until]

    def _present(self, projection: Projection, role: str) -> list[_Kept]:
        """Return the files of the projection's present version, newest first."""
        kept = self._kept(projection, role)
        return sorted((one for one in kept if one.version == projection.version), reverse=True)

    def _kept(self, projection: Projection, role: str) -> list[_Kept]:
        return [
            _Kept(int(match["version"]), int(match["position"]), path)
            for path, match in self._named(_NAME)
            if match["projection"] == projection.name and match["role"] == role
        ]

    def _of_old_format(self, projection: Projection) -> list[Path]:
        named = self._named(_OLD_NAME)
        return [path for path, match in named if match["projection"] == projection.name]

    def _named(self, pattern: re.Pattern[str]) -> list[tuple[Path, re.Match[str]]]:
        if not self._directory.is_dir():
            return []
        return [
            (path, match)
            for path in self._directory.iterdir()
            if (match := pattern.fullmatch(path.name))
        ]


def _set_aside(path: Path, error: CorruptLog) -> None:
    log.error("snapshot_set_aside", path=str(path), error=error.message)
    try:
        path.replace(path.with_suffix(".damaged"))
    except OSError as failure:
        # Another reader was first, or it is a medium that cannot be written: passed over anyway.
        log.warning("snapshot_not_set_aside", path=str(path), error=str(failure))


def _no_rebuilt(projection: Projection, position: int) -> str:
    return (
        f"no rebuilt state of {projection.name} version {projection.version} at {position} that"
        " checks out; rebuild it again"
    )
