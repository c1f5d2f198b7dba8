"""Data sets for evaluating retrieval: files of people, their messages and questions.

One JSON object a line and person; a LoCoMo file is read as well:

    {"user": "ann",
     "messages": [{"id": "1", "role": "user", "name": "Ann", "content": "I moved to Lisbon.",
                   "created_at": "2025-03-01T09:00:00Z", "conversation": "monday"}],
     "questions": [{"question": "Where does Ann live?", "evidence": ["1"], "category": "places"}]}

Of a message `id` and `content` are needed, of a question `question` and `evidence`; fields that are
not known are passed over. A question without evidence is left out and counted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from cluster.eval_people import ALL, UNCATEGORISED, Person, Question
from cluster.locomo import is_sample, person_of
from cluster.record_values import MessageRecord, Role
from events.errors import CommandRejected
from events.memory import Value

#: A user is told apart from those of other runs by a suffix, and the API takes 256 characters.
_Text = Annotated[str, Meta(min_length=1, pattern=r"\S")]
_Id = Annotated[str, Meta(min_length=1, max_length=240)]
_CONVERSATION = "conversation"


class DataSet(Value, frozen=True, kw_only=True):
    """The people of a file; `sha256` is that of the whole file, whatever part of it is asked."""

    name: str
    sha256: str
    people: tuple[Person, ...]


class _Message(msgspec.Struct, frozen=True):
    id: _Id
    content: _Text
    role: Role = "user"
    name: str = ""
    created_at: datetime | None = None
    conversation: _Id = _CONVERSATION


class _Asked(msgspec.Struct, frozen=True):
    question: _Text
    evidence: tuple[str, ...]
    category: _Text = UNCATEGORISED


class _Line(msgspec.Struct, frozen=True):
    user: _Id
    messages: tuple[_Message, ...]
    questions: tuple[_Asked, ...]


def read_set(path: Path, people_max: int | None = None) -> DataSet:
    """Return the people of a file, of either format.

    Raises:
        CommandRejected: it cannot be read, is not of the format (naming line and field), or asks
            nothing.
    """
    raw = _bytes_of(path)
    try:
        whole = json.loads(raw)
    except ValueError:
        return _set(path, raw, _people_of_lines(path, raw), people_max)
    if isinstance(whole, list) or is_sample(whole):
        return _set(path, raw, list(map(person_of, _checked(path, whole))), people_max)
    return _set(path, raw, _people_of_lines(path, raw), people_max)


def read_locomo(path: Path, conversations_max: int | None = None) -> DataSet:
    """Return the conversations of a LoCoMo file as people.

    Raises:
        CommandRejected: it is missing, not JSON, not LoCoMo, or asks nothing.
    """
    people = list(map(person_of, read_samples(path)))
    return _set(path, _bytes_of(path), people, conversations_max)


def sample_set(sample: dict[str, Any], name: str) -> DataSet:
    """Return one conversation of a LoCoMo file as a data set."""
    digest = hashlib.sha256(msgspec.json.encode(sample)).hexdigest()
    return DataSet(name=name, sha256=digest, people=(person_of(sample),))


def read_samples(path: Path, limit: int | None = None) -> list[dict[str, Any]]:
    """Return the samples of a LoCoMo file.

    Raises:
        CommandRejected: it is missing, not JSON, or holds no sample.
    """
    try:
        content = json.loads(_bytes_of(path))
    except ValueError as error:
        raise CommandRejected(f"{path} is not JSON: {error}") from error
    return _checked(path, content)[:limit]


def _checked(path: Path, content: Any) -> list[dict[str, Any]]:
    samples = content if isinstance(content, list) else [content]
    if not samples or not all(map(is_sample, samples)):
        raise CommandRejected(
            f"{path} is not a LoCoMo file: expected a list of conversations "
            "(of any other data set: one JSON object a line and person)"
        )
    return samples


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandRejected(f"{path} cannot be read: {error.strerror}") from error


def _set(path: Path, raw: bytes, people: Sequence[Person], people_max: int | None) -> DataSet:
    chosen = tuple(people[:people_max])
    if not any(person.questions for person in chosen):
        raise CommandRejected(f"{path} has no question with evidence: there is nothing to measure")
    return DataSet(name=path.name, sha256=hashlib.sha256(raw).hexdigest(), people=chosen)


def _people_of_lines(path: Path, raw: bytes) -> list[Person]:
    decoder = msgspec.json.Decoder(_Line)
    people: list[Person] = []
    first_lines: dict[str, int] = {}
    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        try:
            told = decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise CommandRejected(f"{place}: {error}") from error
        before = first_lines.setdefault(told.user, number)
        if before != number:
            raise CommandRejected(
                f"{place}: user {told.user!r} has a line already (line {before}) - at `$.user`"
            )
        people.append(_person(place, number, told))
    return people


def _person(place: str, number: int, told: _Line) -> Person:
    """Return a line as a person, once its ids are known to be its own and each another."""
    ids: set[str] = set()
    for at, message in enumerate(told.messages):
        if message.id in ids:
            raise CommandRejected(
                f"{place}: a message before has the id {message.id!r} - at `$.messages[{at}].id`"
            )
        ids.add(message.id)
    for at, asked in enumerate(told.questions):
        if asked.category == ALL:
            raise CommandRejected(
                f"{place}: {ALL!r} stands for all categories together "
                f"- at `$.questions[{at}].category`"
            )
        for nth, one in enumerate(asked.evidence):
            if one not in ids:
                raise CommandRejected(
                    f"{place}: {one!r} is the id of none of the line's messages "
                    f"- at `$.questions[{at}].evidence[{nth}]`"
                )
    asked_for = [asked for asked in told.questions if asked.evidence]
    return Person(
        user=told.user,
        records=tuple(_record(told.user, number, message) for message in told.messages),
        questions=tuple(
            Question(
                text=asked.question,
                category=asked.category,
                evidence=frozenset(asked.evidence),
            )
            for asked in asked_for
        ),
        left_out=len(told.questions) - len(asked_for),
    )


def _record(user: str, number: int, message: _Message) -> MessageRecord:
    said_at = message.created_at
    # A time without a zone is taken as UTC, as the HTTP API does.
    if said_at is not None and said_at.tzinfo is None:
        said_at = said_at.replace(tzinfo=UTC)
    return MessageRecord(
        role=message.role,
        content=message.content,
        name=message.name,
        created_at=said_at,
        conversation=message.conversation,
        external_id=message.id,
        user=user,
        line=number,
    )
