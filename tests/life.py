"""A small life, lived through the real gateway and the nine agents in one process.

Two people, English and Chinese, several conversations, corrections, edits by hand, a document,
secrets, answers, searches, tools, assistant profiles: something of all that a log can hold.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from fastapi import FastAPI

from actors.backend import AgentsBackend
from actors.embedding import HashEmbedder
from actors.local import local_backend
from actors.models.settings import ModelSettings
from events.codec import Codec
from events.journal import Journal
from events.memory_keystore import MemoryKeyStore
from events.memory_log import MemoryLog
from events.sealing import KeyRing
from events.signals import MemorySignals
from serve.access import bootstrap, pepper_of
from serve.gateway import build_app
from serve.settings import ServeSettings
from tests.conversation import conversation

KEY = "a-preset-key-for-tests"
PEOPLE = ("alice", "小红")
DOCUMENT = {
    "title": "Kiln handbook",
    "text": "# Firing\n\n1. Load the kiln\n2. Heat to 1040 °C\n3. Cool for a day\n\n"
    "The bisque firing takes nine hours. See https://kiln.example.org/glazes.",
}


async def _nobody(*_: object) -> None:
    raise AssertionError("there are no agents yet")


class Life:
    """A gateway's client, and the journal behind it."""

    def __init__(
        self, app: FastAPI, http: httpx2.AsyncClient, journal: Journal, backend: AgentsBackend
    ) -> None:
        self.app = app
        self.http = http
        self.journal = journal
        self.backend = backend

    async def send(self, method: str, path: str, **parts: Any) -> Any:
        """Send a request that must succeed; return its JSON."""
        answer = await self.http.request(method, f"/api/v1{path}", **parts)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def say(self, user: str, messages: list[dict[str, Any]], talk: str = "talk") -> int:
        """Say something and wait until it is remembered; return its position."""
        body = {"user_id": user, "conversation_id": talk, "messages": messages}
        told = await self.send("POST", "/messages", params={"wait": "true"}, json=body)
        position: int = told["position"]
        return position

    async def memories(self, user: str, tier: str, **query: Any) -> list[dict[str, Any]]:
        """Return a page of a tier."""
        found = await self.send("GET", f"/memory/{tier}", params={"user_id": user, **query})
        items: list[dict[str, Any]] = found["items"]
        return items


@asynccontextmanager
async def system_in_one_process(models: ModelSettings | None = None) -> AsyncIterator[Life]:
    """Run gateway and agents over a log in memory while the context lasts."""
    keystore = MemoryKeyStore(b"m" * 32)
    journal = Journal(MemoryLog(0), Codec(KeyRing(keystore)))
    signals = MemorySignals()
    # Before the backend starts: it knows from its first moment what is in the log by then.
    alone = AgentsBackend([journal], signals, _nobody, _nobody)
    await bootstrap(alone, pepper_of(keystore), KEY)
    async with local_backend([journal], signals, HashEmbedder(), models) as backend:
        app = build_app(ServeSettings(), backend, keystore)
        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app),
            base_url="http://gateway",
            headers={"X-API-Key": KEY},
            timeout=60,
        ) as http:
            yield Life(app, http, journal, backend)


async def live(life: Life, length: int = 36) -> None:
    """Live the life: `length` messages of each person, with everything else in between."""
    for user in PEOPLE:
        lines = conversation(length)
        for start in range(0, length, 6):
            await life.say(user, lines[start : start + 6], f"talk-{start // 12}")
    await _document_and_edits(life, PEOPLE[0])
    await _answers_and_tools(life, PEOPLE[0])


async def _document_and_edits(life: Life, user: str) -> None:
    whose = {"user_id": user}
    await life.send("POST", "/documents", params={"wait": "true"}, json={**DOCUMENT, **whose})
    made = await life.send(
        "POST", "/memory/semantic", json={**whose, "name": "Ann", "summary": "Ann lives in Rome."}
    )
    at = f"/memory/semantic/{made['id']}"
    await life.send("PATCH", at, params=whose, json={"summary": "Ann lives in Oslo."})
    await life.send("DELETE", at, params=whose)
    vault = {"entry_type": "password", "caption": "Router", "secret": "hunter2", **whose}
    entry = await life.send("POST", "/memory/knowledge_vault", json=vault)
    at = f"/memory/knowledge_vault/{entry['id']}"
    await life.send("POST", f"{at}/reveal", params=whose, json={"reason": "test"})
    await life.say(user, [{"role": "user", "content": "I live in Paris."}], "homes")
    await life.say(user, [{"role": "user", "content": "I moved to Lisbon last week."}], "homes")


async def _answers_and_tools(life: Life, user: str) -> None:
    whose = {"user_id": user}
    profile = {"name": "friend", "system_prompt": "Be kind."}
    friend = (await life.send("POST", "/agents/", json=profile))["id"]
    await life.send("PUT", f"/agents/{friend}", json={"description": "A friend."})
    ask = {"message": "Where do I live?", **whose}
    await life.send("POST", f"/agents/{friend}/chat", json=ask)
    search = {"query": "What am I allergic to?", **whose}
    await life.send("POST", "/memory/search", json=search)
    tools = (await life.send("GET", "/tools"))["tools"]
    arguments = {"query": "kiln"}
    await life.send(
        "POST", f"/tools/{tools[0]['name']}/call", json={"arguments": arguments, **whose}
    )
    await life.send("DELETE", f"/agents/{friend}")
