"""What a fork can be told, and what is told back when it is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from actors.deciders.settings import DeciderSettings
from actors.extraction.extractor import NoExtractor, RuleExtractor
from actors.models.settings import EXTRACTIVE, ModelSettings, ProviderSettings
from actors.names import Agent
from actors.past.views import Views
from cluster.fork_models import PastConversations, fork_model
from cluster.what_if import decider_settings, extractor_named
from events.catalogue import MessageReceived
from events.errors import CommandRejected
from projections.base import Projection
from projections.snapshots import NoSnapshots
from tests.unit.builders import NOON
from tests.unit.past_log import ANN, HandMade

OWN = """
class Own:
    name = "own"
    def from_message(self, tier, utterance): return ()
    def from_document(self, tier, title, text, said_at, uri): return ()

class Half:
    name = "half"
    def from_message(self, tier, utterance): return ()

nothing = None
"""


def test_extractors_are_found_by_name() -> None:
    """The rules and no extraction at all are there by themselves."""
    assert isinstance(extractor_named("rules"), RuleExtractor)
    assert isinstance(extractor_named("none"), NoExtractor)


def test_own_code_is_an_extractor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer tries an extractor of their own from the working directory."""
    (tmp_path / "own_extractor_for_test.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["/nowhere"])
    assert extractor_named("own_extractor_for_test:Own").name == "own"
    for wrong in ("Half", "nothing", "Absent"):
        with pytest.raises(CommandRejected, match="extractor"):
            extractor_named(f"own_extractor_for_test:{wrong}")


@pytest.mark.parametrize("text", ["", "rule", ":", "a:", ":b", "no_such_module:X", "model:x"])
def test_what_is_no_extractor_is_told_in_one_line(text: str) -> None:
    """The line names what was asked for."""
    with pytest.raises(CommandRejected) as told:
        extractor_named(text)
    assert "\n" not in told.value.message


def test_settings_are_read_from_pairs() -> None:
    """Later pairs win; what is not said stays as it is."""
    assert decider_settings(["importance_min=0.1", "importance_min=0.6"]) == DeciderSettings(
        importance_min=0.6
    )
    assert decider_settings([]) == DeciderSettings()


@pytest.mark.parametrize(
    "pair", ["importance=0.5", "importance_min", "importance_min=x", "importance_min=7", "=", ""]
)
def test_wrong_settings_are_told_in_one_line(pair: str) -> None:
    """With the nearest name, or what the value must be."""
    with pytest.raises(CommandRejected) as told:
        decider_settings([pair])
    assert "\n" not in told.value.message
    assert "$." not in told.value.message


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("importance_min", "give it a value, e.g. importance_min=0.6"),
        ("importance_min=x", "importance_min=x: expected `float`, got `str`"),
        ("importance_mni=1", "did you mean importance_min?"),
    ],
)
def test_wrong_setting_is_told_with_what_to_do(pair: str, message: str) -> None:
    """A value that is missing is not a name that is wrong."""
    with pytest.raises(CommandRejected, match=re.escape(message)):
        decider_settings([pair])


PROVIDERS = ModelSettings(
    providers=(
        ProviderSettings(name="main", kind="openai_compatible", model="large", base_url="http://h"),
        EXTRACTIVE,
    )
)


@pytest.mark.parametrize(
    ("text", "prefer", "name"),
    [
        ("model", "", "model:main"),
        ("model:main", "main", "model:main"),
        ("model:large", "large", "model:large"),
    ],
)
def test_model_is_found_by_provider_or_by_its_own_name(text: str, prefer: str, name: str) -> None:
    """The extractive one is never asked to extract."""
    found = fork_model(text, PROVIDERS)

    assert found.extractor.name == name
    assert found.prefer == prefer
    assert found.providers is not None
    assert [one.name for one in found.providers.providers] == ["main"]
    assert not found.needs_ray


def test_recorded_words_need_no_provider() -> None:
    """Without any, nobody can be asked, but what was said then can be met again."""
    found = fork_model("model", ModelSettings())

    assert found.live(_no_state) is None


async def _no_state(agent: Agent, user: str, position: int) -> Projection:
    raise AssertionError("nobody is asked, so no conversation is looked up")


@pytest.mark.parametrize(
    ("text", "told"), [("model:mian", "did you mean main?"), ("model:", "there is no model ''")]
)
def test_unknown_model_is_refused_with_those_there_are(text: str, told: str) -> None:
    """One line, with the nearest name."""
    with pytest.raises(CommandRejected, match=re.escape(told)):
        fork_model(text, PROVIDERS)


async def test_conversation_of_the_past_ends_before_the_message() -> None:
    """A model asked about the past sees what had been said by then, and no more."""
    journal = HandMade()
    said = [
        MessageReceived(message_id=f"m{n}", conversation="c", content=f"{n}", said_at=NOON)
        for n in range(4)
    ]
    positions = [await journal.add(f"{n}", one) for n, one in enumerate(said)]
    views = Views(journal.journal, NoSnapshots(), journal.journal.codec.keys)

    window = await PastConversations(views.build).window(ANN, "c", before=positions[3], limit=2)
    await views.close()

    assert [message.content for message in window.messages] == ["1", "2"]
