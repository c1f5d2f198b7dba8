"""Records in files: what is read is what was written, or it is said where it is not."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import segments
from events.errors import CorruptLog
from events.log import Record
from events.segments import (
    MAGIC,
    Segment,
    SegmentWriter,
    chain_of,
    check_chain,
    read_segment,
    write_segments,
)

Written = list[tuple[Segment, bytes]]

_bodies = st.lists(st.binary(max_size=300), max_size=60)


def records_of(bodies: Sequence[bytes], first: int = 1) -> list[Record]:
    return [
        Record(position=position, kind="Said", user=f"usr_{position % 3}", body=body)
        for position, body in enumerate(bodies, first)
    ]


def write(records: Sequence[Record], after: int = 0, previous: str = "") -> Written:
    async def each() -> AsyncIterator[Record]:
        for record in records:
            yield record

    async def collect() -> Written:
        written = write_segments(each(), 2, after=after, previous=previous)
        return [one async for one in written]

    return asyncio.run(collect())


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 500)


@given(bodies=_bodies, segment_bytes=st.integers(min_value=1, max_value=2000))
@settings(deadline=None)
def test_records_come_back_when_they_were_written(bodies: list[bytes], segment_bytes: int) -> None:
    """Whatever the bodies and however many segments: the same records in the same order."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "SEGMENT_BYTES", segment_bytes)
        written = write(records_of(bodies))
    found = [record for segment, content in written for record in read_segment(content, segment)]
    assert found == records_of(bodies)
    chain = [segment for segment, _ in written]
    check_chain(2, chain)
    assert sum(segment.count for segment in chain) == len(bodies)
    assert chain_of(2, [(one.name, one.bytes) for one in chain], None) == chain


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_flipped_bit_is_found_before_anything_is_decoded(data: st.DataObject) -> None:
    """Whichever bit it is."""
    ((segment, content),) = write(records_of([b"one", b"two" * 50]))
    at = data.draw(st.integers(0, len(content) * 8 - 1))
    altered = bytearray(content)
    altered[at // 8] ^= 1 << at % 8
    with pytest.raises(CorruptLog, match=r"log/2/0+1-0+2-.*SHA-256"):
        next(read_segment(bytes(altered), segment))


@pytest.mark.parametrize("kept", [0, 5, 8, 40, -1])
def test_file_that_is_cut_off_is_named(kept: int) -> None:
    """Also when somebody wrote the hash of what is left into the manifest."""
    ((segment, content),) = write(records_of([bytes([i]) * 90 for i in range(40)]))
    cut = content[:kept]
    with pytest.raises(CorruptLog, match="SHA-256"):
        list(read_segment(cut, segment))
    with pytest.raises(CorruptLog, match=f"{segment.first:020d}.*cannot be read"):
        list(read_segment(cut, _vouched_for(segment, cut)))


@pytest.mark.parametrize("tail", [b"more", b"\0" * 4, zlib.compress(b"x")])
def test_something_behind_the_end_is_found(tail: bytes) -> None:
    """A segment ends where it says so."""
    ((segment, content),) = write(records_of([b"a", b"b"]))
    longer = content + tail
    with pytest.raises(CorruptLog, match=r"something follows its end.*after position 2"):
        list(read_segment(longer, _vouched_for(segment, longer)))


def test_segment_of_another_place_is_refused() -> None:
    """The header says which shard, which positions and which chain a segment belongs to."""
    ((segment, content),) = write(records_of([b"a"]))
    for wrong in ({"shard": 3}, {"first": 5, "last": 5}, {"previous": "0" * 64}):
        with pytest.raises(CorruptLog, match="as another segment would"):
            list(read_segment(content, msgspec.structs.replace(segment, **wrong)))
    with pytest.raises(CorruptLog, match="it ends with"):
        list(read_segment(content, msgspec.structs.replace(segment, last=2)))


def test_record_larger_than_any_is_not_read() -> None:
    """A length that cannot be ends the reading: it is not waited for."""
    content = MAGIC + zlib.compress((2**31).to_bytes(4) + b"x")
    segment = Segment(shard=2, first=1, last=1, bytes=0, sha256="", previous="")
    with pytest.raises(CorruptLog, match="larger than any can be"):
        list(read_segment(content, _vouched_for(segment, content)))


def test_gap_is_refused_when_records_are_written() -> None:
    """A backup is no place where a loss gets hidden."""
    writer = SegmentWriter(2, 1, "")
    writer.add(records_of([b"a"])[0])
    with pytest.raises(CorruptLog, match="from position 1 to 3"):
        writer.add(records_of([b"c"], first=3)[0])


@pytest.mark.usefixtures("small_segments")
def test_chain_is_refused_when_a_segment_is_missing_or_exchanged() -> None:
    """The first segment that does not follow is named."""
    chain = [segment for segment, _ in write(records_of([b"x" * 100] * 20))]
    assert len(chain) > 3
    with pytest.raises(CorruptLog, match=f"{chain[2].first:020d}.*does not follow position"):
        check_chain(2, [*chain[:1], *chain[2:]])
    other = msgspec.structs.replace(chain[1], previous="f" * 64)
    with pytest.raises(CorruptLog, match="not chained"):
        check_chain(2, [chain[0], other, *chain[2:]])
    with pytest.raises(CorruptLog, match="of shard 1"):
        check_chain(1, chain)


@pytest.mark.usefixtures("small_segments")
def test_names_tell_the_chain_when_foreign_files_lie_beside() -> None:
    """What is no segment's name is passed over, and what does not carry on is left out."""
    first = [segment for segment, _ in write(records_of([b"x" * 100] * 20))]
    rest = write(records_of([b"y" * 100] * 9, first=21), after=20, previous=first[-1].sha256)
    names = [(one.name, one.bytes) for one in (*first, *(segment for segment, _ in rest))]
    foreign = [("log/2/readme.txt", 3), ("log/x/1-2-ab.seg", 3), ("log/2/1-2-ab.seg", 3)]
    after = chain_of(2, [*foreign, *names], first[-1])
    assert after == [segment for segment, _ in rest]
    assert chain_of(2, names[1:], None) == []


def _vouched_for(segment: Segment, content: bytes) -> Segment:
    """Return the segment as somebody would describe it who did not look inside."""
    sha256 = segments.hashlib.sha256(content).hexdigest()
    return msgspec.structs.replace(segment, bytes=len(content), sha256=sha256)
