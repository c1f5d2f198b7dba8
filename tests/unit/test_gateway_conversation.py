"""`GET /messages`: what was said by a person and to them, now and then."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.fakes.gateway import V1, problem
from tests.unit.fakes.past_gateway import remembering

ALICE = {"user_id": "alice"}
SAID = ["I live in Lisbon.", "I like tea.", "I moved to Porto."]


async def test_messages_come_in_order_of_the_log_page_by_page() -> None:
    """Each page names the next; a conversation, a person and a moment narrow it down."""
    async with remembering() as (gateway, client):
        await gateway.say(client, "alice", *SAID[:2])
        middle = await gateway.end()
        await gateway.say(client, "alice", SAID[2])
        await gateway.say(client, "bob", "I am Bob.")

        async def said(**query: Any) -> tuple[list[str], str, str]:
            answer = await client.get(f"{V1}/messages", params={**ALICE, **query})
            assert answer.status_code == 200, answer.text
            headers = answer.headers
            texts = [one["content"] for one in answer.json()]
            return texts, headers.get("X-Next-Cursor", ""), headers.get("X-As-Of", "")

        texts, cursor, as_of = await said()
        assert (texts, cursor, as_of) == (SAID, "", "")
        texts, cursor, _ = await said(limit=2)
        assert texts == SAID[:2]
        assert await said(limit=2, cursor=cursor) == (SAID[2:], "", "")
        assert await said(as_of=middle) == (SAID[:2], "", str(middle))
        assert await said(as_of="2020-01-01") == ([], "", "0")
        assert await said(conversation_id="another") == ([], "", "")
        assert (await said(user_id="bob"))[0] == ["I am Bob."]


@pytest.mark.parametrize(
    "query",
    [
        {"as_of": "99999"},
        {"as_of": "soon"},
        {"limit": 0},
        {"cursor": -1},
        {"cursor": "x"},
        {"user_id": ""},
        {"conversation_id": "c" * 300},
    ],
    ids=str,
)
async def test_messages_are_refused_when_the_query_is_wrong(query: dict[str, Any]) -> None:
    """The problem names the parameter."""
    async with remembering() as (_, client):
        answer = await client.get(f"{V1}/messages", params={**ALICE, **query})
        assert answer.status_code == 422
        assert next(iter(query)) in problem(answer, 422)["detail"]
