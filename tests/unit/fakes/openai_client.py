"""The official OpenAI client of a gateway whose chat agent the test plays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from openai import AsyncOpenAI

from serve.settings import ServeSettings
from tests.unit.fakes.scripted_chat import KEY, ScriptedChat, scripted

TEXT = "You live in Oslo [1]."
ASK: Any = [{"role": "user", "content": "Where do I live?"}]


class Served:
    """What a test needs: the chat agent to play, the official client, and a plain one."""

    def __init__(self, chat: ScriptedChat, http: httpx2.AsyncClient) -> None:
        self.chat = chat
        self.http = http
        self.client = AsyncOpenAI(api_key=KEY, base_url=f"{chat.url}/v1", max_retries=0)

    def ask(self, **fields: Any) -> asyncio.Task[Any]:
        """Ask in the background."""
        asked = {"model": "mirix", "messages": ASK, **fields}
        return asyncio.create_task(self.client.chat.completions.create(**asked))


@asynccontextmanager
async def served(settings: ServeSettings | None = None) -> AsyncIterator[Served]:
    async with scripted(settings) as (chat, http):
        one = Served(chat, http)
        async with one.client:
            yield one
