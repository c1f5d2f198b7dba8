"""What a fork can be told, and what is told back when it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.deciders.settings import DeciderSettings
from actors.extraction.extractor import NoExtractor, RuleExtractor
from cluster.what_if import decider_settings, extractor_named
from events.errors import CommandRejected

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
