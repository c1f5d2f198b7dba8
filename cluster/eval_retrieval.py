"""`mirix eval retrieval | locomo`: how well the system finds what answers questions, over HTTP.

Each person's messages go in as a fresh user of this run. Once all can be found, every question with
evidence is asked, one after the other by one client, so that the latencies are those of an idle
system. Ours is asked first: it alone pays for embedding a question that was never asked before.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from cluster import VERSION
from cluster.api_client import ApiClient
from cluster.eval_bootstrap import RESAMPLES, SEED
from cluster.eval_mem0 import Mem0, Mem0Report, evaluate_mem0
from cluster.eval_methods import FUSED, MEANING, MEM0, OURS, WORDS, Answer, Method, ask_all, fuse
from cluster.eval_people import Person
from cluster.eval_scoring import MethodScores, count_by_category, score_methods
from cluster.eval_sets import DataSet
from cluster.ingest import ingest
from cluster.record_values import BadRecord
from events.memory import Value


class RetrievalReport(Value, frozen=True, kw_only=True):
    """What an evaluation saw. Seconds run until everything can be found; ours is the first method.

    `questions` counts them in all and by category; `resamples` and `seed` are of the intervals.
    """

    data_set: str
    data_set_sha256: str
    made_at: datetime
    version: str
    machine: str
    people: int
    messages: int
    bad_records: tuple[BadRecord, ...]
    questions: dict[str, int]
    questions_left_out: int
    ingest_s: float
    messages_per_s: float
    resamples: int = RESAMPLES
    seed: int = SEED
    methods: tuple[MethodScores, ...]
    mem0: Mem0Report | None = None


class Compared(NamedTuple):
    """What ours is compared with: the plain methods, and a mem0 when one runs."""

    plain: bool = False
    mem0: Mem0 | None = None


ALONE = Compared()


def work_of(data: DataSet, compared: Compared = ALONE) -> int:
    """Return how many messages and questions an evaluation has to do."""
    messages = sum(len(person.records) for person in data.people)
    good = sum(1 for person in data.people for one in person.records if not _is_bad(one))
    questions = sum(len(person.questions) for person in data.people)
    of_mem0 = 0 if compared.mem0 is None else good + questions
    return messages + (3 if compared.plain else 1) * questions + of_mem0


async def evaluate_retrieval(
    client: ApiClient,
    data: DataSet,
    *,
    run_id: str,
    compared: Compared = ALONE,
    advance: Callable[[int], None] = lambda done: None,
) -> RetrievalReport:
    """Ingest everybody as a fresh user of this run, ask all questions, and score the answers."""
    people = [person.renamed(f"{person.user}-{run_id}") for person in data.people]
    lanes = [(person.user, person.records) for person in people]
    summary = await ingest(client, lanes, user_id=run_id, advance=advance)
    answers = await _answers(client, people, compared.plain, advance)
    mem0 = None
    if compared.mem0 is not None:
        found, mem0 = await evaluate_mem0(compared.mem0, people, advance)
        answers.append((MEM0, found))
    questions = [question for person in people for question in person.questions]
    return RetrievalReport(
        data_set=data.name,
        data_set_sha256=data.sha256,
        made_at=datetime.now(UTC),
        version=VERSION,
        machine=_machine(),
        people=len(people),
        messages=summary.messages,
        bad_records=summary.bad_records,
        questions=count_by_category(questions),
        questions_left_out=sum(person.left_out for person in people),
        ingest_s=round(summary.seconds, 3),
        messages_per_s=round(summary.messages_per_s, 1),
        methods=score_methods(questions, answers),
        mem0=mem0,
    )


async def _answers(
    client: ApiClient, people: list[Person], plain: bool, advance: Callable[[int], None]
) -> list[tuple[Method, list[Answer]]]:
    """Return the answers of each way of searching that the system itself has."""
    ours = await ask_all(client, people, "hybrid", advance)
    if not plain:
        return [(OURS, ours)]
    words = await ask_all(client, people, "bm25", advance)
    meaning = await ask_all(client, people, "embedding", advance)
    fused = [fuse(*both) for both in zip(words, meaning, strict=True)]
    return [(OURS, ours), (WORDS, words), (MEANING, meaning), (FUSED, fused)]


def means_by_category(report: RetrievalReport) -> dict[str, dict[str, float]]:
    """Return the means of our own measures and the number of questions, by category."""
    return {
        category: {
            **{name: found.mean for name, found in row.items()},
            "questions": report.questions[category],
        }
        for category, row in report.methods[0].measures.items()
    }


def _is_bad(record: object) -> bool:
    return isinstance(record, BadRecord)


def _machine() -> str:
    """Return where the client ran: what was measured means little without."""
    cores, python = len(os.sched_getaffinity(0)), platform.python_version()
    return f"{platform.system()} {platform.machine()}, {cores} cores, Python {python}"
