"""The job `train-ranker`: its arguments, and what it does with a running system."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.embedding import ModelNotServed
from cluster.api_client import ApiClient
from cluster.cli_output import WrongUse
from cluster.data_dir import DataDir
from cluster.jobs.kinds import KINDS
from cluster.jobs.work import Place
from cluster.settings import Settings
from cluster.sources import Source
from cluster.training.embedding_http import HttpEmbedding
from events.catalogue import SearchFeedback
from events.errors import CommandRejected
from projections.retrieval.ranker import read_ranker
from tests.unit.fakes.local_gateway import KEY, local_gateway
from tests.unit.test_training_judged import log_of

TRAIN = KINDS["train-ranker"]
TOPICS = ("tap", "cat", "bicycle", "bread", "garden")


def data_file(tmp_path: Path) -> Path:
    """Write five people who said five things each, with a question for each."""
    lines = []
    for user in range(5):
        messages = [
            {"id": f"m{at}", "content": f"My {topic} number {user} is old."}
            for at, topic in enumerate(TOPICS)
        ]
        questions = [
            {"question": f"How is the {topic}?", "evidence": [f"m{at}"]}
            for at, topic in enumerate(TOPICS)
        ]
        lines.append({"user": f"user-{user}", "messages": messages, "questions": questions})
    file = tmp_path / "people.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    return file


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--from-log", "maybe"], "'maybe' is none; choose from yes, no"),
        (["--data", " "], "it is empty; expected a path"),
        (["--epochs", "3"], "unrecognized arguments: --epochs"),
    ],
)
def test_wrong_arguments_are_told(arguments: list[str], told: str) -> None:
    """One line, before anything runs."""
    with pytest.raises(WrongUse, match="train-ranker: ") as refusal:
        TRAIN.options(arguments)
    assert told in refusal.value.message


def test_job_is_refused_when_there_is_nothing_to_learn_from(tmp_path: Path) -> None:
    """Neither data nor the log, or data that cannot be read."""
    directory = DataDir(tmp_path)
    for arguments in ([], ["--from-log", "no"]):
        with pytest.raises(CommandRejected, match="nothing to learn from"):
            TRAIN.check(directory, TRAIN.options(arguments))
    with pytest.raises(CommandRejected, match="cannot be read"):
        TRAIN.check(directory, TRAIN.options(["--data", str(tmp_path / "none.jsonl")]))
    TRAIN.check(directory, TRAIN.options(["--from-log", "yes"]))
    TRAIN.check(directory, TRAIN.options(["--data", str(data_file(tmp_path))]))


def test_ranker_is_in_the_data_directory_when_the_job_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vectors come from the system; the result tells files and figures, and installs nothing."""

    @asynccontextmanager
    async def source(data: Path) -> AsyncIterator[Source]:
        judged = SearchFeedback(search_id="s1", answered_by=("msg_2",))
        yield Source("the log", {0: (await log_of(judged)).journal})

    monkeypatch.setattr("cluster.jobs.training.open_source", source)
    options = TRAIN.options(["--data", str(data_file(tmp_path)), "--from-log", "yes"])
    told: list[str] = []
    with local_gateway() as url:
        monkeypatch.setattr(Place, "client", lambda self: ApiClient(url, KEY))
        place = Place(settings=Settings(data_dir=tmp_path))
        (unit,) = asyncio.run(TRAIN.units(place, options))
        result: dict[str, Any] = asyncio.run(TRAIN.work(place, options, unit, told.append))

    assert TRAIN.total({unit: result}) == result
    assert result["questions"] == 26
    assert result["learned"].keys() == result["hand_set"].keys() >= {"R@10", "nDCG@10"}
    ranker = read_ranker(Path(result["ranker"]))
    assert Path(result["ranker"]).parent == tmp_path / "rankers"
    assert Path(result["report"]).read_text().startswith(f"# Ranker {ranker.name}")
    labelled, judged = ranker.training["data"]
    assert (labelled["file"], labelled["people"], labelled["questions"]) == ("people.jsonl", 5, 25)
    assert judged == {"log": "judged searches", "people": 1, "questions": 1, "left_out": 0}
    assert "fold 6 of 6: 1 questions held out" in told


async def test_vectors_are_those_of_the_system() -> None:
    """Over HTTP come the very vectors, also of an empty text; of other models there are none."""
    with local_gateway() as url:
        async with ApiClient(url, KEY) as client:
            embedding = HttpEmbedding(client)
            embedded = await embedding.embed(["Lisbon", "", "Lisbon"])
            again = await embedding.embed(["Lisbon"], embedded.model)
            with pytest.raises(ModelNotServed, match="embeds with hash-64, not with other"):
                await embedding.embed(["Lisbon"], "other")
    assert embedded.model == "hash-64"
    assert embedded.vectors.shape == (3, 64)
    assert (embedded.vectors[[0, 2]] == again.vectors[0]).all()
