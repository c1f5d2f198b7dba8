"""A system of its own in a temporary directory: for the demo and for benchmarks."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from cluster.data_dir import DataDir, SystemRecord
from cluster.lifecycle import start_detached, stop_system
from cluster.progress import Progress
from events.errors import Unavailable

_STOP_S_MAX = 60.0


@contextmanager
def scratch_system(
    tell: Callable[[Progress], None],
    *,
    options: Sequence[str] = (),
    toml: str = "",
    fill: Callable[[DataDir], None] = lambda directory: None,
    parent: Path | None = None,
) -> Iterator[tuple[DataDir, SystemRecord]]:
    """Start a system, and stop it when the context ends.

    Args:
        tell: hears the steps of the start.
        options: more options of `mirix up`.
        toml: what its mirix.toml says.
        fill: puts into the directory what it is to start with.
        parent: where the directory is made; None: where temporary files are.

    Raises:
        Unavailable: it did not come up, or something of it would not end.
    """
    with tempfile.TemporaryDirectory(prefix="mirix-scratch-", dir=parent) as scratch:
        directory = DataDir(Path(scratch))
        (directory.root / "mirix.toml").write_text(toml, encoding="utf-8")
        fill(directory)
        try:
            _start(directory, options, tell)
            record = directory.read_system()
            assert record is not None, "a system that is ready has a record"
            yield directory, record
        finally:
            report = stop_system(directory, timeout_s=_STOP_S_MAX)
        if report.left:
            raise Unavailable(f"{len(report.left)} processes of the system were left")


def _start(directory: DataDir, options: Sequence[str], tell: Callable[[Progress], None]) -> None:
    def relay(line: bytes) -> bool:
        try:
            progress = msgspec.json.decode(line, type=Progress)
        except msgspec.MsgspecError:
            return False
        if progress.error:
            raise Unavailable(progress.error)
        if not progress.bootstrap_key:  # who started it goes in with the operator's own key
            tell(progress)
        return progress.step == "ready"

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["--data", str(directory.root), "--port", str(port), *options]
    start_detached(directory, arguments, relay)
