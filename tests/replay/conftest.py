"""What the tests of the past share: a log, written once."""

from __future__ import annotations

import asyncio

import pytest

from tests.replay.recording import Recorded, record


@pytest.fixture(scope="session")
def recorded() -> Recorded:
    """Have nine agents write a log, once for all tests of the past."""
    return asyncio.run(record())
