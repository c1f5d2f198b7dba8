"""The plumbing of extraction by a model is exact: what the model says is what is remembered."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx2
import pytest

from actors.extraction.scoring import score
from events.memory import TIERS
from tests.asking_path import asking, carried_through, memories_of, scripted
from tests.scripted_model import Script, ScriptedServer, read_gold
from tests.unit.builders import event_of, said

#: A longer file of cases can be put in the place of these.
GOLD = os.environ.get("MIRIX_GOLD", "")


def case(id: str, day: str, message: str, *expect: dict[str, Any]) -> dict[str, Any]:
    kept = {one["tier"] for one in expect}
    return {
        "id": id,
        "lang": id[:2],
        "recorded_at": f"{day}T09:30:00+00:00",
        "message": message,
        "expect": list(expect),
        "forbid": [tier for tier in TIERS if tier not in kept],
    }


CASES = [
    case(
        "en-1",
        "2026-03-04",
        "I'm allergic to walnuts. My new phone number is +44 7700 900123, the old one is gone.",
        {"tier": "core", "must": ["walnut"]},
        {"tier": "knowledge_vault", "must": ["phone"], "secret": "+44 7700 900123"},
    ),
    # The scanner does not know these codes: the model names the words themselves.
    case(
        "en-2",
        "2026-03-04",
        "The code of the boat shed is not 4471 any more but 9035#.",
        {
            "tier": "knowledge_vault",
            "must": ["boat shed"],
            "secret": "9035#",
            "replaces": ["4471"],
        },
    ),
    case(
        "en-3",
        "2026-03-04",
        "Ines moved the rehearsal: not Friday any more, next Tuesday. She plays the oboe.",
        {
            "tier": "episodic",
            "must": ["rehearsal"],
            "occurred_at": "2026-03-10",
            "replaces": "friday",
        },
        {"tier": "semantic", "must": ["ines", "oboe"]},
    ),
    case(
        "en-4",
        "2026-03-04",
        "To wake the printer: 1) hold the green button 2) count to ten 3) feed one sheet. "
        "Manual: https://help.example.org/printer-17",
        {"tier": "procedural", "must": ["printer"], "steps": 3},
        {"tier": "resource", "must": ["printer-17"]},
    ),
    case("en-5", "2026-03-04", "Thanks a lot, have a great evening!"),
    case(
        "zh-1",
        "2026-03-04",
        "我是做陶艺的，上周末去景德镇看了两天窑。",
        {"tier": "core", "must": ["陶艺"]},
        {"tier": "episodic", "must": ["景德镇"], "occurred_at": "2026-02-28/2026-03-01"},
    ),
    case(
        "zh-2",
        "2026-03-04",
        "办公室门禁密码改成 7731#，别再用旧的了。",
        {"tier": "knowledge_vault", "must": ["门禁"], "secret": "7731#"},
    ),
    case(
        "zh-3",
        "2026-03-04",
        "更正一下，阿岚不是会计，她是做审计的。",
        {"tier": "semantic", "must": ["阿岚", "审计"], "replaces": ["会计"]},
    ),
    case(
        "zh-4",
        "2026-03-04",
        "泡面的讲究：先煮面两分钟，再下蛋，最后放调料。",
        {"tier": "procedural", "must": ["泡面"], "steps": 3},
    ),
    case("zh-5", "2026-03-04", "明天会下雨吗？"),
]


def test_what_the_model_says_is_what_is_kept_when_its_output_is_right() -> None:
    """Through masks, prompts, schemas and reconciliation nothing is lost, in both languages."""
    cases = read_gold(Path(GOLD)) if GOLD else CASES
    model = scripted(Script(cases))
    report = score(cases, [memories_of(one, model) for one in cases])
    for language in report.languages.values():
        assert language.wrong_ids == ()
        assert language.secret_leaks == 0
        assert language.replaces_ended == language.replaces_expected


def test_no_secret_is_in_any_prompt_when_all_tiers_are_asked() -> None:
    """Values that the scanner knows never leave, not even to the vault's model."""
    said_to_models: list[str] = []
    secrets = ("+44 7700 900123", "7731#")
    for one in CASES:
        for tier in TIERS:
            _, asked = carried_through(
                asking(tier), event_of(said(one["message"])), scripted(Script(CASES))
            )
            said_to_models += [turn.content for question in asked for turn in question.turns]
    assert said_to_models
    assert not [text for text in said_to_models if any(secret in text for secret in secrets)]


@pytest.fixture(scope="module")
def server() -> Any:
    with ScriptedServer(CASES) as running:
        yield running


def body(tier: str, message: str, *, stream: bool = False) -> dict[str, Any]:
    _, (question, *_) = carried_through(
        asking(tier),  # type: ignore[arg-type]  # a test's literal
        event_of(said(message)),
        lambda asked: '{"memories":[]}',
    )
    messages = [{"role": turn.role, "content": turn.content} for turn in question.turns]
    return {"model": "scripted", "messages": messages, "stream": stream}


def test_the_server_answers_a_tier_when_it_knows_the_text(server: ScriptedServer) -> None:
    """Over HTTP it says what the case expects, and counts the shared prefix as cached."""
    url = f"{server.url}/chat/completions"
    message = CASES[0]["message"]
    first = httpx2.post(url, json=body("core", message)).json()
    second = httpx2.post(url, json=body("knowledge_vault", message)).json()
    assert "walnuts" in first["choices"][0]["message"]["content"]
    assert "⟦phone-1⟧" in second["choices"][0]["message"]["content"]
    assert second["usage"]["prompt_tokens_details"]["cached_tokens"] > 0
    assert second["usage"]["total_tokens"] == (
        second["usage"]["prompt_tokens"] + second["usage"]["completion_tokens"]
    )


def test_the_server_streams_when_it_is_asked_to(server: ScriptedServer) -> None:
    """The pieces of a stream make the same output."""
    asked = body("core", CASES[0]["message"], stream=True)
    told = httpx2.post(f"{server.url}/chat/completions", json=asked).text
    assert told.endswith("data: [DONE]\n\n")
    assert "walnuts" in told
