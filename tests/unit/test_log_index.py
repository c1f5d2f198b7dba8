"""The index of a log: what it finds is what reading every envelope would find."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.envelope import Envelope
from projections.log_index import LogIndex, sees
from tests.unit.builders import NOON, event_of, said

USERS = ("usr_a", "usr_b", "system")
TENANTS = ("default", "org", "")
KINDS = ("MessageReceived", "MemoryRecorded")
PRODUCERS = ("gateway", "chat")

Log = list[Envelope]


def envelope(number: int, **fields: Any) -> Envelope:
    """Return the envelope of an event; what matters is given."""
    plain = event_of(said("x"), position=number).envelope
    return msgspec.structs.replace(plain, **fields)


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Return envelopes of a log whose clock now and then goes back."""
    made: Log = []
    for number in range(1, draw(st.integers(1, 60)) + 1):
        earlier = [one.event_id for one in made]
        made.append(
            envelope(
                number,
                user=draw(st.sampled_from(USERS)),
                tenant=draw(st.sampled_from(TENANTS)),
                type=draw(st.sampled_from(KINDS)),
                producer=draw(st.sampled_from(PRODUCERS)),
                correlation_id=draw(st.sampled_from(("cor_1", "cor_2", ""))),
                causation_id=draw(st.sampled_from(["", *earlier])),
                recorded_at=NOON + timedelta(seconds=draw(st.integers(-20, 20))),
            )
        )
    return made


def index_of(log: Log, chunk: int = 7) -> LogIndex:
    """Return an index that was told of a log in pieces."""
    index = LogIndex()
    located = list(enumerate(log, 1))
    for start in range(0, len(located), chunk):
        index.extend(located[start : start + chunk])
    return index


FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "tenant": st.sampled_from((*TENANTS[:2], "nobody", None)),
        "user": st.sampled_from((*USERS, "usr_none")),
        "kind": st.sampled_from((*KINDS, "CauseHandled")),
        "producer": st.sampled_from((*PRODUCERS, "search")),
        "correlation": st.sampled_from(("cor_1", "cor_2", "cor_3")),
        "cause": st.sampled_from(("evt_1", "evt_2", "evt_999")),
        "since": st.integers(-25, 25).map(lambda s: NOON + timedelta(seconds=s)),
        "until": st.integers(-25, 25).map(lambda s: NOON + timedelta(seconds=s)),
        "after": st.integers(-1, 70),
        "limit": st.integers(1, 70),
        "newest_first": st.booleans(),
    },
)


def filtered(log: Log, asked: dict[str, Any]) -> list[int]:
    """Return what reading every envelope finds."""
    found = [
        at
        for at, one in enumerate(log, 1)
        if sees(asked.get("tenant"), one.tenant)
        and asked.get("user", one.user) == one.user
        and asked.get("kind", one.type) == one.type
        and asked.get("producer", one.producer) == one.producer
        and asked.get("correlation", one.correlation_id) == one.correlation_id
        and asked.get("cause", one.causation_id) == one.causation_id
        and asked.get("since", one.recorded_at) <= one.recorded_at
        and asked.get("until", one.recorded_at) >= one.recorded_at
    ]
    newest = asked.get("newest_first", False)
    if "after" in asked:
        found = [at for at in found if (at < asked["after"] if newest else at > asked["after"])]
    return (found[::-1] if newest else found)[: asked.get("limit")]


@settings(max_examples=200, deadline=None)
@given(logs(), FILTERS)
def test_select_finds_what_reading_everything_finds(log: Log, asked: dict[str, Any]) -> None:
    """Every filter, alone and together, in both directions, from any cursor."""
    assert index_of(log).select(**asked) == filtered(log, asked)


@settings(max_examples=100, deadline=None)
@given(logs(), st.integers(1, 9), st.booleans())
def test_pages_put_together_are_the_whole_list(log: Log, limit: int, newest: bool) -> None:
    """The cursor goes on behind the last position of a page: nothing twice, nothing left out."""
    index, pages, after = index_of(log), list[int](), None
    while page := index.select(after=after, limit=limit, newest_first=newest):
        pages += page
        after = page[-1]
    assert pages == index.select(newest_first=newest)


