"""What the tests of the running system share: one system, started once through the command line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system import System, running_system


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Start a whole system (log, Ray, nine agents, gateway); stop it after the last test."""
    with running_system(tmp_path_factory.mktemp("system") / "data") as started:
        yield started
