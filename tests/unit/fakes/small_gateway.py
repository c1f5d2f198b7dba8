"""A small gateway on a free port: speaks the routes that the command line and the README use."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

KEY = "k-test"
#: The question to which there is no hit.
NOTHING = "nothing"
#: What the one hit says of its signals when it is asked to explain itself.
EXPLAINED = {
    "words": {"value": 0.4, "rank": 3, "weight": 0.3},
    "meaning": {"value": 0.9, "rank": 1, "weight": 1.0},
    "asks": {"value": 1.0, "rank": 1, "weight": -0.3},
    "recent": {"value": 0.0, "rank": 1, "weight": 0.1},
}


class Said:
    """What the server was told."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.documents: list[dict[str, Any]] = []
        self.searches: list[dict[str, Any]] = []
        self.profiles: list[dict[str, Any]] = []


def fake_gateway(said: Said) -> FastAPI:
    app = FastAPI()

    @app.middleware("http")
    async def check_key(request: Request, call_next: Any) -> Any:
        if request.headers.get("X-API-Key") != KEY:
            return JSONResponse({"detail": "this service key is not known"}, 401)
        return await call_next(request)

    @app.post("/api/v1/messages")
    async def messages(request: Request) -> dict[str, Any]:
        body = await request.json()
        said.messages += [{**message, "user": body["user_id"]} for message in body["messages"]]
        return {"position": len(said.messages), "message_ids": []}

    @app.post("/api/v1/documents")
    async def documents(request: Request) -> dict[str, Any]:
        said.documents.append(await request.json())
        return {"position": 1, "document_id": "d"}

    @app.post("/api/v1/memory/search")
    async def search(request: Request) -> dict[str, Any]:
        said.searches.append(await request.json())
        explained = {"explain": EXPLAINED} if said.searches[-1].get("explain") else {}
        hit = {"id": "m", "tier": "core", "text": "Lives in\nLisbon [b]", "score": 0.5}
        when = {"said_at": "2025-03-01T09:00:00Z", "recorded_at": "2026-11-20T09:00:00Z"}
        found = {"search_id": "s", "position": 1}
        if said.searches[-1]["query"] == NOTHING:
            return {**found, "results": []}
        return {**found, "results": [{**hit, **when, "source": {}, **explained}]}

    @app.get("/api/v1/agents/")
    async def profiles() -> list[dict[str, Any]]:
        return said.profiles

    @app.post("/api/v1/agents/", status_code=201)
    async def create(request: Request) -> dict[str, Any]:
        said.profiles.append({**await request.json(), "id": "agt"})
        return said.profiles[-1]

    @app.post("/api/v1/agents/agt/chat")
    async def chat(request: Request) -> dict[str, Any]:
        citation = {"id": "m", "tier": "core", "text": "Lives in Lisbon"}
        return {"response": "In Lisbon.", "citations": [citation], "position": 2}

    return app


@contextmanager
def served(said: Said) -> Iterator[str]:
    """Serve the fake and yield its address."""
    server = uvicorn.Server(uvicorn.Config(fake_gateway(said), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline_s = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline_s, "the fake gateway did not start"
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)
