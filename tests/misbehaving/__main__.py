"""Runs the server alone: prints its address as a line of JSON, and answers until it is ended.

python -m tests.misbehaving [--rate 0.3] [--seed 7] [--piece-s 0.01] [--never-silent]
"""

from __future__ import annotations

import argparse
import json
import threading

from tests.misbehaving import Behaviour, Faults, MisbehavingServer


def main() -> None:
    """Run until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=0.0, help="share of requests that go wrong")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--piece-s", type=float, default=0.0, help="seconds between two pieces")
    parser.add_argument("--never-silent", action="store_true", help="no request is left hanging")
    given = parser.parse_args()
    well = Behaviour(piece_s=given.piece_s)
    faults = Faults(given.rate, given.seed, silent=not given.never_silent, well=well)
    with MisbehavingServer(faults).running() as server:
        print(json.dumps({"address": server.address}), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
