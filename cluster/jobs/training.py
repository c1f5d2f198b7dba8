"""The job `train-ranker`: learn what each signal is worth, and say whether that is any better.

It writes a ranker with its report and changes nothing else: `mirix up --ranker FILE` uses one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cluster.data_dir import DataDir
from cluster.jobs.arguments import Argument, one_of, path
from cluster.jobs.work import Kind, Options, Place, Result, Tell
from cluster.sources import open_source
from events.errors import CommandRejected

_UNIT = "ranker"


def _check(directory: DataDir, options: Options) -> None:
    if "data" not in options and options.get("from-log") != "yes":
        raise CommandRejected("nothing to learn from; give --data FILE, --from-log yes, or both")
    if "data" in options:
        from cluster.eval_sets import read_set

        read_set(Path(options["data"]))


async def _units(place: Place, options: Options) -> Sequence[str]:
    return (_UNIT,)


async def _work(place: Place, options: Options, unit: str, tell: Tell) -> Result:
    # With scikit-learn below them, which no other kind of job needs.
    from cluster.eval_measures import MEASURES
    from cluster.eval_sets import read_set
    from cluster.training.embedding_http import HttpEmbedding
    from cluster.training.report import ALL
    from cluster.training.training import Gathering, train

    async with place.client() as client:
        gathered = Gathering(HttpEmbedding(client), tell)
        if "data" in options:
            await gathered.add_set(read_set(Path(options["data"])))
        if options.get("from-log") == "yes":
            async with open_source(place.settings.data_dir) as source:
                await gathered.add_log(source)
    directory = Path(options["out"]) if "out" in options else place.directory.rankers
    trained = await train(gathered, directory, tell)
    compared = trained.report.compared[ALL]
    return {
        "ranker": str(trained.ranker),
        "report": str(trained.told),
        "questions": compared.questions,
        "beats_hand_set": trained.report.beats_hand_set,
        "better": list(trained.report.better),
        "worse": list(trained.report.worse),
        "hand_set": {name: compared.hand_set[name].mean for name in MEASURES},
        "learned": {name: compared.learned[name].mean for name in MEASURES},
    }


def _total(results: Mapping[str, Result]) -> Result:
    return results[_UNIT]


TRAIN_RANKER = Kind(
    name="train-ranker",
    summary="learn what each signal of the ranking is worth",
    arguments=(
        Argument(name="data", help="labelled questions: LoCoMo, or JSONL", read=path),
        Argument(name="from-log", help="yes: judged searches as well", read=one_of("yes", "no")),
        Argument(name="out", help="directory for the ranker (default: rankers/)", read=path),
    ),
    check=_check,
    units=_units,
    work=_work,
    total=_total,
)
