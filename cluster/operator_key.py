"""The key with which the command line reaches the system on its own machine.

Derived from the master key of the data directory: whoever may read that may do everything anyway.
The gateway registers its digest at every start, so it needs no file of its own.
"""

from __future__ import annotations

import base64
from pathlib import Path

from cluster.data_dir import DataDir
from events.memory_keystore import derived_key
from events.sqlite_keystore import read_or_make_key

PURPOSE = "local-operator"


def local_operator_key(data_dir: Path) -> str:
    """Return the operator's service key for a data directory, making the master key when missing.

    Raises:
        Misconfigured: others than its owner may read the master key.
    """
    master = read_or_make_key(DataDir(data_dir).master_key)
    token = base64.urlsafe_b64encode(derived_key(master, PURPOSE)).decode().rstrip("=")
    return f"mirix_local_{token}"
