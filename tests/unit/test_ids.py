"""Ids: opaque, stable where they are derived, usable in a subject."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from events.ids import derived_id, keyed_id, random_id, shard_of
from events.subjects import token


@given(parts=st.lists(st.text(), min_size=1))
def test_derived_id_depends_on_its_parts_alone(parts: list[str]) -> None:
    """The same conclusion has the same id, in every process."""
    assert derived_id("evt", *parts) == derived_id("evt", *parts)
    assert derived_id("evt", *parts) != derived_id("evt", *parts, "more")


def test_derived_id_stays_what_it_was() -> None:
    """Ids in logs that exist must be derived the same way for ever."""
    assert derived_id("evt", "chat", 41, 0) == "evt_m2xwj4bhnrpnjbzyapqtwuouyy"


@given(text=st.text())
def test_every_id_can_stand_in_a_subject(text: str) -> None:
    """Whatever an id is made from, it is a token of a subject."""
    for made in (random_id("msg"), derived_id("evt", text), keyed_id("usr", b"key", text)):
        assert token(made) == made


def test_random_ids_differ() -> None:
    """128 random bits do not meet again."""
    assert len({random_id("msg") for _ in range(1000)}) == 1000


def test_keyed_id_depends_on_the_key() -> None:
    """Without the key nobody links an id to a name."""
    assert keyed_id("usr", b"1", "ada") != keyed_id("usr", b"2", "ada")


@given(user=st.text(), shards=st.integers(1, 64))
def test_shard_of_is_a_stable_choice(user: str, shards: int) -> None:
    """A user lives in one shard, within the number of shards."""
    assert 0 <= shard_of(user, shards) < shards
    assert shard_of(user, shards) == shard_of(user, shards)
