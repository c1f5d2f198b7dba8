"""`mirix reembed`: which model and whom it takes, and what it tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from actors.embedding import HashEmbedder
from actors.embedding_queue import EmbeddingQueue
from actors.onnx_graph import model_id
from actors.settings import ActorSettings
from cluster import cli_reembed
from cluster.cli import main
from cluster.cli_output import WrongUse
from cluster.cli_reembed import opened, refuse_unknown
from cluster.reembedding import Moved, Person
from events.connection import LogSettings

ANN = Moved(person="ann", shard=0, before="hash-64", model="hash-16", passages=9, lacking=9)
BEN = Moved(person="ben", shard=1, before="hash-16", model="hash-16", passages=4, lacking=0)


@pytest.fixture
def settings(tmp_path: Path) -> ActorSettings:
    """Settings of agents whose models are kept in a directory of the test."""
    return ActorSettings(
        log=LogSettings(url="nats://127.0.0.1:1", monitor_url=""),
        keys_file=tmp_path / "keys",
        master_key_file=tmp_path / "master",
        snapshots_dir=tmp_path / "snapshots",
        models_dir=tmp_path / "models",
    )


async def test_packaged_model_is_named_by_its_precision_or_in_full(
    settings: ActorSettings,
) -> None:
    """It runs in the command's own process; nothing is asked of the system for it."""
    served = EmbeddingQueue(HashEmbedder())
    for name in ("int8", model_id("int8")):
        target, model = opened(name, settings, "hash-64", served)
        assert target == model_id("int8")
        assert (await model.embed(["tap"])).model == target


def test_served_model_is_named_as_it_was_started_with(settings: ActorSettings) -> None:
    """A directory or its name; another one than the system's is not reached from here."""
    served = EmbeddingQueue(HashEmbedder())
    assert opened("/models/hash-64/", settings, "hash-64", served) == ("hash-64", served)
    with pytest.raises(WrongUse, match=r"hash-64.*--embeddings bge-m3"):
        opened("bge-m3", settings, "hash-64", served)


def test_people_who_are_not_known_are_refused() -> None:
    """Before anybody is moved."""
    people = [Person(name="ann", user="usr_1", tenant="org")]
    refuse_unknown(["ann"], people)
    with pytest.raises(WrongUse, match="called zed; 1 are known"):
        refuse_unknown(["ann", "zed"], people)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the command asks for; Ann and Ben are moved by it."""
    seen: list[tuple[Any, ...]] = []

    async def reembed(*arguments: Any) -> tuple[list[Moved], str, str]:
        seen.append(arguments)
        return [ANN, BEN], "hash-64", "hash-16"

    monkeypatch.setattr(cli_reembed, "_reembed", reembed)
    return seen


def test_command_tells_who_was_moved_from_what_to_what(
    asked: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    """And that the system's own model is still another one."""
    assert main(["reembed", "--model", "hash-16", "--users", "ann", "--users", "ben"]) == 0
    assert asked == [(None, "hash-16", ["ann", "ben"], False)]
    told = capsys.readouterr()
    assert "hash-64 -> hash-16" in told.out
    assert "itself embeds with hash-64" in " ".join(told.err.split())
    assert main(["reembed", "--model", "hash-16", "--dry-run"]) == 0
    told = capsys.readouterr()
    assert "to embed" in told.out
    assert "nothing was changed" in told.err


def test_json_has_the_model_and_each_person(
    asked: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    """For scripts: nothing but the answer is on stdout."""
    assert main(["reembed", "--model", "hash-16", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["model"] == "hash-16"
    assert [one["person"] for one in told["people"]] == ["ann", "ben"]


def test_model_has_to_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2, like every command that was asked wrongly."""
    assert main(["reembed"]) == 2
    assert "--model" in capsys.readouterr().err
