"""The job `eval`: a data set against the running system; a conversation of LoCoMo is a unit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any
from uuid import uuid4

import msgspec

from cluster.data_dir import DataDir
from cluster.eval_extraction import evaluate_extraction, read_cases
from cluster.eval_people import ALL
from cluster.eval_retrieval import evaluate_retrieval, means_by_category
from cluster.eval_sets import read_samples, sample_set
from cluster.jobs.arguments import Argument, count, one_of, path
from cluster.jobs.work import Kind, Options, Place, Result, Tell

LOCOMO, EXTRACTION = "locomo", "extraction"
_CASES = "cases"


def _samples(options: Options) -> list[dict[str, Any]]:
    limit = options.get("limit-conversations")
    return read_samples(Path(options["file"]), int(limit) if limit else None)


def _check(directory: DataDir, options: Options) -> None:
    if options["set"] == LOCOMO:
        _samples(options)
    else:
        read_cases(Path(options["file"]))


async def _units(place: Place, options: Options) -> Sequence[str]:
    if options["set"] == EXTRACTION:
        return (_CASES,)
    return list(_conversations(options))


def _conversations(options: Options) -> dict[str, dict[str, Any]]:
    """Return the conversations by the names of their units.

    A name tells what is in it: with another file under the same name, nothing of it is done yet.
    """
    samples = list(enumerate(_samples(options), 1))
    return {f"conversation-{number}-{_digest(sample)}": sample for number, sample in samples}


def _digest(sample: dict[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(sample)).hexdigest()[:8]


async def _work(place: Place, options: Options, unit: str, tell: Tell) -> Result:
    # A user of its own each time: what a lost attempt has left behind must not be found.
    run_id = uuid4().hex[:8]
    async with place.client() as client:
        if unit == _CASES:
            cases = read_cases(Path(options["file"]))
            scores = await evaluate_extraction(client, cases, run_id=run_id)
            return {**scores.to_dict(), "extractors": scores.extractors}
        data = sample_set(_conversations(options)[unit], Path(options["file"]).name)
        report = await evaluate_retrieval(client, data, run_id=run_id)
    ours = report.methods[0]
    return {
        "conversations": report.people,
        "messages": report.messages,
        # What cannot be read is told by its number: its text may be somebody's words.
        "bad_records": len(report.bad_records),
        "questions": report.questions[ALL],
        "questions_left_out": report.questions_left_out,
        "ingest_s": report.ingest_s,
        "messages_per_s": report.messages_per_s,
        "search_p50_ms": ours.search_p50_ms,
        "search_p99_ms": ours.search_p99_ms,
        "recall": means_by_category(report),
    }


def _total(results: Mapping[str, Result]) -> Result:
    """Add up: counts as sums, times and latencies as means, recalls by their questions."""
    if _CASES in results:
        return results[_CASES]
    rows = list(results.values())
    sums = ("conversations", "messages", "questions", "questions_left_out", "bad_records")
    total: Result = {name: sum(row[name] for row in rows) for name in sums}
    total |= {
        name: round(fmean(row[name] for row in rows), 2)
        for name in ("messages_per_s", "search_p50_ms", "search_p99_ms")
    }
    return {**total, "recall": _recall([row["recall"] for row in rows])}


def _recall(parts: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """Return the mean recalls by category, each conversation weighing as many as its questions."""
    total: dict[str, dict[str, float]] = {}
    for category in dict.fromkeys(name for part in parts for name in part):
        rows = [part[category] for part in parts if category in part]
        questions = sum(row["questions"] for row in rows)
        total[category] = {
            name: round(sum(row.get(name, 0.0) * row["questions"] for row in rows) / questions, 4)
            for name in rows[0]
            if name != "questions" and questions
        } | {"questions": questions}
    return total


EVAL = Kind(
    name="eval",
    summary="measure quality on a data set",
    arguments=(
        Argument(
            name="set",
            help="which evaluation",
            read=one_of(LOCOMO, EXTRACTION),
            positional=True,
        ),
        Argument(name="file", help="the data set's file", read=path, positional=True),
        Argument(name="limit-conversations", help="only the first so many", read=count),
    ),
    check=_check,
    units=_units,
    work=_work,
    total=_total,
)
