"""LoCoMo (Maharana et al. 2024, arXiv:2402.17753): its samples as messages and questions.

A file is a list of samples `{sample_id, conversation, qa}`; a conversation holds `session_N` (its
turns) and `session_N_date_time`. Pure: `eval_sets` reads the files, `eval_retrieval` asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from cluster.eval_people import Person, Question
from cluster.record_values import BadRecord, MessageRecord

CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}
_SESSION = re.compile(r"session_(\d+)")
#: Nine evidence strings of the data set are malformed ("D8:6; D9:17", "D"): take the ids they hold.
_EVIDENCE = re.compile(r"D\d+:\d+")
_DATE_FORMAT = "%I:%M %p on %d %B, %Y"


def is_sample(value: Any) -> bool:
    """Say whether a JSON value is a LoCoMo sample."""
    conversation = value.get("conversation") if isinstance(value, dict) else None
    return isinstance(conversation, dict) and any(map(_SESSION.fullmatch, conversation))


def user_of(sample: dict[str, Any]) -> str:
    """Return the user that a sample's conversation belongs to."""
    return f"locomo-{sample.get('sample_id') or 'conversation'}"


def sample_messages(
    sample: dict[str, Any], path: str, line: int
) -> Iterator[MessageRecord | BadRecord]:
    """Yield the turns of a sample in order, each session a conversation with its own date."""
    conversation: dict[str, Any] = sample["conversation"]
    for name in sorted(filter(_SESSION.fullmatch, conversation), key=_number):
        started = session_date(conversation.get(f"{name}_date_time"))
        if started is None:
            reason = f"{name}_date_time is missing or not a date; its turns are left out"
            yield BadRecord(path=path, line=line, reason=reason)
            continue
        turns = conversation[name] if isinstance(conversation[name], list) else []
        for number, turn in enumerate(turns):
            said_at = started + timedelta(seconds=number)
            message = _turn(turn, name, said_at, user_of(sample), line)
            yield message or BadRecord(
                path=path, line=line, reason=f"turn {number + 1} of {name} has no dia_id or text"
            )


def session_date(text: Any) -> datetime | None:
    """Return `1:56 pm on 8 May, 2023` as a time in UTC, or None when it is not one."""
    try:
        return datetime.strptime(text, _DATE_FORMAT).replace(tzinfo=UTC)
    except (TypeError, ValueError):
        return None


def questions(sample: dict[str, Any]) -> list[Question]:
    """Return the questions whose evidence names at least one turn."""
    found = []
    for item in sample.get("qa", ()):
        evidence = evidence_ids(item.get("evidence") or ())
        if evidence:
            category = CATEGORIES.get(int(item["category"]), str(item["category"]))
            text = str(item["question"])
            found.append(Question(text=text, category=category, evidence=evidence))
    return found


def person_of(sample: dict[str, Any]) -> Person:
    """Return a sample as the person whose memory its conversation fills."""
    user = user_of(sample)
    asked = tuple(questions(sample))
    return Person(
        user=user,
        records=tuple(sample_messages(sample, user, 0)),
        questions=asked,
        left_out=len(sample.get("qa", ())) - len(asked),
    )


def evidence_ids(strings: Iterable[Any]) -> frozenset[str]:
    """Return the turn ids in evidence strings, whatever else they hold."""
    return frozenset(match for text in strings for match in _EVIDENCE.findall(str(text)))


def _number(session: str) -> int:
    return int(session.removeprefix("session_"))


def _turn(turn: Any, session: str, said_at: datetime, user: str, line: int) -> MessageRecord | None:
    if not isinstance(turn, dict) or not turn.get("dia_id"):
        return None
    text = str(turn.get("text") or "").strip()
    caption = str(turn.get("blip_caption") or "").strip()
    content = f"{text} [image: {caption}]".strip() if caption else text
    if not content:
        return None
    return MessageRecord(
        role="user",
        content=content,
        name=str(turn.get("speaker") or ""),
        created_at=said_at,
        conversation=session,
        external_id=str(turn["dia_id"]),
        user=user,
        line=line,
    )
