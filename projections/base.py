"""What a projection is.

A projection folds events into state and does nothing else: no clock, no randomness, no network.
State is kept by partition (a user, or `system`), so that one person's part can be sealed with that
person's key in a snapshot, and dropped when that person is erased.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Protocol

import structlog

from events.envelope import Event

log = structlog.get_logger(__name__)


class Projection(Protocol):
    """A named view. `version` is raised when the same events would give another state."""

    name: str
    version: int
    kinds: frozenset[str]

    def apply(self, event: Event) -> None:
        """Fold one event in; events come in log order, each once. Unknown kinds are ignored."""
        ...

    def snapshot(self) -> Mapping[str, bytes]:
        """Return the whole state as canonical bytes by partition."""
        ...

    def restore(self, parts: Mapping[str, bytes]) -> None:
        """Replace the state by that of a snapshot; partitions left out are as if never seen."""
        ...


def apply_or_skip(projection: Projection, event: Event) -> Exception | None:
    """Fold an event in; return the error when it cannot be folded.

    A poison event fails in the same way for every reader, so leaving it out is as deterministic as
    folding it in. The agent that meets it first parks it with its error.
    """
    try:
        projection.apply(event)
    # Whatever the fold fails with, one event must not take the whole view down.
    except Exception as error:
        log.exception(
            "event_not_applied",
            projection=projection.name,
            event_id=event.id,
            position=event.position,
        )
        return error
    return None


def state_hash(projection: Projection) -> str:
    """Return SHA-256 over the canonical state: equal states, and only they, have equal hashes."""
    return hash_parts(projection.snapshot())


def hash_parts(parts: Mapping[str, bytes]) -> str:
    """Return SHA-256 (hex) over the non-empty partitions in order of their names."""
    digest = hashlib.sha256()
    for name in sorted(parts):
        for piece in (name.encode(), parts[name]):
            digest.update(len(piece).to_bytes(8))
            digest.update(piece)
    return digest.hexdigest()
