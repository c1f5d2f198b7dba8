"""The catalogue: golden bytes for every event, and a page that tells the truth."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from events.catalogue import CATALOGUE, MEMORY_EVENTS
from events.catalogue_page import families, page
from events.codec import decode_payload, encode_payload
from tests.replay.record_golden import Golden, meaning_of, missing, read_book

PAGE = Path(__file__).parents[2] / "docs" / "events.md"
BOOK = read_book()
ENTRIES = [
    (name, int(version), golden)
    for name, versions in BOOK.items()
    for version, goldens in versions.items()
    for golden in goldens
]


def holds(then: object, now: object) -> bool:
    """Return whether `now` says everything that `then` said (it may say more)."""
    if isinstance(then, dict) and isinstance(now, dict):
        return all(key in now and holds(value, now[key]) for key, value in then.items())
    if isinstance(then, list) and isinstance(now, list):
        return len(then) == len(now) and all(map(holds, then, now))
    return then == now


def test_golden_bytes_cover_every_event_version_and_field() -> None:
    """A new event, version or field needs `python -m tests.replay.record_golden`."""
    assert not missing(BOOK), "run: python -m tests.replay.record_golden"


def test_golden_bytes_cover_every_version_when_an_event_has_old_ones() -> None:
    """Bytes of every version since the first stay in the tests."""
    for name, kind in CATALOGUE.items():
        assert set(BOOK[name]) >= {str(version) for version in range(1, kind.version + 1)}


@pytest.mark.parametrize(("name", "version", "golden"), ENTRIES)
def test_golden_bytes_decode_to_what_they_meant(name: str, version: int, golden: Golden) -> None:
    """What was once written is read as it was meant, and written the same way today."""
    kind = CATALOGUE[name]
    payload = decode_payload(name, version, bytes.fromhex(golden.hex))
    assert isinstance(payload, kind)
    if version == kind.version:
        assert encode_payload(payload).hex() == golden.hex, "an encoding changed: raise `version`"
        assert holds(golden.meaning, meaning_of(payload)), "a default changed: raise `version`"


def test_families_hold_every_event_once() -> None:
    """No event is left out of the page."""
    listed = [kind for kinds in families().values() for kind in kinds]
    assert sorted(kind.__name__ for kind in listed) == sorted(CATALOGUE)
    assert "" not in families()


def test_page_is_what_the_catalogue_says() -> None:
    """`docs/events.md` is generated and up to date."""
    assert PAGE.read_text() == page(), "run: python -m events.catalogue_page > docs/events.md"


def test_every_event_is_a_frozen_struct_with_a_docstring() -> None:
    """Events are facts: immutable, and explained."""
    for kind in CATALOGUE.values():
        assert issubclass(kind, msgspec.Struct)
        assert kind.__struct_config__.frozen
        assert kind.__doc__
        assert kind.__doc__.strip()


def test_memory_events_are_in_the_catalogue() -> None:
    """The tiers fold events that the log can hold."""
    assert all(CATALOGUE[kind.__name__] is kind for kind in MEMORY_EVENTS)
