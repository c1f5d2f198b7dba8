"""The determinism gate: recorded logs give the state hashes that they gave, or a version is new."""

from __future__ import annotations

from pathlib import Path

import pytest

from events.catalogue import CATALOGUE
from projections.base import state_hash
from tests.replay.record_log import hashes_file, read_hashes, recorded, replayed, versions

HELP = "record it: python -m tests.replay.record_log"


def test_there_are_recorded_logs_and_each_has_its_hashes() -> None:
    """Without logs nothing would be checked."""
    logs = recorded()
    assert logs
    assert all(hashes_file(log).exists() for log in logs)


async def test_every_version_of_every_event_is_in_a_recorded_log() -> None:
    """A new event, or a new version of one, comes with a log that holds it."""
    missing = {(name, kind.version) for name, kind in CATALOGUE.items()} - await versions()
    assert not missing, f"{HELP} NAME"


@pytest.mark.parametrize("log", recorded(), ids=lambda log: log.stem)
async def test_recorded_logs_give_the_same_states(log: Path) -> None:
    """A fold that gives another state for the same events has another version."""
    known = read_hashes(log)
    for projection in await replayed(log):
        expected = known.get(projection.name, {}).get(str(projection.version))
        assert expected is not None, f"{projection.name} v{projection.version}: {HELP}"
        assert state_hash(projection) == expected, (
            f"{projection.name} v{projection.version} folds {log.name} to another state than it did"
            " when it was recorded: raise its version, or mend the fold"
        )


@pytest.mark.parametrize("log", recorded(), ids=lambda log: log.stem)
async def test_recorded_logs_fill_every_projection(log: Path) -> None:
    """An empty state would be equal whatever the fold does."""
    for projection in await replayed(log):
        assert projection.snapshot(), projection.name
