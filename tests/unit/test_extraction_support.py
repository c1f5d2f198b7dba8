"""The short notation in which the extraction tests write their cases, and how a case is run.

A case is `(day, message, wanted)`. `wanted` lists expectations parted by `; `: a tier, a colon, the
words that its memory must contain parted by `,`, then `@date`, `=secret` or `#steps`, and `<words`
for what a correction ends. `?tier` says that the tier may hold something; all others must be empty.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from actors.extraction import extract
from actors.extraction.finding import Utterance
from actors.extraction.scoring import as_memory, is_right
from events.memory import TIERS

Row = tuple[str, str, str]
SHORT = {"vault": "knowledge_vault"}


def case_of(row: Row, number: int = 0, lang: str = "en") -> dict[str, Any]:
    """Return the row in the shape of the data format."""
    day, message, wanted = row
    expect: list[dict[str, Any]] = []
    allowed: set[str] = set()
    for part in filter(None, wanted.split("; ")):
        if part.startswith("?"):
            allowed.add(SHORT.get(part[1:], part[1:]))
            continue
        tier, _, rest = part.partition(":")
        item: dict[str, Any] = {"tier": SHORT.get(tier, tier)}
        rest, _, replaced = rest.partition(" <")
        if replaced:
            item["replaces"] = [replaced]
        words, mark, value = [*re.split(r"([@=#])", rest, maxsplit=1), "", ""][:3]
        item["must"] = words.split(",")
        if mark == "@":
            item["occurred_at"] = value
        elif mark == "=":
            item["secret"] = value
        elif mark == "#":
            item["steps"] = int(value)
        expect.append(item)
    kept = allowed | {item["tier"] for item in expect}
    return {
        "id": f"{lang}-{number:03}",
        "lang": lang,
        "recorded_at": f"{day}T09:30:00+00:00",
        "message": message,
        "expect": expect,
        "forbid": [tier for tier in TIERS if tier not in kept],
    }


def memories_of(case: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what the rules find in the case's message, as the scorer takes it."""
    said_at = datetime.fromisoformat(case["recorded_at"])
    return [as_memory(f) for f in extract(Utterance(text=case["message"], said_at=said_at))]


def assert_right(row: Row, lang: str) -> None:
    """Fail with what was found when the case is not right."""
    case = case_of(row, lang=lang)
    memories = memories_of(case)
    assert is_right(case, memories), (case["message"], case["expect"], memories)
