"""Consolidation over HTTP: what is merged, fades and comes back, with the real nine agents."""

from __future__ import annotations

from typing import Any

import pytest

from actors.names import AGENTS, PROJECTION_OF, Agent
from actors.past.queries import AskFork, ForkReport
from actors.queries import GetState, StateView
from projections.base import Projection, state_hash
from projections.retrieval_projection import RetrievalProjection
from projections.tiers import TierProjection
from tests.life import Life, system_in_one_process

ANN: dict[str, str] = {"user_id": "ann"}
TWICE = (
    "My colleague Bram collects antique copper lamps.",
    "My colleague Bram often collects antique copper lamps.",
)
#: With these everything fades at once that may.
ALL_FADES = {"fade_below": 1, "fade_age_min_days": 0}


async def tell(life: Life, *texts: str) -> None:
    """Let Ann say something, each in a message of its own."""
    for text in texts:
        message = {"role": "user", "content": text, "created_at": "2026-03-02T09:00:00Z"}
        await life.say("ann", [message])


async def consolidated(life: Life, **form: Any) -> dict[str, Any]:
    """Consolidate Ann's memories; return what the answer says."""
    found: dict[str, Any] = await life.send("POST", "/memory/consolidate", json={**ANN, **form})
    assert found["pending"] == []
    return found


async def undone(life: Life, consolidation_id: str) -> dict[str, Any]:
    """Undo a consolidation of Ann's."""
    path = f"/memory/consolidate/{consolidation_id}/undo"
    found: dict[str, Any] = await life.send("POST", path, params=ANN)
    return found


