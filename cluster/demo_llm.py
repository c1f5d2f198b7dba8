"""A language model of our own, from its weights to a chat: `make demo-llm`.

Makes a tiny model with random weights, starts a system with `--llm vllm`, chats, and shows who
answered and what the log keeps of it. The words are noise; the way to them is the real one.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import httpx2

from cluster.api_client import ApiClient
from cluster.asking import ask
from cluster.cli_output import headline, one_line, out, table
from cluster.data_dir import DataDir, SystemRecord
from cluster.operator_key import local_operator_key
from cluster.progress import Progress
from cluster.scratch import scratch_system
from events.errors import MirixError

USER = "demo"
SAID = "Please remember that I live in Lisbon. What do you know about me?"
#: A model of this size needs next to nothing, but a busy processor takes its time.
_TOML = """
[vllm]
kv_cache_gib = 1

[[models]]
name = "vllm"
kind = "vllm"
model = "chat"
rank = 0
first_token_s = 60
deadline_s = 120
context_tokens = 2048
"""
_READ_S = 30.0


class DemoFailed(MirixError):
    """Something was not as it must be."""

    title = "Demo failed"


def must(holds: bool, otherwise: str) -> None:
    """See that something is as it must be.

    Raises:
        DemoFailed: it is not.
    """
    if not holds:
        raise DemoFailed(otherwise)


def show_step(progress: Progress) -> None:
    """Print a step of a start."""
    out.print(f"{progress.seconds:6.1f} s  {progress.step} {progress.url}", highlight=False)


def run() -> None:
    """Run the demo of a model.

    Raises:
        MirixError: something was not as it must be.
    """
    from cluster.doctor_models import refuse_without_vllm
    from cluster.settings import compose
    from cluster.tiny_model import CHAT, make_models

    with tempfile.TemporaryDirectory(prefix="mirix-model-") as scratch:
        headline("A tiny language model with random weights: its words will be noise")
        make_models(Path(scratch))
        model = Path(scratch) / CHAT
        options = ["--llm", "vllm", "--model", str(model)]
        flags = {"llm": "vllm", "llm_model": str(model)}
        refuse_without_vllm(compose({}, data=Path(scratch), flags=flags))
        for file in sorted(model.iterdir()):
            out.print(f"  {file.name:24} {file.stat().st_size:>10,} bytes", highlight=False)
        headline("A system with that model on vLLM, on the same Ray as the agents")
        with scratch_system(show_step, options=options, toml=_TOML) as (directory, record):
            asyncio.run(_chat(directory, record))


async def _chat(directory: DataDir, record: SystemRecord) -> None:
    key = local_operator_key(directory.root)
    async with ApiClient(record.url, key) as client:
        headline("A chat")
        answer = await ask(client, SAID, user_id=USER)
    out.print(f"you:   {SAID}", markup=False, highlight=False)
    noise = one_line(answer["response"]) or "(nothing that can be shown)"
    out.print(f"model: {noise}", markup=False, highlight=False)
    usage = answer["usage"]
    rows = table("answered by", "prompt tokens", "completion tokens")
    rows.add_row(answer["model"], str(usage["prompt_tokens"]), str(usage["completion_tokens"]))
    out.print(rows)
    if answer["model"] == "extractive":
        failed = [event["payload"] for event in await _events(record.url, key, "GenerationFailed")]
        why = "; ".join(f"{one['provider']}: {one['kind']} ({one['detail']})" for one in failed)
        raise DemoFailed(f"the model did not answer, a quotation did: {why or 'it was not asked'}")
    headline("What the log keeps of it: a rebuild, a fork or a replay asks no model again")
    events = await _events(record.url, key, "GenerationCompleted")
    must(bool(events), "no generation is in the log")
    rows = table("position", "event", "purpose", "provider", "model", "prompt", "ms")
    for event in events:
        told = event["payload"]
        # Events leave out what has its default.
        words = [told.get(name, "") for name in ("provider", "model", "prompt")]
        purpose, took = told.get("purpose", "answer"), str(told.get("duration_ms", 0))
        rows.add_row(str(event["position"]), event["type"], purpose, *words, took)
    out.print(rows)
    out.print("The words were noise: the weights are random. With a trained model the way is this.")


async def _events(url: str, key: str, kind: str) -> list[dict[str, Any]]:
    async with httpx2.AsyncClient(
        base_url=url, headers={"X-API-Key": key}, timeout=_READ_S, trust_env=False
    ) as http:
        answer = await http.get("/api/v1/events", params={"type": kind})
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["items"]
        return found
