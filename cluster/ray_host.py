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
from functools import partialmethod
from pathlib import Path
from typing import Any

from cluster import haproxy
from cluster.data_dir import DataDir
from events.durable_file import write_whole
from events.errors import Misconfigured
from events.memory import Value
from serve.settings import INNER_PORTS, ServeSettings

NAMESPACE = "mirix"
ROOT = Path(__file__).resolve().parent.parent
OBJECT_STORE_BYTES = 128 * 1024 * 1024
#: Ray's socket paths below the directory take about 70 of the 107 bytes that the kernel allows.
_TEMP_PATH_BYTES_MAX = 30
#: Below the ports that the kernel gives to clients (32768 up), so that those do not take them.
_PORT_MIN, _PORT_MAX = 20_000, 32_000
_PORT_TRIES_MAX = 200


class RayHead(Value, frozen=True, kw_only=True):
    """Where a started cluster is: its session directory, its address, the URL of its Jobs API."""

    sessions: Path
    address: str
    dashboard_url: str


def temp_dir(run_id: str) -> Path:
    """Return the directory for Ray's sockets and session files: short, and of this run alone."""
    base = Path(tempfile.gettempdir())
    name = f"mx-{run_id[:8]}"
    if len(os.fsencode(base / name)) > _TEMP_PATH_BYTES_MAX:
        base = Path("/tmp")
    return base / name


def start_ray(directory: DataDir, run_id: str, serving: ServeSettings) -> RayHead:
    """Start a cluster of this machine and connect to it; return where it is."""
    sessions = temp_dir(run_id)
    first = free_ports(INNER_PORTS + 1)
    os.environ.update(_switches(directory))
    os.environ.update(serving.environment(first))
    os.environ.update(haproxy.environment(sessions / "haproxy"))
    import ray  # after its switches are set: some are read at import

    _let_the_agent_choose_its_port()
    _leave_sigterm_to_us()
    context: Any = ray.init(
        address="local",
        namespace=NAMESPACE,
        # The Jobs API is a part of the dashboard (docs/adr/0009).
        include_dashboard=True,
        dashboard_host="127.0.0.1",
        dashboard_port=first + INNER_PORTS,
        num_cpus=max(2, os.cpu_count() or 1),
        object_store_memory=OBJECT_STORE_BYTES,
        log_to_driver=False,
        logging_level=logging.WARNING,
        _temp_dir=str(sessions),
    )
    # Ray opens its directory to everybody; HAProxy's command socket is in there.
    sessions.chmod(0o700)
    where = context.address_info
    # As `ray start` does: where a job of this cluster finds it when others run on the machine.
    (sessions / "ray_current_cluster").write_text(where["gcs_address"])
    return RayHead(
        sessions=sessions,
        address=where["gcs_address"],
        dashboard_url=f"http://{where['webui_url']}",
    )


def _let_the_agent_choose_its_port() -> None:
    """Let the agent of Ray's dashboard, which starts the jobs, listen on any port that is free.

    `ray.init` has no argument for it. Its default is one port for all of a machine, so that of two
    clusters only the first could run jobs.
    """
    from ray._private.parameter import RayParams

    kind: Any = RayParams
    kind.__init__ = partialmethod(kind.__init__, dashboard_agent_listen_port=0)


def _leave_sigterm_to_us() -> None:
    """Keep Ray from putting its own handler of SIGTERM in the place of the supervisor's.

    `ray.init` has no argument for it. Its handler ends the process at once, in the middle of the
    start, so that whoever stops a system which is starting would be told of a failure.
    """
    from ray._private import utils

    utils.set_sigterm_handler = lambda handler: None


def join_ray(directory: DataDir, address: str) -> None:
    """Connect this process to the cluster of a running system, for asking what is on it."""
    os.environ.update(_switches(directory))
    import ray

    ray.init(
        address=address,
        namespace=NAMESPACE,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )


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


def credentials(directory: DataDir) -> dict[str, str]:
    """Return what a process needs in its environment to be let in by this directory's cluster."""
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(directory.run / "ray-token")}


def _switches(directory: DataDir) -> dict[str, str]:
    token = directory.run / "ray-token"
    if not token.exists():
        write_whole(token, secrets.token_hex(32).encode())
    return {
        **credentials(directory),
        "RAY_USAGE_STATS_ENABLED": "0",
        # Ray takes the loopback address for its node only where it knows no clusters; this says so.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        # Ray gives up a start whose dashboard is late; a busy machine is slow, not broken.
        "RAY_DASHBOARD_STARTUP_TIMEOUT_S": "120",
        "RAY_DASHBOARD_SUBPROCESS_MODULE_WAIT_READY_TIMEOUT": "120",
        # Ray's workers would yield to everything else on the machine; here they are what it is for.
        "RAY_worker_niceness": "0",
        "RAY_DEDUP_LOGS": "0",
        "RAY_SERVE_LOG_TO_STDERR": "0",
        # Many small processes: threads that each would start, and memory that each would hold on to
        # for them, are multiplied by twenty.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
        # Workers must find the five packages when the checkout is not linked into the environment.
        "PYTHONPATH": python_path(),
    }


def python_path() -> str:
    """Return the search path on which a process finds the five packages."""
    paths = [str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return os.pathsep.join(dict.fromkeys(path for path in paths if path))
