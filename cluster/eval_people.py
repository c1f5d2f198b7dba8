"""Whom an evaluation of retrieval asks about: what each person said, and what is asked of it."""

from __future__ import annotations

import msgspec

from cluster.record_values import BadRecord, MessageRecord
from events.memory import Value

#: In tables, the row of all questions, whatever their category.
ALL = "all"
#: The category of a question that has none.
UNCATEGORISED = "uncategorised"


class Question(Value, frozen=True, kw_only=True):
    """A question and the ids of the messages that answer it (at least one)."""

    text: str
    category: str = UNCATEGORISED
    evidence: frozenset[str]


class Person(Value, frozen=True, kw_only=True):
    """A person's messages in order, and the questions that are asked of this person's memory.

    `left_out` questions named no message as evidence, so that no recall can be told of them.
    """

    user: str
    records: tuple[MessageRecord | BadRecord, ...]
    questions: tuple[Question, ...]
    left_out: int = 0

    def renamed(self, user: str) -> Person:
        """Return the same under another user."""
        records = tuple(
            msgspec.structs.replace(record, user=user)
            if isinstance(record, MessageRecord)
            else record
            for record in self.records
        )
        return msgspec.structs.replace(self, user=user, records=records)
