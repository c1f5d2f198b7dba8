"""`mirix eval locomo`: how well the system finds the turns that answer questions, over public HTTP.

Each conversation goes in as one user with the sessions' own dates. Every question with evidence is
then asked, one after the other by one client, so that the latencies are those of an idle system.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from cluster.api_client import ApiClient
from cluster.ingest import ingest
from cluster.locomo import (
    Asked,
    Question,
    ask_result,
    by_category,
    is_sample,
    percentile,
    questions,
    sample_messages,
    turn_ranking,
    user_of,
)
from cluster.record_values import BadRecord, MessageRecord, Record
from events.errors import CommandRejected
from events.memory import Value

SEARCH_LIMIT = 100


class LocomoReport(Value, frozen=True, kw_only=True):
    """What an evaluation saw. Recalls are means over questions; seconds until all can be found."""

    conversations: int
    messages: int
    bad_records: tuple[BadRecord, ...]
    questions: int
    questions_left_out: int
    ingest_s: float
    messages_per_s: float
    search_p50_ms: float
    search_p99_ms: float
    recall: dict[str, dict[str, float]]


def read_samples(path: Path, limit: int | None = None) -> list[dict[str, Any]]:
    """Return the samples of a LoCoMo file.

    Raises:
        CommandRejected: it is missing, not JSON, or holds no sample.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandRejected(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CommandRejected(f"{path} is not JSON: {error}") from error
    samples = content if isinstance(content, list) else [content]
    if not samples or not all(map(is_sample, samples)):
        raise CommandRejected(f"{path} is not a LoCoMo file: expected a list of conversations")
    return samples[:limit]


def work_of(samples: Sequence[dict[str, Any]]) -> int:
    """Return how many messages and questions an evaluation of these samples has to do."""
    return sum(len(_records(sample, "")) + len(questions(sample)) for sample in samples)


async def evaluate_locomo(
    client: ApiClient,
    samples: Sequence[dict[str, Any]],
    *,
    run_id: str,
    advance: Callable[[int], None] = lambda done: None,
) -> LocomoReport:
    """Ingest the samples as fresh users of this run, ask all questions, and score the answers."""
    lanes = [(user_of(sample), _records(sample, run_id)) for sample in samples]
    summary = await ingest(client, lanes, user_id=run_id, advance=advance)
    asked: list[Asked] = []
    for sample in samples:
        for question in questions(sample):
            asked.append(await _ask(client, question, _user(sample, run_id)))
            advance(1)
    latencies = [item.latency_ms for item in asked]
    return LocomoReport(
        conversations=len(samples),
        messages=summary.messages,
        bad_records=summary.bad_records,
        questions=len(asked),
        questions_left_out=sum(len(sample.get("qa", ())) for sample in samples) - len(asked),
        ingest_s=round(summary.seconds, 3),
        messages_per_s=round(summary.messages_per_s, 1),
        search_p50_ms=round(percentile(latencies, 0.50), 2),
        search_p99_ms=round(percentile(latencies, 0.99), 2),
        recall=by_category(asked),
    )


def _records(sample: dict[str, Any], run_id: str) -> list[Record]:
    """Return a sample's turns under a user of this run alone."""
    user = _user(sample, run_id)
    turns: list[Record] = []
    for record in sample_messages(sample, user, 0):
        if isinstance(record, MessageRecord):
            record = msgspec.structs.replace(record, user=user)
        turns.append(record)
    return turns


async def _ask(client: ApiClient, question: Question, user_id: str) -> Asked:
    started = time.perf_counter()
    found = await client.search(question.text, user_id=user_id, limit=SEARCH_LIMIT)
    latency_ms = (time.perf_counter() - started) * 1000
    ranked = turn_ranking(hit.source.external_ids for hit in found.results)
    return ask_result(question, ranked, latency_ms)


def _user(sample: dict[str, Any], run_id: str) -> str:
    return f"{user_of(sample)}-{run_id}"
