"""Changes of one memory at once, through two gateways over the real agents: none is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from actors.backend import AgentsBackend
from actors.deciders.changes import change
from actors.effects import Append, Revise
from actors.embedding import HashEmbedder
from actors.local import local_backend
from events.catalogue import MemoryChangeRejected, MemoryChangeRequested
from events.codec import Codec
from events.journal import Journal
from events.memory import SemanticContent
from events.memory_keystore import MemoryKeyStore
from events.memory_log import MemoryLog
from events.sealing import KeyRing
from events.signals import MemorySignals
from projections.tiers import Shelf, evolve
from serve.access import bootstrap, pepper_of
from serve.gateway import build_app
from serve.settings import ServeSettings
from tests.unit.builders import event_of, recorded

KEY = "a-preset-service-key-for-tests"
AT = "/api/v1/memory/semantic"
ALICE = {"user_id": "alice"}


async def _ask_nobody(*_: object) -> None:
    raise AssertionError("there are no agents yet")


@asynccontextmanager
async def two_gateways() -> AsyncIterator[tuple[httpx2.AsyncClient, httpx2.AsyncClient]]:
    """Yield clients of two replicas over one log and its agents."""
    keystore = MemoryKeyStore(b"m" * 32)
    journal = Journal(MemoryLog(0), Codec(KeyRing(keystore)))
    signals = MemorySignals()
    # Before the backend starts: it knows from its first moment what is in the log by then.
    backend_alone = AgentsBackend([journal], signals, _ask_nobody, _ask_nobody)
    await bootstrap(backend_alone, pepper_of(keystore), KEY)
    async with local_backend([journal], signals, HashEmbedder()) as backend:

        def client() -> httpx2.AsyncClient:
            # A replica each: they share nothing but what is behind them.
            app = build_app(ServeSettings(), backend, keystore)
            transport = httpx2.ASGITransport(app=app)
            headers = {"X-API-Key": KEY}
            return httpx2.AsyncClient(
                transport=transport, base_url="http://gateway", headers=headers
            )

        async with client() as one, client() as other:
            yield one, other


async def test_no_acknowledged_field_is_lost_when_many_change_a_memory_at_once() -> None:
    """Four fields, two replicas, many rounds: what was answered with 200 is in the memory."""
    async with two_gateways() as (one, other):
        made = (await one.post(AT, json={"name": "n", "summary": "s", **ALICE})).json()
        at = f"{AT}/{made['id']}"
        for number in range(5):
            patches: list[tuple[httpx2.AsyncClient, dict[str, Any]]] = [
                (one, {"name": f"name {number}"}),
                (other, {"summary": f"summary {number}"}),
                (one, {"details": f"details {number}"}),
                (other, {"source": f"source {number}"}),
                (one, {"tags": [f"t{number}"]}),
            ]
            answers = await asyncio.gather(
                *(client.patch(at, params=ALICE, json=patch) for client, patch in patches)
            )
            now = (await one.get(at, params=ALICE)).json()
            for (_, patch), answer in zip(patches, answers, strict=True):
                assert answer.status_code == 200, answer.text
                for field, value in patch.items():
                    assert answer.json()[field] == value
                    assert now[field] == value
        assert now["revision"] == 1 + 5 * 5


async def test_entry_has_a_secret_that_was_acknowledged_when_captions_change_at_once() -> None:
    """A secret cannot be compared, so the log tells whether its change was made."""
    vault = "/api/v1/memory/knowledge_vault"
    entry = {"entry_type": "password", "caption": "Router", "secret": "one", **ALICE}
    async with two_gateways() as (one, other):
        made = (await one.post(vault, json=entry)).json()
        at = f"{vault}/{made['id']}"
        for number in range(3):
            answers = await asyncio.gather(
                one.patch(at, params=ALICE, json={"caption": f"Router {number}"}),
                other.patch(at, params=ALICE, json={"secret": f"secret {number}"}),
            )
            assert [answer.status_code for answer in answers] == [200, 200]
            revealed = await one.post(f"{at}/reveal", params=ALICE)
            assert revealed.json()["secret"] == f"secret {number}"
            assert (await one.get(at, params=ALICE)).json()["caption"] == f"Router {number}"


async def test_pages_lead_on_when_what_was_listed_is_deleted() -> None:
    """Every memory is listed once, although each page is deleted before the next is asked for."""
    async with two_gateways() as (one, _):
        for number in range(5):
            await one.post(AT, json={"name": f"n{number}", "summary": "s", **ALICE})
        names, cursor = [], ""
        while True:
            query = {**ALICE, "limit": 2, "cursor": cursor}
            page = (await one.get(AT, params=query)).json()
            for item in page["items"]:
                names.append(item["name"])
                gone = await one.delete(f"{AT}/{item['id']}", params=ALICE)
                assert gone.status_code == 204
            cursor = page["next_cursor"]
            if not cursor:
                break
        assert names == [f"n{number}" for number in range(5)]
        for malformed in ("mem_gone", "1.5", "-1", "9" * 20):
            answer = await one.get(AT, params={**ALICE, "cursor": malformed})
            assert answer.status_code == 422


async def test_search_result_names_its_event_when_found() -> None:
    """A message and the memory that a client made: each with the event that recorded it."""
    said = {"messages": [{"role": "user", "content": "The boiler hums."}], **ALICE}
    async with two_gateways() as (one, _):
        await one.post("/api/v1/messages", params={"wait": "true"}, json=said)
        await one.post(AT, json={"name": "boiler", "summary": "Hums at night.", **ALICE})
        body = {"query": "boiler", **ALICE}
        found = (await one.post("/api/v1/memory/search", json=body)).json()["results"]
        assert {"conversation", "semantic"} <= {hit["tier"] for hit in found}
        for hit in found:
            (event_id,) = hit["source"]["event_ids"]
            assert event_id.startswith("evt_")


@pytest.mark.parametrize(
    ("expected", "accepted"), [(0, True), (1, True), (2, False)], ids=["any", "same", "moved"]
)
def test_owner_rejects_a_revision_when_it_rests_on_another_one(
    expected: int, accepted: bool
) -> None:
    """Given a memory at revision 1: a change that expects another is rejected, and says why."""
    shelf = Shelf()
    evolve(shelf, event_of(recorded(SemanticContent(name="n", summary="s"))))
    request = MemoryChangeRequested(
        tier="semantic",
        change="revise",
        memory_id="mem_1",
        content=SemanticContent(name="n", summary="new"),
        expected_revision=expected,
    )
    (effect,) = change(shelf, event_of(request, position=2), request)
    if accepted:
        assert isinstance(effect, Revise)
        return
    assert isinstance(effect, Append)
    assert isinstance(effect.payload, MemoryChangeRejected)
    assert "revision 1" in effect.payload.reason
