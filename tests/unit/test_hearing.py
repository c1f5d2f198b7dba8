"""An answer is heard once and in order, whatever is lost, repeated or begun anew."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.hearing import STARTS_OVER, Heard, Place
from actors.progress import AnswerPart
from actors.queries import AnswerSoFar
from projections.conversations import Abandoned, Message

TEXT = "Ann lives in Oslo now."


def content(text: str, offset: int, number: int = 0) -> AnswerPart:
    return AnswerPart(kind="content", text=text, offset=offset, round=number)


def whole(text: str = TEXT) -> AnswerPart:
    return AnswerPart(kind="complete", text=text)


def making(text: str, number: int = 0) -> AnswerSoFar:
    return AnswerSoFar(state="making", text=text, round=number)


def in_log(text: str) -> AnswerSoFar:
    answer = Message(
        id="a",
        conversation="c",
        role="assistant",
        content=text,
        said_at=datetime.now(UTC),
        position=9,
    )
    return AnswerSoFar(state="given", answer=answer)


def shown(parts: tuple[AnswerPart, ...] | None) -> list[tuple[str, str, int, int]]:
    assert parts is not None
    return [(part.kind, part.text, part.round, part.offset) for part in parts]


def test_parts_pass_when_they_follow_on_each_other() -> None:
    """Nothing is asked for when nothing is missing."""
    heard = Heard()
    assert shown(heard.hear(content("Ann ", 0))) == [("content", "Ann ", 0, 0)]
    assert shown(heard.hear(content("lives", 4))) == [("content", "lives", 0, 4)]
    assert shown(heard.hear(whole("Ann lives"))) == [("complete", "Ann lives", 0, 9)]
    assert heard.ended


def test_only_the_rest_is_told_when_parts_overlap() -> None:
    """A part that was told already says nothing, one that was told in part says its rest."""
    heard = Heard()
    heard.hear(content("Ann lives", 0))
    assert shown(heard.hear(content("lives", 4))) == []
    assert shown(heard.hear(content("lives in", 4))) == [("content", " in", 0, 9)]


def test_missing_part_is_asked_for_when_there_is_a_gap() -> None:
    """What lies between is told from what the agent has, then the parts pass again."""
    heard = Heard()
    heard.hear(content("Ann ", 0))
    assert heard.hear(content("in ", 10)) is None
    assert shown(heard.catch_up(making("Ann lives in "))) == [("content", "lives in ", 0, 4)]
    assert shown(heard.hear(content("Oslo", 13))) == [("content", "Oslo", 0, 13)]


def test_listener_hears_of_it_once_when_a_round_begins() -> None:
    """A broken attempt is followed by another, which begins at 0."""
    heard = Heard()
    heard.hear(content("Ann l", 0))
    again = heard.hear(AnswerPart(kind="thinking", text="another try", round=1))
    assert shown(again) == [("thinking", STARTS_OVER, 1, 0)]
    assert shown(heard.hear(content("Bob", 0, 1))) == [("content", "Bob", 1, 0)]
    assert shown(heard.hear(content("Eve", 0, 2))) == [
        ("thinking", STARTS_OVER, 2, 0),
        ("content", "Eve", 2, 0),
    ]


def test_listener_hears_that_it_starts_over_when_the_agent_did() -> None:
    """An agent that was restarted says something else in the same round."""
    heard = Heard()
    heard.hear(content("Ann lives in", 0))
    assert heard.hear(content("Bob", 0)) is None
    assert shown(heard.catch_up(making("Bob "))) == [
        ("thinking", STARTS_OVER, 0, 0),
        ("content", "Bob ", 0, 0),
    ]


@pytest.mark.parametrize(
    ("place", "so_far", "expected"),
    [
        (Place(offset=4), making("Ann lives"), [("content", "lives", 0, 4)]),
        (Place(offset=9), making("Ann lives"), []),
        (Place(), making("Ann", 2), [("content", "Ann", 2, 0)]),
        (
            Place(offset=4),
            making("Ann", 1),
            [("thinking", STARTS_OVER, 1, 0), ("content", "Ann", 1, 0)],
        ),
        (Place(round=1, offset=4), AnswerSoFar(state="unknown"), []),
    ],
)
def test_stream_goes_on_when_its_client_comes_back(
    place: Place, so_far: AnswerSoFar, expected: list[tuple[str, str, int, int]]
) -> None:
    """From the place on, when it is still one; else it starts over."""
    assert shown(Heard(place).catch_up(so_far)) == expected


def test_answer_is_told_whole_when_it_is_in_the_log() -> None:
    """Who was told some of it elsewhere hears that it starts over: rounds are not in the log."""
    fresh, back = Heard(), Heard(Place(round=1, offset=4))
    assert shown(fresh.catch_up(in_log(TEXT))) == [
        ("content", TEXT, 0, 0),
        ("complete", TEXT, 0, len(TEXT)),
    ]
    assert [kind for kind, *_ in shown(back.catch_up(in_log(TEXT)))] == [
        "thinking",
        "content",
        "complete",
    ]


def test_listener_hears_why_when_the_answer_was_given_up() -> None:
    """With the kind of failure, and no more parts."""
    heard = Heard()
    why = Abandoned(
        in_reply_to="m",
        conversation="c",
        assistant="",
        reason="failed",
        kind="timed_out",
        position=3,
    )
    (part,) = heard.catch_up(AnswerSoFar(state="abandoned", abandoned=why))
    assert (part.kind, part.failure) == ("error", "timed_out")
    assert heard.ended


@given(
    pieces=st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=12),
    lost=st.sets(st.integers(0, 11)),
    repeated=st.sets(st.integers(0, 11)),
    start=st.integers(0, 60),
)
@settings(max_examples=300, deadline=None)
def test_text_is_whole_when_anything_is_lost_or_repeated(
    pieces: list[str], lost: set[int], repeated: set[int], start: int
) -> None:
    """What is told from any place on is exactly the rest of the answer."""
    text = "".join(pieces)
    start = min(start, len(text))
    heard = Heard(Place(offset=start))
    told = list(heard.catch_up(making(text[:start])))
    said = ""
    for index, piece in enumerate(pieces):
        part = content(piece, len(said))
        said += piece
        for _ in range(0 if index in lost else 2 if index in repeated else 1):
            news = heard.hear(part)
            told += heard.catch_up(making(said)) if news is None else news
    told += heard.hear(whole(text)) or ()
    assert "".join(part.text for part in told if part.kind == "content") == text[start:]
    assert [part.kind for part in told].count("thinking") == 0
    offsets = [(part.offset, len(part.text)) for part in told if part.kind == "content"]
    assert all(at + size == following for (at, size), (following, _) in pairwise(offsets))
