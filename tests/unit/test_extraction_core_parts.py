"""A sentence on several matters of the speaker gives one core memory a matter."""

from __future__ import annotations

import pytest

from actors.extraction import extract
from actors.extraction.finding import Utterance
from events.memory import (
    Content,
    CoreContent,
    EpisodicContent,
    ResourceContent,
    SemanticContent,
    readable_text,
)
from tests.unit.builders import NOON


def told(text: str, speaker: str = "user") -> dict[str, str]:
    found = extract(Utterance(text=text, said_at=NOON, speaker=speaker))
    return {f.key: f.content.text for f in found if isinstance(f.content, CoreContent)}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "I live in Molde and work as a welder.",
            {"home": "I live in Molde", "job": "I work as a welder."},
        ),
        (
            "I live in Molde, work at a bakery and I'm allergic to mustard.",
            {
                "home": "I live in Molde",
                "job": "I work at a bakery",
                "allergy:allergic_mustard": "I'm allergic to mustard.",
            },
        ),
        (
            "My wife and I live in Molde and work as welders.",
            {"home": "My wife and I live in Molde", "job": "I work as welders."},
        ),
        ("我住在厦门，是老师。", {"home": "我住在厦门", "job": "我是老师。"}),
        (
            "我叫小林，住在厦门，在医院当护士。",
            {"name": "我叫小林", "home": "我住在厦门", "job": "我在医院当护士。"},
        ),
    ],
)
def test_each_matter_is_kept_apart_when_a_sentence_tells_several(
    text: str, wanted: dict[str, str]
) -> None:
    """Each part has its own key, and gets back the subject that it lost."""
    assert told(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "I live with my brother, a teacher.",
        "I'm vegan and I hate mushrooms.",
        "我家养了一只乌龟，名字叫慢慢。",
        "我住在厦门，我老公是医生。",
    ],
)
def test_a_sentence_stays_whole_when_only_one_matter_is_the_speakers(text: str) -> None:
    """What goes on about somebody else, or about a taste, is not made a matter of the speaker."""
    assert list(told(text).values()) == [text]


def test_each_part_names_the_speaker_when_there_is_a_name() -> None:
    """Parts read as other lines of a core block do."""
    assert told("I live in Molde and work as a welder.", "Liv") == {
        "Liv: home": "Liv: I live in Molde",
        "Liv: job": "Liv: I work as a welder.",
    }


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (
            EpisodicContent(
                event_type="visit",
                summary="Vet at nine.",
                details="Morning! Vet at nine.",
            ),
            "Morning! Vet at nine.",
        ),
        (
            SemanticContent(name="a red sail", summary="A red sail means no swimming."),
            "A red sail means no swimming.",
        ),
        (SemanticContent(name="Runa", summary="Repairs violins."), "Runa\nRepairs violins."),
        (
            ResourceContent(title="Red sail", summary="A red sail is up.", resource_type="note"),
            "Red sail\nA red sail is up.",
        ),
    ],
)
def test_readable_text_says_nothing_twice_when_a_part_holds_another(
    content: Content, text: str
) -> None:
    """What another part holds is left out; the title of a document stays."""
    assert readable_text(content) == text