def steps_of(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Return tier and change of each step."""
    return [(tier["tier"], step["change"]) for tier in found["tiers"] for step in tier["steps"]]


async def texts_of(life: Life, tier: str, **query: Any) -> dict[str, str]:
    """Return the texts of a tier with how they stand."""
    found = await life.memories("ann", tier, **query)
    return {item["text"]: item["status"] for item in found}


async def found_by(life: Life, words: str) -> list[dict[str, Any]]:
    """Return the semantic memories that a search finds."""
    body = {**ANN, "query": words, "tiers": ["semantic"]}
    found: list[dict[str, Any]] = (await life.send("POST", "/memory/search", json=body))["results"]
    return found


async def check_states(life: Life) -> None:
    """See that tiers and index are what the log gives."""
    rebuilt: dict[Agent, Projection] = {
        agent: RetrievalProjection() if agent == "search" else TierProjection(PROJECTION_OF[agent])  # type: ignore[arg-type]  # the other six hold tiers
        for agent in AGENTS
        if agent not in ("chat", "tool")
    }
    end = await life.journal.last_position()
    async for event in life.journal.read(0, end):
        for projection in rebuilt.values():
            projection.apply(event)
    for agent, projection in rebuilt.items():
        live: StateView = await life.backend.ask(0, agent, GetState(), min_position=end)
        assert live.state_hash == state_hash(projection), agent


async def test_telling_twice_is_merged_found_once_and_undone() -> None:
    """The richer stays, with the sources of both; undone, both hold again as before."""
    async with system_in_one_process() as life:
        await tell(life, *TWICE)
        before = await life.memories("ann", "semantic")
        assert len(before) == 2
        found = await consolidated(life)
        assert steps_of(found) == [("semantic", "merge")]
        (step,) = [step for tier in found["tiers"] for step in tier["steps"]]
        assert step["into"] == before[1]["id"]
        assert await texts_of(life, "semantic") == {TWICE[1]: "active"}
        assert await texts_of(life, "semantic", ended="true") == {
            TWICE[0]: "merged",
            TWICE[1]: "active",
        }
        (hit,) = await found_by(life, "antique lamps")
        sources = [one["provenance"]["message_ids"][0] for one in before]
        assert set(hit["source"]["message_ids"]) == set(sources)
        await check_states(life)
        assert steps_of(await consolidated(life)) == []

        told = await undone(life, found["consolidation_id"])
        assert (told["undone"], told["left"]) == (1, 0)
        after = await life.memories("ann", "semantic")
        assert [one["id"] for one in after] == [one["id"] for one in before]
        assert after[1] == before[1]
        assert len(await found_by(life, "antique lamps")) == 2
        await check_states(life)
        # Somebody decided that both are to hold: the next pass leaves them alone.
        assert steps_of(await consolidated(life)) == []


async def test_dry_run_tells_and_changes_nothing() -> None:
    """The steps are those of the run that follows; there is nothing to undo."""
    async with system_in_one_process() as life:
        await tell(life, *TWICE)
        dry = await consolidated(life, dry_run=True)
        assert (dry["dry_run"], steps_of(dry)) == (True, [("semantic", "merge")])
        assert len(await life.memories("ann", "semantic")) == 2
        refused = await life.http.post(
            f"/api/v1/memory/consolidate/{dry['consolidation_id']}/undo", params=ANN
        )
        assert refused.is_client_error
        assert "dry run" in refused.json()["detail"]
        assert steps_of(await consolidated(life)) == steps_of(dry)


async def test_faded_memories_rest_and_come_back_one_by_one_or_all() -> None:
    """Out of lists and searches, still to be restored; core memory does not fade."""
    async with system_in_one_process() as life:
        await tell(life, "I work as a baker in Leeds.", *TWICE)
        found = await consolidated(life, tiers=["core", "semantic"], limits=ALL_FADES)
        assert steps_of(found) == [("semantic", "merge")]
        found = await consolidated(life, tiers=["core", "semantic"], limits=ALL_FADES)
        assert steps_of(found) == [("semantic", "forget")]
        assert len(await life.memories("ann", "core")) == 1
        assert await texts_of(life, "semantic") == {}
        assert await found_by(life, "antique lamps") == []
        (faded,) = [
            one
            for one in await life.memories("ann", "semantic", ended="true")
            if one["status"] == "forgotten"
        ]
        at = f"/memory/semantic/{faded['id']}"
        again = await life.send("POST", f"{at}/restore", params=ANN)
        assert (again["status"], again["revision"]) == ("active", faded["revision"] + 1)
        (hit,) = await found_by(life, "antique lamps")
        assert hit["id"] == faded["id"]
        await check_states(life)
        history = await life.send("GET", f"{at}/history", params=ANN)
        kinds = [entry["kind"] for entry in history["entries"]]
        assert [kind for kind in kinds if kind in ("forgotten", "restored")] == [
            "forgotten",
            "restored",
        ]
        told = await undone(life, found["consolidation_id"])
        assert [(step["undone"], step["why"]) for step in told["steps"]] == [
            (False, "it holds already")
        ]


async def test_superseded_memory_holds_again_when_it_is_restored() -> None:
    """By hand, whatever ended it; what holds, or is gone for good, cannot be restored."""
    async with system_in_one_process() as life:
        await tell(life, "I live in Paris.", "I moved to Lisbon last week.")
        (old,) = [
            one
            for one in await life.memories("ann", "core", ended="true")
            if one["status"] == "superseded"
        ]
        path = f"/api/v1/memory/core/{old['id']}"
        first = await life.http.post(f"{path}/restore", params=ANN)
        assert first.status_code == 200
        assert first.headers["X-Event-Seq"].isdigit()
        assert (first.json()["status"], first.json()["valid_to"]) == ("active", None)
        blocks = await life.send("GET", "/memory/core/blocks", params=ANN)
        assert any(old["id"] in block["memory_ids"] for block in blocks["blocks"])
        assert (await life.http.post(f"{path}/restore", params=ANN)).status_code == 422
        assert (await life.http.delete(path, params=ANN)).status_code == 204
        assert (await life.http.post(f"{path}/restore", params=ANN)).status_code == 404
        await check_states(life)


async def test_undo_leaves_what_was_changed_since_and_says_why() -> None:
    """A memory that somebody forgot for good in the meantime stays forgotten."""
    async with system_in_one_process() as life:
        await tell(life, *TWICE)
        found = await consolidated(life)
        (step,) = [step for tier in found["tiers"] for step in tier["steps"]]
        (merged,) = step["memory_ids"]
        await life.send("DELETE", f"/memory/semantic/{merged}", params=ANN)
        told = await undone(life, found["consolidation_id"])
        assert (told["undone"], told["left"]) == (0, 1)
        assert told["steps"][0]["why"] == "it was forgotten for good since, and is only in the log"


async def test_tags_taken_over_are_given_back_when_undone() -> None:
    """A revision is undone by the words and tags before it, as long as nobody else revised."""
    async with system_in_one_process() as life:
        for text, tag in zip(TWICE, ("home", "work"), strict=True):
            message = {"role": "user", "content": text, "tags": [tag]}
            await life.say("ann", [message])
        before = await life.memories("ann", "semantic")
        found = await consolidated(life)
        assert steps_of(found) == [("semantic", "revise"), ("semantic", "merge")]
        (kept,) = await life.memories("ann", "semantic")
        assert kept["tags"] == ["work", "home"]
        told = await undone(life, found["consolidation_id"])
        assert (told["undone"], told["left"]) == (2, 0)
        after = await life.memories("ann", "semantic")
        assert [one["tags"] for one in after] == [one["tags"] for one in before]
        await check_states(life)


async def test_past_and_fork_tell_a_consolidation_as_it_was() -> None:
    """Before it both held; a fork over it differs in nothing; why names what was taken in."""
    async with system_in_one_process() as life:
        await tell(life, *TWICE)
        before = await life.journal.last_position()
        (step,) = [s for tier in (await consolidated(life))["tiers"] for s in tier["steps"]]
        then = await life.memories("ann", "semantic", as_of=str(before))
        assert [one["status"] for one in then] == ["active", "active"]
        changes = await life.send(
            "GET", "/timeline/diff", params={**ANN, "from": str(before), "tier": "semantic"}
        )
        assert [one["kind"] for one in changes["changes"]] == ["merged"]
        (merged,) = step["memory_ids"]
        why = await life.send("GET", f"/memory/semantic/{step['into']}/why", params=ANN)
        assert (why["superseded"], len(why["sources"])) == ([merged], 2)
        history = await life.send("GET", f"/memory/semantic/{merged}/history", params=ANN)
        last = history["entries"][-1]
        assert (last["kind"], last["memory"]["text"]) == ("merged", TWICE[0])
        kinds = frozenset({"UserRegistered"})
        (user,) = [event.user async for event in life.journal.read(kinds=kinds)]
        for at in (0, before):
            forked: ForkReport = await life.backend.ask_past(0, AskFork(user=user, at=at))
            assert (forked.parked, forked.difference.changes) == (0, ())


async def test_request_without_waiting_is_shown_later_and_dreaming_is_the_same() -> None:
    """202 with the place in the log; MIRIX's own way asks for all six tiers."""
    async with system_in_one_process() as life:
        await tell(life, *TWICE)
        accepted = await life.http.post(
            "/api/v1/memory/consolidate", json={**ANN, "dry_run": True, "wait": False}
        )
        assert accepted.status_code == 202
        told = accepted.json()
        assert accepted.headers["X-Event-Seq"] == str(told["position"])
        await life.backend.wait_handled(0, told["position"])
        path = f"/memory/consolidate/{told['consolidation_id']}"
        assert steps_of(await life.send("GET", path, params=ANN)) == [("semantic", "merge")]
        dreamt = await life.send(
            "POST", "/memory/auto_dream", params=ANN, json={"mode": "full", "dry_run": True}
        )
        assert len(dreamt["tiers"]) == 6
        assert steps_of(dreamt) == [("semantic", "merge")]
        assert (await life.http.get(f"/api/v1{path}", params={"user_id": "bo"})).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"limits": {"half_life_days": 0}},
        {"limits": {"halflife": 1}},
        {"tiers": ["all"]},
        {"tiers": []},
        {"dryrun": True},
    ],
)
async def test_request_is_refused_when_it_means_nothing(wrong: dict[str, Any]) -> None:
    """Nothing is consolidated by guess."""
    async with system_in_one_process() as life:
        refused = await life.http.post("/api/v1/memory/consolidate", json={**ANN, **wrong})
        assert refused.status_code == 422
