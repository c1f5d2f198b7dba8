"""A whole training: examples gathered, weights found and judged, ranker and report written."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from actors.ports import EmbeddingService
from cluster.eval_sets import DataSet
from cluster.sources import Source
from cluster.training.crossing import Tell, cross_validate
from cluster.training.examples import Example
from cluster.training.judged import judged_examples, verdicts_of
from cluster.training.labelled import labelled_examples
from cluster.training.report import TrainingReport, report_of
from cluster.training.report_markdown import markdown
from events.clock import Clock, system_clock
from events.durable_file import write_whole
from projections.retrieval.ranker import learned_ranker, write_ranker


class Trained(NamedTuple):
    """The files of a ranker and of the report for people, and that report."""

    ranker: Path
    told: Path
    report: TrainingReport


class Gathering:
    """Gathers the examples of a training, and what is told of where they are from."""

    def __init__(self, embedding: EmbeddingService, tell: Tell) -> None:
        self.examples: list[Example] = []
        self.data: list[dict[str, Any]] = []
        self._embedding = embedding
        self._tell = tell

    async def add_set(self, data: DataSet) -> None:
        """Measure the questions of a data set."""
        before = len(self.examples)
        for number, person in enumerate(data.people, start=1):
            group = f"labelled-{number}"
            self.examples.extend(await labelled_examples(person, group, self._embedding))
            self._tell(f"{number} of {len(data.people)} people of {data.name} measured")
        self.data.append(
            {
                "file": data.name,
                "sha256": data.sha256,
                "people": len(data.people),
                "questions": len(self.examples) - before,
            }
        )

    async def add_log(self, source: Source) -> None:
        """Measure the searches again that were judged."""
        before, people, left_out = len(self.examples), 0, 0
        for shard, reader in sorted(source.readers.items()):
            for user, verdicts in (await verdicts_of(reader)).items():
                people += 1
                group = f"judged-{people}"  # a number: a report outlives a person's erasure
                found = await judged_examples(reader, user, verdicts, group, self._embedding)
                self.examples.extend(found.examples)
                left_out += found.left_out
            self._tell(f"shard {shard}: {len(self.examples) - before} judged searches measured")
        self.data.append(
            {
                "log": "judged searches",
                "people": people,
                "questions": len(self.examples) - before,
                "left_out": left_out,
            }
        )


async def train(
    gathered: Gathering, directory: Path, tell: Tell, clock: Clock = system_clock
) -> Trained:
    """Find weights and what they are worth, and write both into a directory.

    Raises:
        CommandRejected: there are too few questions, or nothing to learn from them.
    """
    # On a thread of its own: a job is stopped by a signal that this loop has to hear.
    crossed = await asyncio.to_thread(cross_validate, gathered.examples, tell)
    report = report_of(gathered.examples, crossed, gathered.data)
    tell(report.verdict)
    ranker = learned_ranker(crossed.weights, clock(), msgspec.to_builtins(report))
    file = write_ranker(ranker, directory)
    told = file.with_suffix(".md")
    write_whole(told, markdown(ranker.name, report).encode())
    return Trained(file, told, report)
