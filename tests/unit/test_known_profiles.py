"""Profiles that the gateway knows without asking: found at once when made, gone when deleted."""

from __future__ import annotations

from tests.life import KEY, system_in_one_process


async def test_profile_is_known_when_made_and_not_when_deleted() -> None:
    """A chat with a deleted profile is refused, however short ago that was."""
    async with system_in_one_process() as life:
        made = await life.send("POST", "/agents/", json={"name": "Ada", "system_prompt": "Hi."})
        tenant = (await life.backend.service_keys()).popitem()[1][1]
        assert await life.backend.is_assistant(0, tenant, made["id"])
        assert not await life.backend.is_assistant(0, "another", made["id"])
        await life.send("DELETE", f"/agents/{made['id']}")
        assert not await life.backend.is_assistant(0, tenant, made["id"])
        answer = await life.http.post(
            f"/api/v1/agents/{made['id']}/chat",
            json={"message": "Hello?", "user_id": "ann"},
            headers={"X-API-Key": KEY},
        )
        assert answer.status_code == 404


async def test_answer_is_in_the_conversation_when_it_was_told() -> None:
    """Whoever has the answer finds it where messages are listed, without naming a position."""
    async with system_in_one_process() as life:
        made = await life.send("POST", "/agents/", json={"name": "Ada", "system_prompt": "Hi."})
        path = f"/agents/{made['id']}"
        for number in range(10):
            body = {"message": f"I have {number} kilns", "user_id": "ann"}
            told = await life.send("POST", f"{path}/chat", json=body)
            shown = await life.send("GET", f"{path}/messages", params={"user_id": "ann"})
            assert shown[-1]["content"] == told["response"]
