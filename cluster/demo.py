"""The main job from start to stop: `make demo`.

Starts a system in a temporary directory, puts in a conversation and a document, shows what each
tier holds, asks five questions, kills an agent and shows it back with the same state, rebuilds all
projections from the log, and stops. Any difference ends it with an error.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import psutil

from actors.queries import StateView
from cluster import demo_llm
from cluster.api_client import ApiClient
from cluster.asking import ask
from cluster.cli_output import counted, err, headline, out, quiet_logs, table
from cluster.data_dir import DataDir, SystemRecord
from cluster.ingest import ingest
from cluster.operator_key import local_operator_key
from cluster.presence import resident_mb
from cluster.rebuilding import rebuild_shard
from cluster.records import read_file
from cluster.scratch import scratch_system
from events.errors import MirixError
from events.memory import TIERS

DATA = Path(__file__).parent / "demo_data"
USER = "demo"
VICTIM = "semantic_memory"
QUESTIONS = (
    "Where does Nora live?",
    "How do I calibrate the salinity probe?",
    "How long does a bisque firing take?",
    "小雨对什么过敏?",
    "弟弟的咖啡馆叫什么?",
)
BACK_S_MAX = 30.0
SHOWN_MAX = 4


def main(arguments: Sequence[str] = ()) -> int:
    """Run the demo, with `--llm` the one of a model; return 0 when all was as it must be."""
    quiet_logs()
    started_s = time.monotonic()
    try:
        if "--llm" in arguments:
            demo_llm.run()
        else:
            _run()
    except MirixError as error:
        err.print(f"demo: {error.message}", style="red", markup=False, soft_wrap=True)
        return 1
    headline("Stopped")
    out.print(f"nothing is left running; {time.monotonic() - started_s:.0f} s in all")
    return 0


def _run() -> None:
    headline("A system of its own, in a temporary directory")
    with scratch_system(demo_llm.show_step) as (directory, record):
        asyncio.run(_tour(directory, record))


async def _tour(directory: DataDir, record: SystemRecord) -> None:
    async with ApiClient(record.url, local_operator_key(directory.root)) as client:
        await _ingest(client)
        await _show_tiers(client)
        await _ask_questions(client)
        await _kill_and_recover(client)
        await _rebuild(client, directory, record)
    headline("Memory of the whole system")
    out.print(f"{resident_mb(record):.0f} MB resident")


async def _ingest(client: ApiClient) -> None:
    headline("A conversation and a document go in")
    files = sorted(DATA.glob("*.jsonl")) + sorted(DATA.glob("*.md"))
    lanes = [(str(file), read_file(file)) for file in files]
    summary = await ingest(client, lanes, user_id=USER)
    demo_llm.must(
        not summary.bad_records, f"bad records: {[str(bad) for bad in summary.bad_records]}"
    )
    out.print(
        f"{counted(summary.messages, 'message')} and {counted(summary.documents, 'document')} "
        "handled by nine agents "
        f"in {summary.seconds:.1f} s"
    )


async def _show_tiers(client: ApiClient) -> None:
    headline("What each tier now holds")
    rows = table("tier", "memories", "some of them")
    for tier in TIERS:
        found = [item async for item in client.list_memories(tier, user_id=USER)]
        demo_llm.must(bool(found), f"tier {tier} is empty")
        texts = (" ".join(item["text"].split())[:90] for item in found[:SHOWN_MAX])
        rows.add_row(tier, str(len(found)), "\n".join(texts))
    out.print(rows)


async def _ask_questions(client: ApiClient) -> None:
    headline("Five questions")
    for question in QUESTIONS:
        answer = await ask(client, question, user_id=USER)
        demo_llm.must(bool(answer["citations"]), f"no citation for: {question}")
        out.print(f"[bold]{question}[/bold]")
        out.print(answer["response"].strip(), markup=False)
        cited = (f"{item['tier']}:{item['id'][:12]}" for item in answer["citations"][:3])
        out.print(f"  cites {', '.join(cited)}\n", style="dim", highlight=False)


async def _kill_and_recover(client: ApiClient) -> None:
    headline(f"kill -9 of the agent {VICTIM}")
    before = await _state_of(client, VICTIM)
    psutil.Process(before.pid).send_signal(signal.SIGKILL)
    killed_s = time.monotonic()
    async with asyncio.timeout(BACK_S_MAX):
        after = await _state_of(client, VICTIM)
        while after.pid == before.pid or after.position < before.position:
            await asyncio.sleep(0.2)
            after = await _state_of(client, VICTIM)
    rows = table("", "pid", "position", "state hash")
    for name, state in (("before", before), ("after", after)):
        rows.add_row(name, str(state.pid), str(state.position), state.state_hash[:32])
    out.print(rows)
    demo_llm.must(before.state_hash == after.state_hash, "the agent came back with another state")
    out.print(f"back with the same state after {time.monotonic() - killed_s:.1f} s")


async def _state_of(client: ApiClient, agent: str) -> StateView:
    """Return an agent's state; the gateway is asked again while the agent restarts."""
    async with asyncio.timeout(BACK_S_MAX):
        while True:
            status: dict[str, Any] = await client.status(hashes=True)
            for item in status["agents"]:
                if item["agent"] == agent and item.get("state"):
                    return msgspec.convert(item["state"], StateView)
            await asyncio.sleep(0.2)


async def _rebuild(client: ApiClient, directory: DataDir, record: SystemRecord) -> None:
    headline("All projections rebuilt from the log")
    done = await rebuild_shard(client, directory, record, shard=0, dry_run=True)
    compared = [one.comparison for one in done]
    rows = table("projection", "position", "live", "rebuilt", "")
    for item in compared:
        mark = "equal" if item.is_equal else "DIFFERS"
        hashes = (item.live_hash[:16], item.rebuilt_hash[:16])
        rows.add_row(item.projection, str(item.position), *hashes, mark)
    out.print(rows)
    wrong = [item.projection for item in compared if not item.is_equal]
    demo_llm.must(not wrong and len(compared) > 0, f"not what the log says: {', '.join(wrong)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