@settings(max_examples=100, deadline=None)
@given(logs(), st.integers(-25, 25))
def test_moment_is_the_longest_beginning_with_nothing_later(log: Log, seconds: int) -> None:
    """A clock that went back makes no difference: the first later event ends the beginning."""
    moment = NOON + timedelta(seconds=seconds)
    later = (at for at, one in enumerate(log, 1) if one.recorded_at > moment)
    assert index_of(log).position_at(moment) == next(later, len(log) + 1) - 1


@settings(max_examples=50, deadline=None)
@given(logs())
def test_ids_and_causes_are_found_where_they_are(log: Log) -> None:
    """An event's position, and the positions of what it caused."""
    index = index_of(log)
    for at, one in enumerate(log, 1):
        assert index.position_of(one.event_id) == at
        caused = [n for n, other in enumerate(log, 1) if other.causation_id == one.event_id]
        assert index.caused_by(one.event_id) == caused
    assert index.position_of("evt_none") is None


@settings(max_examples=100, deadline=None)
@given(logs(), st.integers(1, 4))
def test_reactions_to_many_causes_are_those_to_each(log: Log, every: int) -> None:
    """One look finds what as many looks would find, of the kind and producer that are asked for."""
    index = index_of(log)
    causes = [one.event_id for one in log][::every]
    for kind, producer in {(one.type, one.producer) for one in log} | {("None", "nobody")}:
        each = [index.select(cause=one, kind=kind, producer=producer) for one in causes]
        assert index.reactions(causes, kind, producer) == sorted(chain.from_iterable(each))


def test_moment_without_a_zone_is_one_of_utc() -> None:
    """So a time may be written as people write it."""
    index = index_of([envelope(1, recorded_at=NOON)])
    bare = datetime(2026, 1, 7, 12, 0)  # without a zone is what is tested
    assert NOON.tzinfo is UTC
    assert index.position_at(bare) == 1
    assert index.position_at(bare - timedelta(microseconds=1)) == 0
    assert index.select(since=bare, until=bare) == [1]


def test_columns_grow_past_their_first_size() -> None:
    """What was there before they grew is there afterwards."""
    log = [envelope(number, user=f"usr_{number % 3}") for number in range(1, 5001)]
    index = index_of(log, chunk=900)
    assert index.end == 5000
    assert index.position_of("evt_5000") == 5000
    assert index.position_of("evt_1") == 1
    assert index.select(user="usr_1", after=4990) == [4993, 4996, 4999]


def test_empty_index_answers_that_there_is_nothing() -> None:
    """Before the first event every question has an answer."""
    index = LogIndex()
    assert index.position_at(NOON) == 0
    assert index.position_of("evt_1") is None
    assert index.caused_by("evt_1") == []
    assert index.select(tenant="org", user="usr_a", newest_first=True) == []


@pytest.mark.parametrize("position", [0, 1, 3])
def test_position_that_does_not_follow_is_refused(position: int) -> None:
    """A gap would put every later event at a wrong place; nothing is noted of such a batch."""
    index = index_of([envelope(1)])
    with pytest.raises(ValueError, match="cannot follow 1"):
        index.add(position, envelope(9))
    assert index.end == 1
    index.add(2, envelope(2))
    assert index.end == 2


def test_bookkeeping_is_seen_by_the_default_tenant_and_the_operator_alone() -> None:
    """What belongs to no tenant is not every tenant's."""
    assert sees(None, "")
    assert sees("default", "")
    assert not sees("org", "")
    assert sees("org", "org")
    assert not sees("default", "org")


def test_index_takes_at_most_64_bytes_an_event() -> None:
    """The bound that makes an index of a long log affordable."""
    index = LogIndex()
    assert sum(column.itemsize for column in index._arrays.values()) <= 64
