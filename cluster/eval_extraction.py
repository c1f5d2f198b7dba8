"""`mirix eval extraction`: what the system keeps of single messages, against what it should keep.

Each case is said by a fresh user at its own time; then all six tiers are read over public HTTP,
secrets through the audited reveal. Scoring is `actors.extraction.scoring`.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from actors.extraction.scoring import Report, score
from cluster.api_client import ApiClient, NewMessage
from events.errors import CommandRejected
from events.memory import TIERS

CONVERSATION = "extraction"
#: Cases that are in flight at once: enough to keep the agents busy, few enough not to queue.
CASES_AT_ONCE = 8
_FIELDS = ("occurred_at", "occurred_until", "steps")


def read_cases(path: Path) -> list[dict[str, Any]]:
    """Return the cases of a JSONL file.

    Raises:
        CommandRejected: it cannot be read, or a line is not a case.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise CommandRejected(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandRejected(f"{path} cannot be read: not valid UTF-8") from error
    return [_case(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]


def _case(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        case: dict[str, Any] = json.loads(line)
        datetime.fromisoformat(case["recorded_at"])
        missing = {"id", "lang", "message", "expect", "forbid"} - case.keys()
    except (ValueError, TypeError, KeyError) as error:
        raise CommandRejected(f"{path}:{number}: not a case ({error})") from error
    if missing:
        raise CommandRejected(f"{path}:{number}: not a case (without {', '.join(sorted(missing))})")
    # `replaces` may be one text or several; the scorer wants several.
    for expectation in case["expect"]:
        if isinstance(expectation.get("replaces"), str):
            expectation["replaces"] = [expectation["replaces"]]
    return case


async def evaluate_extraction(
    client: ApiClient,
    cases: Sequence[dict[str, Any]],
    *,
    run_id: str,
    advance: Callable[[int], None] = lambda done: None,
) -> Report:
    """Say every case to the system, read what it kept, score it, and count what made it."""
    turn = asyncio.Semaphore(CASES_AT_ONCE)

    async def one(case: dict[str, Any]) -> list[dict[str, Any]]:
        async with turn:
            found = await _memories_of(client, case, f"extraction-{case['id']}-{run_id}")
            advance(1)
            return found

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(case)) for case in cases]
    found = [task.result() for task in tasks]
    made_by = Counter(memory["extractor"] for memories in found for memory in memories)
    return msgspec.structs.replace(score(cases, found), extractors=dict(made_by.most_common()))


async def _memories_of(
    client: ApiClient, case: dict[str, Any], user_id: str
) -> list[dict[str, Any]]:
    message = NewMessage(
        content=case["message"],
        created_at=datetime.fromisoformat(case["recorded_at"]),
        external_id=case["id"],
    )
    await client.add_messages([message], user_id=user_id, conversation_id=CONVERSATION, wait=True)
    found = []
    for tier in TIERS:
        async for item in client.list_memories(tier, user_id=user_id, ended=True):
            found.append(await _as_scored(client, tier, item, user_id))
    return found


async def _as_scored(
    client: ApiClient, tier: str, item: dict[str, Any], user_id: str
) -> dict[str, Any]:
    """Return a memory as the scorer takes it; an ended one counts as ended, not as kept."""
    memory = {"tier": tier, "text": item["text"]}
    memory |= {name: item[name] for name in _FIELDS if item.get(name)}
    memory["extractor"] = item["provenance"]["extractor"]
    memory["ended"] = item.get("status", "active") != "active"
    if tier == "knowledge_vault" and not memory["ended"]:
        reason = "evaluation of extraction"
        memory["secret"] = await client.reveal(item["id"], user_id=user_id, reason=reason)
    return memory
