"""The local Ray cluster of one system: loopback only, authenticated, gone with its supervisor.

Ray reads its switches from the environment of the process that starts it, and hands that on to its
workers. They are set here, before `ray` is first imported.
"""

from __future__ import annotations

import logging
import os
import random
import secrets
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from cluster import haproxy
from cluster.data_dir import DataDir
from events.durable_file import write_whole
from events.errors import Misconfigured
from serve.settings import INNER_PORTS, ServeSettings

NAMESPACE = "mirix"
ROOT = Path(__file__).resolve().parent.parent
OBJECT_STORE_BYTES = 128 * 1024 * 1024
#: Ray's socket paths below the directory take about 70 of the 107 bytes that the kernel allows.
_TEMP_PATH_BYTES_MAX = 30
#: Below the ports that the kernel gives to clients (32768 up), so that those do not take them.
_PORT_MIN, _PORT_MAX = 20_000, 32_000
_PORT_TRIES_MAX = 200


def temp_dir(run_id: str) -> Path:
    """Return the directory for Ray's sockets and session files: short, and of this run alone."""
    base = Path(tempfile.gettempdir())
    name = f"mx-{run_id[:8]}"
    if len(os.fsencode(base / name)) > _TEMP_PATH_BYTES_MAX:
        base = Path("/tmp")
    return base / name


def start_ray(directory: DataDir, run_id: str, serving: ServeSettings) -> Path:
    """Start a cluster of this machine and connect to it; return its session directory."""
    sessions = temp_dir(run_id)
    os.environ.update(_switches(directory))
    os.environ.update(serving.environment(free_ports(INNER_PORTS)))
    os.environ.update(haproxy.environment(sessions / "haproxy"))
    import ray  # after its switches are set: some are read at import

    ray.init(
        address="local",
        namespace=NAMESPACE,
        include_dashboard=False,
        num_cpus=max(2, os.cpu_count() or 1),
        object_store_memory=OBJECT_STORE_BYTES,
        log_to_driver=False,
        logging_level=logging.WARNING,
        _temp_dir=str(sessions),
    )
    # Ray opens its directory to everybody; HAProxy's command socket is in there.
    sessions.chmod(0o700)
    return sessions


def stop_ray(run_id: str) -> None:
    """Disconnect, end the cluster's processes and remove its session directory."""
    if "ray" in sys.modules:
        import ray

        ray.shutdown()
    remove_sessions(temp_dir(run_id))


def remove_sessions(sessions: Path) -> None:
    """Remove a session directory, but nothing that is not one."""
    if sessions.name.startswith("mx-"):
        shutil.rmtree(sessions, ignore_errors=True)


def free_ports(count: int) -> int:
    """Return the first of `count` ports in a row that nobody listens on now.

    Raises:
        Misconfigured: no such row was found.
    """
    for _ in range(_PORT_TRIES_MAX):
        first = random.randrange(_PORT_MIN, _PORT_MAX - count)
        if all(_is_free(port) for port in range(first, first + count)):
            return first
    raise Misconfigured(f"no {count} free ports in a row between {_PORT_MIN} and {_PORT_MAX}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def _switches(directory: DataDir) -> dict[str, str]:
    token = directory.run / "ray-token"
    if not token.exists():
        write_whole(token, secrets.token_hex(32).encode())
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
        # Ray takes the loopback address for its node only where it knows no clusters; this says so.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_DEDUP_LOGS": "0",
        "RAY_SERVE_LOG_TO_STDERR": "0",
        # Many small processes: threads that each would start, and memory that each would hold on to
        # for them, are multiplied by twenty.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
        # Workers must find the five packages when the checkout is not linked into the environment.
        "PYTHONPATH": _python_path(),
    }


def _python_path() -> str:
    paths = [str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return os.pathsep.join(dict.fromkeys(path for path in paths if path))
