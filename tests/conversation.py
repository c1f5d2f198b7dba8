"""A conversation that touches all six tiers, in English and Chinese, as long as a test needs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

_LINES = (
    "I'm allergic to {thing}, please remember that.",
    "My colleague {name} collects antique {thing} lamps.",
    "We had dinner at {name}'s place yesterday.",
    "The alarm code for the {thing} shed is {code}#.",
    "How to clean the {thing}: 1. rinse it 2. dry it 3. oil it 4. store it",
    "Please keep this for later: https://reads.example.org/{thing}-{number}",
    "{name}昨天来我家吃饭了，聊到{number}点",
    "我对{thing}过敏，点菜的时候注意一下",
    "公司{thing}库的门禁密码是 {code}，别外传",
    "haha thanks, you are the best",
    "I work as a {thing} restorer in Leeds these days.",
    "Small correction, {name} isn't a cook after all, {name} is a baker",
)
_NAMES = ("Zoe", "Bram", "Imke", "小林", "Tomasz", "Noor", "Kofi")
_THINGS = ("walnut", "copper", "mango", "pepper", "cedar", "linen", "barley", "amber", "quartz")


def conversation(length: int) -> list[dict[str, Any]]:
    """Return messages as `POST /messages` takes them, each with an id of its own."""
    return [
        {
            "role": "user",
            "content": _LINES[number % len(_LINES)].format(
                name=_NAMES[number % len(_NAMES)],
                thing=_THINGS[number % len(_THINGS)],
                code=4000 + number,
                number=number,
            ),
            "created_at": (START + timedelta(hours=number)).isoformat(),
            "external_id": f"line-{number}",
        }
        for number in range(length)
    ]
