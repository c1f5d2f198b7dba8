"""Snapshots on disk: whole or not there, sealed, and never trusted blindly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from events.errors import NotFound
from events.memory import SemanticContent
from events.memory_keystore import MemoryKeyStore
from events.sealing import KeyRing
from projections.base import state_hash
from projections.snapshots import NoSnapshots, SnapshotDirectory
from projections.tiers import TierProjection
from tests.unit.builders import event_of, recorded

WORDS = "keeps bees on the roof"


def tier_with(*texts: str, user: str = "usr_ann") -> TierProjection:
    tier = TierProjection("semantic")
    for number, text in enumerate(texts, start=1):
        memory = recorded(SemanticContent(name="Bo", summary=text), id=f"m{number}")
        tier.apply(event_of(memory, position=number, user=user))
    return tier


def two_people() -> TierProjection:
    tier = tier_with(WORDS)
    other = recorded(SemanticContent(name="Cy", summary="sings"), id="m9")
    tier.apply(event_of(other, position=9, user="usr_cy"))
    return tier


def positions_in(directory: Path) -> list[int]:
    return sorted(int(path.name.split("-")[2][:20]) for path in directory.glob("*.snapshot"))


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


def test_snapshots_do_not_pile_up(tmp_path: Path, keystore: MemoryKeyStore) -> None:
    """As many as allowed are kept, spread over the log, the newest two among them."""
    store = SnapshotDirectory(tmp_path, KeyRing(keystore), kept_max=4)
    for position in range(1, 11):
        store.save(tier_with("a"), position)
    assert positions_in(tmp_path) == [4, 7, 9, 10]


def test_states_of_the_version_before_stay_and_older_ones_go(
    store: SnapshotDirectory, tmp_path: Path
) -> None:
    """A new version of a projection restores none of the old, and keeps two for a way back."""
    for version in (1, 2, 3):
        tier = tier_with("a")
        tier.version = version  # type: ignore[misc]  # a class variable, of this one alone
        for position in (1, 2, 3):
            store.save(tier, 10 * version + position)
    assert positions_in(tmp_path) == [22, 23, 31, 32, 33]
    assert store.load(TierProjection("semantic")) == 0


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
    SnapshotDirectory(tmp_path, KeyRing(keystore)).save(two_people(), 9)
    keystore.destroy("usr_ann")
    restored = TierProjection("semantic")
    assert SnapshotDirectory(tmp_path, KeyRing(keystore)).load(restored) == 9
    assert set(restored.shelves) == {"usr_cy"}


def test_a_snapshot_taken_after_an_erasure_is_usable(
    tmp_path: Path, keystore: MemoryKeyStore
) -> None:
    """What is hashed is what is stored: the erased person's part is in neither."""
    tier = two_people()
    keystore.obtain("usr_ann")
    keystore.destroy("usr_ann")
    SnapshotDirectory(tmp_path, KeyRing(keystore)).save(tier, 9)
    restored = TierProjection("semantic")
    assert SnapshotDirectory(tmp_path, KeyRing(keystore)).load(restored) == 9
    assert set(restored.shelves) == {"usr_cy"}


def test_state_at_a_position_is_the_newest_not_after_it(store: SnapshotDirectory) -> None:
    """Of several states the nearest earlier one is restored; before the first there is none."""
    for position, texts in ((3, "a"), (5, "ab"), (9, "abc")):
        store.save(tier_with(*texts), position)
    for until, found, texts in ((9, 9, "abc"), (8, 5, "ab"), (5, 5, "ab"), (4, 3, "a"), (2, 0, "")):
        restored = TierProjection("semantic")
        assert store.load_at(restored, until) == found
        assert state_hash(restored) == state_hash(tier_with(*texts))


def test_one_persons_part_is_restored_alone(store: SnapshotDirectory) -> None:
    """Nobody else's memories come with it; somebody unknown has none, at the same position."""
    store.save(two_people(), 9)
    restored = TierProjection("semantic")
    assert store.load_part(restored, "usr_cy", 12) == 9
    assert restored.snapshot() == {"usr_cy": two_people().snapshot()["usr_cy"]}
    assert store.load_part(restored, "usr_nobody", 12) == 9
    assert restored.shelves == {}
    assert store.load_part(restored, "usr_cy", 8) == 0


def test_one_persons_part_is_read_without_the_others(
    store: SnapshotDirectory, tmp_path: Path
) -> None:
    """Damage to another's part is not met; to the own it is, and the state before is used."""
    store.save(two_people(), 4)
    store.save(two_people(), 9)
    newest = max(tmp_path.glob("*.snapshot"))
    data = bytearray(newest.read_bytes())
    data[-3] ^= 1  # in the part of the one who came last
    newest.write_bytes(data)
    assert store.load_part(TierProjection("semantic"), "usr_ann", 9) == 9
    assert store.load_part(TierProjection("semantic"), "usr_cy", 9) == 4


