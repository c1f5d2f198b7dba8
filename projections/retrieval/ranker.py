"""A ranker as a file: what each signal is worth, and how that was found out.

One JSON object: `format` (1), `name`, `created_at`, `signals` (a weight for each field of
`signals.Signals`) and `training` (the report). The name of a learned one holds the hash of all the
rest: what a system ranks with can be told apart, and a file that was altered is not taken for it. A
ranker that somebody wrote by hand has any other name.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from events.durable_file import write_whole
from events.errors import Misconfigured
from projections.retrieval.ranking import Weights
from projections.retrieval.signals import Signals

FORMAT = 1
#: What the name of a ranker begins with that a training made; the hash of its content follows.
LEARNED = "learned-"
_HASH_DIGITS = 12
#: Beyond this, one signal would drown all others.
WEIGHT_MAX = 100.0


class Ranker(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Weights with a name; `training` is the report of what made them, empty when nothing did."""

    format: int = FORMAT
    name: str
    created_at: datetime
    signals: dict[str, float]
    training: dict[str, Any] = {}

    @property
    def weights(self) -> Weights:
        """The weights as the ranking takes them."""
        return Weights(**self.signals)


def learned_ranker(weights: Weights, created_at: datetime, training: dict[str, Any]) -> Ranker:
    """Return the ranker of a training, named after its content."""
    signals: dict[str, float] = msgspec.structs.asdict(weights)
    nameless = Ranker(name="", created_at=created_at, signals=signals, training=training)
    return msgspec.structs.replace(nameless, name=_name_of(nameless))


def write_ranker(ranker: Ranker, directory: Path) -> Path:
    """Write a ranker under its name, whole or not at all, and return the file.

    A directory that is not there is made, closed to other users.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = directory / f"{ranker.name}.json"
    content = msgspec.json.encode(ranker, order="deterministic")
    write_whole(file, msgspec.json.format(content, indent=2), b"\n")
    return file


def read_ranker(file: Path) -> Ranker:
    """Return the ranker in a file.

    Raises:
        Misconfigured: it cannot be read, is none, knows other signals than this version, or is not
            what its name says.
    """
    try:
        ranker = msgspec.json.decode(file.read_bytes(), type=Ranker)
    except OSError as error:
        raise Misconfigured(f"ranker {file} cannot be read: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{file} is not a ranker: {error}") from error
    if ranker.format != FORMAT:
        raise Misconfigured(
            f"ranker {file} has format {ranker.format}; this version reads format {FORMAT}"
        )
    wrong = _wrong_signals(ranker.signals)
    if wrong:
        raise Misconfigured(f"ranker {file}: {wrong}")
    if ranker.name.startswith(LEARNED) and ranker.name != _name_of(ranker):
        raise Misconfigured(
            f"ranker {file} was altered after its training: its content is not that of"
            f" {ranker.name}; give it a name that does not begin with {LEARNED!r} to use it"
        )
    return ranker


def _wrong_signals(signals: Mapping[str, float]) -> str:
    """Return what is wrong with the weights; empty when nothing is."""
    known = Signals._fields
    unknown = sorted(signals.keys() - set(known))
    missing = [name for name in known if name not in signals]
    beyond = sorted(name for name, weight in signals.items() if not _is_weight(weight))
    if unknown:
        return f"there is no signal {', '.join(unknown)}; there are {', '.join(known)}"
    if missing:
        return f"signals: no weight for {', '.join(missing)}; train it anew, or give them weights"
    if beyond:
        return (
            f"the weight of {', '.join(beyond)} is not between -{WEIGHT_MAX:g} and {WEIGHT_MAX:g}"
        )
    if not any(signals.values()):
        return "all weights are 0: nothing would be in any order"
    return ""


def _is_weight(weight: float) -> bool:
    return math.isfinite(weight) and abs(weight) <= WEIGHT_MAX


def _name_of(ranker: Ranker) -> str:
    """Return the name that a learned ranker has by its content."""
    nameless = msgspec.structs.replace(ranker, name="")
    content = msgspec.json.encode(nameless, order="deterministic")
    return f"{LEARNED}{hashlib.sha256(content).hexdigest()[:_HASH_DIGITS]}"
