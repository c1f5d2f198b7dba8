"""Ask the operator's own assistant profile, made when it is first needed."""

from __future__ import annotations

from typing import Any

from cluster.api_client import ApiClient

PROFILE = {
    "name": "mirix",
    "agent_type": "chat",
    "description": "The assistant behind `mirix ask`.",
    "system_prompt": "Answer from memory and cite what the answer rests on.",
}


async def ask(client: ApiClient, question: str, *, user_id: str) -> dict[str, Any]:
    """Return the answer: `response`, `citations`, `usage`, `position`."""
    for profile in await client.assistants():
        if profile["name"] == PROFILE["name"]:
            return await client.chat(profile["id"], question, user_id=user_id)
    made = await client.create_assistant(PROFILE)
    return await client.chat(made["id"], question, user_id=user_id)