def test_erased_persons_part_stays_unreadable(tmp_path: Path, keystore: MemoryKeyStore) -> None:
    """A look at the past does not bring back who was erased since."""
    SnapshotDirectory(tmp_path, KeyRing(keystore)).save(two_people(), 9)
    keystore.destroy("usr_ann")
    restored = TierProjection("semantic")
    store = SnapshotDirectory(tmp_path, KeyRing(keystore))
    assert store.load_part(restored, "usr_ann", 9) == 9
    assert restored.shelves == {}


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data + b"x",
        lambda data: data[:20],
        lambda data: b"",
        lambda data: data[:32] + b"\xff\xff\xff\xff" + data[36:],
        *(lambda data, at=at: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] for at in (3, 60)),
    ],
)
def test_whatever_is_damaged_is_found_when_one_part_is_read(
    store: SnapshotDirectory, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    """Cut off, too long, another length, a flipped bit in digest or header."""
    store.save(tier_with("a"), 1)
    store.save(tier_with("a", "b"), 2)
    newest = max(tmp_path.glob("*.snapshot"))
    newest.write_bytes(damage(newest.read_bytes()))
    assert store.load_part(TierProjection("semantic"), "usr_ann", 2) == 1


def test_a_file_under_another_position_is_not_believed(
    store: SnapshotDirectory, tmp_path: Path
) -> None:
    """What a file is of stands in it; a renamed one is set aside."""
    store.save(tier_with("a"), 1)
    path = next(tmp_path.glob("*.snapshot"))
    path.rename(path.with_name(path.name.replace("0001.", "0007.")))
    assert store.load(TierProjection("semantic")) == 0
    assert not list(tmp_path.glob("*.snapshot"))


def test_files_of_the_old_format_are_left_alone_until_the_next_save(
    store: SnapshotDirectory, tmp_path: Path
) -> None:
    """They are neither read nor called damaged; the first new snapshot takes their place."""
    old = tmp_path / "semantic-v1-00000000000000000009.snapshot"
    others = tmp_path / "core-v1-00000000000000000009.snapshot"
    old.write_bytes(b"old")
    others.write_bytes(b"old")
    assert store.load(TierProjection("semantic")) == 0
    assert old.exists()
    store.save(tier_with("a"), 12)
    assert not old.exists()
    assert others.exists()


def test_rebuilt_state_is_adopted_from_its_own_place(store: SnapshotDirectory) -> None:
    """It is found by its position, is no snapshot, and is gone when discarded."""
    store.save(tier_with("a"), 3)
    store.save_rebuilt(tier_with("a", "b"), 7)
    restored = TierProjection("semantic")
    assert store.load(restored) == 3
    store.load_rebuilt(restored, 7)
    assert state_hash(restored) == state_hash(tier_with("a", "b"))
    with pytest.raises(NotFound, match="at 6"):
        store.load_rebuilt(restored, 6)
    store.discard_rebuilt(restored)
    with pytest.raises(NotFound, match="at 7"):
        store.load_rebuilt(restored, 7)
    assert store.load(restored) == 3


def test_rebuilt_state_of_an_empty_log_is_adopted(store: SnapshotDirectory) -> None:
    """Position 0 is a position like others."""
    restored = tier_with("a")
    store.save_rebuilt(TierProjection("semantic"), 0)
    store.load_rebuilt(restored, 0)
    assert restored.shelves == {}


def test_damaged_rebuilt_state_is_not_adopted(store: SnapshotDirectory, tmp_path: Path) -> None:
    """Whoever asks for it is told to rebuild again."""
    store.save_rebuilt(tier_with("a"), 7)
    path = next(tmp_path.glob("*.rebuilt"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(NotFound, match="rebuild it again"):
        store.load_rebuilt(TierProjection("semantic"), 7)


def test_one_previous_state_is_kept_for_a_roll_back(
    store: SnapshotDirectory, tmp_path: Path
) -> None:
    """The last one replaces the one before it; snapshots are untouched."""
    restored = TierProjection("semantic")
    assert store.load_previous(restored) == 0
    store.keep_previous(tier_with("a"), 9)
    store.keep_previous(tier_with("a", "b"), 4)
    assert store.load_previous(restored) == 4
    assert state_hash(restored) == state_hash(tier_with("a", "b"))
    assert len(list(tmp_path.glob("*.previous"))) == 1
    assert store.load(restored) == 0


def test_nothing_is_made_where_nothing_is_saved(tmp_path: Path, keystore: MemoryKeyStore) -> None:
    """Reading a past that has no snapshots leaves no directory behind."""
    store = SnapshotDirectory(tmp_path / "none", KeyRing(keystore))
    assert store.load_at(TierProjection("semantic"), 5) == 0
    assert not (tmp_path / "none").exists()


def test_the_twin_keeps_nothing() -> None:
    """Whoever reads the log from the start each time finds no snapshot of any kind."""
    store, tier = NoSnapshots(), tier_with("a")
    store.save(tier, 1)
    store.save_rebuilt(tier, 1)
    store.keep_previous(tier, 1)
    assert store.load(tier) == store.load_at(tier, 1) == store.load_previous(tier) == 0
    assert store.load_part(tier, "usr_ann", 1) == 0
    store.discard_rebuilt(tier)
    with pytest.raises(NotFound):
        store.load_rebuilt(tier, 1)


def test_state_that_is_gone_already_is_set_aside_without_a_word(store: SnapshotDirectory) -> None:
    """Its agent thins its snapshots out while others look at them."""
    store.save(tier_with("a"), 1)
    (file,) = store.files(TierProjection("semantic"))
    file.path.unlink()
    store.set_aside(file)
    assert store.files(TierProjection("semantic")) == []
