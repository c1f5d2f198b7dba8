"""Snapshots on disk: whole or not there, sealed, and never trusted blindly."""

from __future__ import annotations

from pathlib import Path

import pytest

from events.memory import SemanticContent
from events.memory_keystore import MemoryKeyStore
from events.sealing import KeyRing
from projections.base import state_hash
from projections.snapshots import SnapshotDirectory
from projections.tiers import TierProjection
from tests.unit.builders import event_of, recorded

WORDS = "keeps bees on the roof"


def tier_with(*texts: str, user: str = "usr_ann") -> TierProjection:
    tier = TierProjection("semantic")
    for number, text in enumerate(texts, start=1):
        memory = recorded(SemanticContent(name="Bo", summary=text), id=f"m{number}")
        tier.apply(event_of(memory, position=number, user=user))
    return tier


@pytest.fixture
def keystore() -> MemoryKeyStore:
    return MemoryKeyStore()


@pytest.fixture
def store(tmp_path: Path, keystore: MemoryKeyStore) -> SnapshotDirectory:
    return SnapshotDirectory(tmp_path, KeyRing(keystore))


def test_loading_gives_the_newest_state_when_several_were_kept(store: SnapshotDirectory) -> None:
    """The newest snapshot is restored, with its position."""
    store.save(tier_with("a"), 1)
    store.save(tier_with("a", "b"), 2)
    restored = TierProjection("semantic")
    assert store.load(restored) == 2
    assert state_hash(restored) == state_hash(tier_with("a", "b"))


def test_loading_takes_the_one_before_when_the_newest_is_damaged(
    store: SnapshotDirectory, tmp_path: Path
) -> None:
    """A flipped byte sets a snapshot aside; the one before it is used."""
    store.save(tier_with("a"), 1)
    store.save(tier_with("a", "b"), 2)
    newest = max(tmp_path.glob("*.snapshot"))
    data = bytearray(newest.read_bytes())
    data[-3] ^= 1
    newest.write_bytes(data)
    assert store.load(TierProjection("semantic")) == 1
    assert newest.with_suffix(".damaged").exists()


def test_an_unfinished_file_is_not_a_snapshot(store: SnapshotDirectory, tmp_path: Path) -> None:
    """What a crash left half-written is never read."""
    store.save(tier_with("a"), 1)
    whole = next(tmp_path.glob("*.snapshot"))
    unfinished = tmp_path / ".semantic-v1-00000000000000000009.snapshot.ab12.draft"
    unfinished.write_bytes(whole.read_bytes()[:20])
    assert store.load(TierProjection("semantic")) == 1


def test_two_files_are_kept_when_many_were_saved(store: SnapshotDirectory, tmp_path: Path) -> None:
    """Old snapshots do not pile up."""
    for position in range(1, 6):
        store.save(tier_with("a"), position)
    assert len(list(tmp_path.glob("*.snapshot"))) == 2


def test_what_a_person_said_is_not_readable_in_the_file(
    store: SnapshotDirectory, tmp_path: Path
) -> None:
    """Parts are sealed with the person's key."""
    store.save(tier_with(WORDS), 1)
    assert WORDS.encode() not in next(tmp_path.glob("*.snapshot")).read_bytes()


def test_an_erased_person_is_missing_when_a_snapshot_is_restored(
    tmp_path: Path, keystore: MemoryKeyStore
) -> None:
    """Destroying a key takes that person out of every snapshot, and only that person."""
    tier = tier_with(WORDS)
    other = recorded(SemanticContent(name="Cy", summary="sings"), id="m9")
    tier.apply(event_of(other, position=9, user="usr_cy"))
    SnapshotDirectory(tmp_path, KeyRing(keystore)).save(tier, 9)
    keystore.destroy("usr_ann")
    restored = TierProjection("semantic")
    assert SnapshotDirectory(tmp_path, KeyRing(keystore)).load(restored) == 9
    assert set(restored.shelves) == {"usr_cy"}


def test_a_snapshot_taken_after_an_erasure_is_usable(
    tmp_path: Path, keystore: MemoryKeyStore
) -> None:
    """What is hashed is what is stored: the erased person's part is in neither."""
    tier = tier_with(WORDS)
    other = recorded(SemanticContent(name="Cy", summary="sings"), id="m9")
    tier.apply(event_of(other, position=9, user="usr_cy"))
    keystore.obtain("usr_ann")
    keystore.destroy("usr_ann")
    SnapshotDirectory(tmp_path, KeyRing(keystore)).save(tier, 9)
    restored = TierProjection("semantic")
    assert SnapshotDirectory(tmp_path, KeyRing(keystore)).load(restored) == 9
    assert set(restored.shelves) == {"usr_cy"}
