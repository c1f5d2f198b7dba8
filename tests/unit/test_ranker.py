"""The ranker as a file: written whole, named by its content, refused clearly, and used."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.settings import RankingSettings
from cluster.cli import main
from cluster.cli_up import _as_options
from cluster.settings import compose
from cluster.wiring import ranker_of
from events.errors import Misconfigured
from projections.retrieval.ranker import Ranker, learned_ranker, read_ranker, write_ranker
from projections.retrieval.ranking import HAND_SET, Weights
from projections.retrieval.signals import Signals
from tests.unit.fakes.gateway import V1
from tests.unit.fakes.past_gateway import remembering

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
REPORT = {"folds": [{"R@10": 0.5}], "verdict": "none"}
FIRST = Signals._fields[0]
#: As if only the length of a text mattered.
BY_LENGTH = {name: 1.0 if name == "length" else 0.0 for name in Signals._fields}


def written(tmp_path: Path, **changes: Any) -> Path:
    """Write a ranker by hand, with some of its fields changed (None: left out)."""
    fields = {"format": 1, "name": "mine", "created_at": NOW.isoformat(), "signals": BY_LENGTH}
    given = {key: value for key, value in (fields | changes).items() if value is not None}
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(given))
    return file


def test_ranker_is_the_same_when_it_is_read_again(tmp_path: Path) -> None:
    """Weights and report come back; the name is the content's, and so is the file's."""
    weights = msgspec.structs.replace(HAND_SET, length=0.45)

    ranker = learned_ranker(weights, NOW, REPORT)
    file = write_ranker(ranker, tmp_path / "rankers")

    assert file.name == f"{ranker.name}.json"
    assert re.fullmatch(r"learned-[0-9a-f]{12}", ranker.name)
    assert read_ranker(file) == ranker
    assert read_ranker(file).weights == weights
    assert [one.name for one in file.parent.iterdir()] == [file.name]
    assert learned_ranker(HAND_SET, NOW, REPORT).name != ranker.name
    assert learned_ranker(weights, NOW, {}).name != ranker.name


def test_fields_of_the_file_are_those_of_the_format(tmp_path: Path) -> None:
    """What others read: format, name, created_at, signals, training."""
    file = write_ranker(learned_ranker(Weights(), NOW, REPORT), tmp_path)

    told = json.loads(file.read_text())
    assert list(told) == ["format", "name", "created_at", "signals", "training"]
    assert set(told["signals"]) == set(Signals._fields)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"format": 2}, "has format 2; this version reads format 1"),
        ({"signals": {**BY_LENGTH, "charm": 1.0}}, f"there is no signal charm; there are {FIRST}"),
        ({"signals": {"length": 1.0}}, f"no weight for {FIRST}, "),
        ({"signals": {**BY_LENGTH, FIRST: 1e9}}, f"the weight of {FIRST} is not between"),
        ({"signals": dict.fromkeys(BY_LENGTH, 0.0)}, "all weights are 0"),
        ({"signals": {**BY_LENGTH, FIRST: "much"}}, "Expected `float`, got `str`"),
        ({"signals": None}, "missing required field `signals`"),
        ({"weights": {}}, "unknown field `weights`"),
        ({"name": "learned-0123456789ab"}, "was altered after its training"),
    ],
)
def test_ranker_is_refused_when_it_does_not_fit(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    """One line names the file and what is wrong with it."""
    file = written(tmp_path, **changes)

    with pytest.raises(Misconfigured) as refusal:
        read_ranker(file)

    assert told in refusal.value.message
    assert str(file) in refusal.value.message
    assert "\n" not in refusal.value.message


def test_ranker_is_refused_when_there_is_none(tmp_path: Path) -> None:
    """A file that is not there, and one that is no JSON."""
    with pytest.raises(Misconfigured, match="cannot be read: No such file"):
        read_ranker(tmp_path / "none.json")
    (tmp_path / "text.json").write_text("weights, please")
    with pytest.raises(Misconfigured, match="is not a ranker"):
        read_ranker(tmp_path / "text.json")


def test_altered_ranker_is_refused_when_it_keeps_its_name(tmp_path: Path) -> None:
    """What a report says is of the weights that are beside it."""
    ranker = learned_ranker(HAND_SET, NOW, REPORT)
    altered = msgspec.structs.replace(ranker, signals={**ranker.signals, "length": 9.0})

    with pytest.raises(Misconfigured, match="was altered"):
        read_ranker(write_ranker(altered, tmp_path))
    by_hand = msgspec.structs.replace(altered, name="mine")
    assert read_ranker(write_ranker(by_hand, tmp_path)).weights.length == 9.0


def test_agents_get_the_ranker_when_the_settings_name_one(tmp_path: Path) -> None:
    """By flag, by variable, by the file; relative to the data directory; without one, none."""
    file = written(tmp_path)
    (tmp_path / "data").mkdir()
    data = tmp_path / "data"

    assert ranker_of(compose({}, data=data)) == {}
    assert ranker_of(compose({"MIRIX_RANKER": "../mine.json"}, data=data)) == BY_LENGTH
    assert ranker_of(compose({}, data=data, flags={"ranker": str(file)})) == BY_LENGTH
    (data / "mirix.toml").write_text('ranker = "nowhere.json"\n')
    with pytest.raises(Misconfigured, match=r"nowhere\.json cannot be read"):
        ranker_of(compose({}, data=data))


def test_system_does_not_start_when_its_ranker_cannot_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, before there is anything in the data directory."""
    file = written(tmp_path, signals={**BY_LENGTH, "charm": 1.0})

    assert main(["up", "--data", str(tmp_path / "data"), "--ranker", str(file)]) != 0

    assert "there is no signal charm" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "data").exists()


def test_daemon_is_told_of_the_ranker_where_it_is(tmp_path: Path) -> None:
    """By its whole path: a daemon stands in another folder."""
    settings = compose({"MIRIX_RANKER": "rankers/mine.json"}, data=tmp_path)

    options = _as_options(settings)

    at = options.index("--ranker")
    assert options[at + 1] == str(tmp_path / "rankers" / "mine.json")
    assert "--ranker" not in _as_options(compose({}, data=tmp_path))


def test_hand_written_ranker_needs_no_report(tmp_path: Path) -> None:
    """Format, name, date and weights are enough."""
    assert read_ranker(written(tmp_path)) == Ranker(
        name="mine", created_at=NOW, signals=BY_LENGTH, training={}
    )


async def test_search_ranks_with_the_ranker_when_one_is_chosen() -> None:
    """Now, and as of a moment; without one, the words decide."""
    short, long = "My tap drips.", "The weather was fine all over the country on that day, too."
    found = {}
    for name, ranker in (("hand-set", None), ("by length", BY_LENGTH)):
        async with remembering(ranking=RankingSettings(weights=ranker or {})) as (gateway, client):
            await gateway.say(client, "ann", long, short)
            body = {"user_id": "ann", "query": "drips tap weather", "tiers": ["conversation"]}
            then = {**body, "as_of": await gateway.end()}
            answers = [await client.post(f"{V1}/memory/search", json=one) for one in (body, then)]
            found[name] = [[hit["text"] for hit in one.json()["results"]] for one in answers]

    assert found == {"hand-set": [[short, long]] * 2, "by length": [[long, short]] * 2}
