"""What a search may find at all: filters hold before anything is ranked, at any size."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from events.catalogue import MessageReceived
from events.memory import EpisodicContent
from projections import faiss_index
from projections.retrieval import search as search_module
from projections.retrieval.codes import Codes, TagCodes
from projections.retrieval.index import RetrievalIndex
from tests.unit.test_retrieval_projection import MONDAY, find, fold, recorded
from tests.unit.test_retrieval_support import START, filled, ids, memory, message, search

METHODS = ("hybrid", "bm25", "embedding", "string_match")


def _told(number: int) -> dict[str, Any]:
    """Return what message `number` has: tags by threes, a profile by fives, a day by its number."""
    tags = ("walk", "rain") if number % 3 == 0 else ("walk",)
    return {
        "tags": tags,
        "assistant": "ast_dog" if number % 5 == 0 else "ast_cat",
        "occurred_at": (date(2025, 1, 1) + timedelta(days=number)).isoformat(),
    }


@pytest.fixture(params=["small", "large"])
def walks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> RetrievalIndex:
    """Return sixty messages on one matter, on a shelf that counts as small or as large."""
    if request.param == "large":
        for where, name, number in (
            (search_module, "_ALL", 10),
            (search_module, "_CANDIDATES", 60),
            (search_module, "_FEW", 8),
            (faiss_index, "EXACT_MAX", 10),
            (faiss_index, "_SHORT_MIN", 10),
        ):
            monkeypatch.setattr(where, name, number)
    return filled(
        *(message(n, f"The dog walked {n} miles.", **_told(n)) for n in range(60)),
        message(70, "The dog walked home.", user="bob"),
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"tags": ("rain",)}, set(range(0, 60, 3))),
        ({"tags": ("rain", "walk")}, set(range(0, 60, 3))),
        ({"tags": ("rain", "snow")}, set()),
        ({"assistant": "ast_dog"}, set(range(0, 60, 5))),
        ({"assistant": "ast_fox"}, set()),
        ({"occurred_since": date(2025, 1, 11)}, set(range(10, 60))),
        ({"occurred_until": date(2025, 1, 11)}, set(range(11))),
        ({"since": START + timedelta(minutes=50)}, set(range(50, 60))),
        ({"tags": ("rain",), "assistant": "ast_dog", "occurred_until": date(2025, 1, 20)}, {0, 15}),
    ],
)
def test_filtered_search_finds_all_that_pass_and_nothing_else(
    walks: RetrievalIndex, fields: dict[str, Any], wanted: set[int], method: str
) -> None:
    """By every method; on a large shelf with few that pass and with many."""
    found = search(walks, "The dog walked", method=method, limit=60, **fields)
    assert {int(id.removeprefix("m")) for id in ids(found)} == wanted


def test_day_that_a_passage_speaks_of_is_the_day_it_was_said_where_it_names_none() -> None:
    """A message without a date of its own lies on its own day."""
    index = filled(message(1, "The dog walked."))
    day = START.date()
    assert ids(search(index, "dog", occurred_since=day, occurred_until=day)) == ["m1"]
    assert search(index, "dog", occurred_since=day + timedelta(days=1)) == []


def test_memory_is_found_under_the_profile_that_its_message_was_said_to() -> None:
    """A memory has no profile of its own."""
    said = MessageReceived(
        message_id="m1", conversation="c1", assistant="ast_1", content="We sailed.", said_at=MONDAY
    )
    content = EpisodicContent(event_type="trip", summary="Sailed to Skye")
    view = fold(said, recorded("mem1", content, "m1"), recorded("mem2", content, "m2"))
    found = find(view, "sailed", assistant="ast_1", limit=10)
    assert {hit.id for hit in found} == {"m1", "mem1"}


def test_person_with_little_finds_it_all_beside_one_with_much() -> None:
    """Ten memories among a thousand of somebody else's are ten hits."""
    index = filled(
        *(message(n, f"Sourdough bread number {n}.", user="bob") for n in range(1000)),
        *(message(2000 + n, f"Sourdough bread, the {n}th loaf.") for n in range(10)),
    )
    for method in METHODS:
        found = search(index, "sourdough bread", method=method, limit=100)
        assert len(found) == 10, method
        assert all(hit.id.startswith("m20") for hit in found), method


def test_amended_tags_are_found_by_what_they_are_now() -> None:
    """What a passage was filed under before does not find it."""
    index = filled(memory(9, "Bread is on the shelf.", source=1, tags=("food",)))
    index.amend(memory(9, "Bread is on the shelf.", source=1, tags=("kitchen",)))
    assert search(index, "bread", tags=("food",)) == []
    assert ids(search(index, "bread", tags=("kitchen",))) == ["mem9"]


def test_codes_know_only_what_rows_have() -> None:
    """A name without a row is forgotten; its code never comes to mean another."""
    codes: Codes[str] = Codes()
    first, again, other = codes.hold("ann"), codes.hold("ann"), codes.hold("bo")
    assert first == again != other
    codes.release("ann")
    assert set(codes) == {"ann", "bo"}
    codes.release("ann")
    assert set(codes) == {"bo"}
    assert codes.hold("cyrus") not in (first, other)


def test_tags_are_found_by_any_of_them_together() -> None:
    """A set of tags holds its subsets, until its last row is gone."""
    tags = TagCodes()
    both, one = tags.hold(("a", "b")), tags.hold(("a",))
    assert tags.holding(("a",)) == {both, one}
    assert tags.holding(("b", "a")) == {both}
    tags.release(("b", "a"))
    assert tags.holding(("b",)) == set()
    assert tags.holding(("a",)) == {one}
