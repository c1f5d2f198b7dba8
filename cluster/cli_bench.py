"""`mirix bench ...`: how fast it is, on scratch logs."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer

from cluster.cli_output import (
    AsJson,
    Data,
    Url,
    open_client,
    out,
    progress_bar,
    quiet_logs,
    run,
    show_json,
    table,
)

Events = Annotated[int, typer.Option(min=100, max=10_000_000, help="Length of the log.")]
People = Annotated[int, typer.Option(min=1, max=1_000_000, help="Of how many people.")]
Directory = Annotated[
    Path | None,
    typer.Option(
        "--directory", exists=True, file_okay=False, help="Disk to measure (default: temporary)."
    ),
]

bench_app = typer.Typer(help="Measure speed.")


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    bench_app.command()(append)
    bench_app.command()(restore)
    bench_app.command("as-of")(as_of)
    bench_app.command()(replay)
    bench_app.command()(rebuild)
    bench_app.command()(search)
    bench_app.command()(chat)
    bench_app.command()(llm)
    app.add_typer(bench_app, name="bench", no_args_is_help=True)


def append(
    as_json: AsJson = False,
    writers: Annotated[int, typer.Option(min=1, max=1024, help="Concurrent writers.")] = 64,
    events: Annotated[int, typer.Option(min=100, help="Events to append in all.")] = 20_000,
    directory: Directory = None,
) -> None:
    """Durable appends a second, on a scratch log: one by one, and from concurrent writers.

    Example: `mirix bench append --json`
    """
    from cluster.bench_append import bench_append_embedded

    figures = run(bench_append_embedded(directory, writers=writers, events=events))
    _show_figures(figures, as_json)


def restore(
    as_json: AsJson = False,
    memories: Annotated[int, typer.Option(min=100, help="Memories of one person.")] = 100_000,
    tail: Annotated[int, typer.Option(min=0, help="Events after the snapshot.")] = 1000,
    directory: Directory = None,
) -> None:
    """Seconds to keep the state of a tier and of the search index, and to restore it at a start.

    Example: `mirix bench restore --memories 10000`
    """
    from cluster.bench_restore import bench_restore

    figures = bench_restore(memories=memories, tail=tail, directory=directory)
    if as_json:
        show_json(figures)
        return
    tier, retrieval = figures["tier"], figures["retrieval"]
    rows = table("what", "tier", "retrieval", title=f"{memories:,} memories, {tail:,} events after")
    for name, figure in retrieval.items():
        rows.add_row(
            name.replace("_", " "), f"{tier[name]:,}" if name in tier else "", f"{figure:,}"
        )
    out.print(rows)


def as_of(
    as_json: AsJson = False,
    events: Annotated[int, typer.Option(min=1000, help="Length of the log.")] = 100_000,
    people: People = 100,
    searches: Annotated[int, typer.Option(min=1, help="Measured, after as many others.")] = 200,
    directory: Directory = None,
) -> None:
    """How long a search of the past takes, at random positions of a scratch log.

    Example: `mirix bench as-of --people 1 --searches 50`
    """
    from cluster.bench_as_of import bench_as_of

    with progress_bar("events and searches", events + 2 * searches) as advance:
        figures = run(
            bench_as_of(directory, events=events, people=people, searches=searches, advance=advance)
        )
    _show_figures(figures, as_json)


def replay(
    as_json: AsJson = False,
    events: Events = 100_000,
    people: People = 1000,
    directory: Directory = None,
) -> None:
    """Replaying a log, against a bare consumer of the same log in the same run, in events/s.

    Example: `mirix bench replay --events 20000`
    """
    from cluster.bench_replay import bench_replay

    with progress_bar("events", events) as advance:
        figures = run(bench_replay(directory, events=events, people=people, advance=advance))
    _show_figures(figures, as_json)


def rebuild(
    as_json: AsJson = False,
    events: Events = 100_000,
    people: People = 1000,
    directory: Directory = None,
) -> None:
    """Rebuilding the six tiers and the search index from a scratch log: time and memory.

    Example: `mirix bench rebuild --events 1000000`
    """
    from cluster.bench_rebuild import bench_rebuild

    with progress_bar("events", events) as advance:
        figures = run(bench_rebuild(directory, events=events, people=people, advance=advance))
    _show_figures(figures, as_json)


def search(
    as_json: AsJson = False,
    memories: Annotated[int, typer.Option(min=10, help="Memories of one person.")] = 100_000,
    small: Annotated[int, typer.Option(min=10, help="Memories of another, to compare.")] = 1000,
    people: Annotated[int, typer.Option(min=0, help="Many people; 0: leave them out.")] = 1000,
    each: Annotated[int, typer.Option(min=10, help="Memories of each of the many.")] = 1000,
    searches: Annotated[int, typer.Option(min=10, help="By one client, and by many.")] = 1000,
    people_searches: Annotated[
        int, typer.Option("--people-searches", min=10, help="Of the many people, in all.")
    ] = 10_000,
    clients: Annotated[int, typer.Option(min=1, max=200, help="At once.")] = 8,
    directory: Directory = None,
) -> None:
    """Searches over HTTP, in milliseconds: of one person with much, of many people with little.

    Example: `mirix bench search --memories 10000 --people 100 --json`

    Each part runs on a scratch system of its own, filled before it starts. `to small` is how many
    times longer the median is than for the small person. `foreign hits` were another person's, and
    there must be none. `first` are each person's first searches, which write the index of words.
    """
    from cluster.bench_search import Plan, bench_search

    quiet_logs()
    plan = Plan(memories, small, people, each, searches, people_searches, clients)
    with progress_bar("memories and searches", plan.steps) as advance:
        figures = bench_search(plan, directory=directory, advance=advance)
    _show_figures(figures, as_json)


def chat(
    provider: Annotated[
        str, typer.Option("--provider", help="OpenAI-compatible, http://HOST:PORT/v1; it echoes.")
    ],
    model: Annotated[str, typer.Option("--model", help="What it calls its model.")] = "echo",
    chats: Annotated[int, typer.Option(min=1, max=100_000, help="At once, each its own.")] = 500,
    at_once: Annotated[int, typer.Option("--at-once", min=1, max=200, help="So many.")] = 16,
    pairs: Annotated[
        int, typer.Option(min=0, max=10_000, help="Ours and the bare provider in turn; 0: none.")
    ] = 200,
    words: Annotated[
        int, typer.Option(min=1, max=1000, help="Of each message of a pair; its answer is as long.")
    ] = 12,
    back_to_back: Annotated[
        bool, typer.Option("--back-to-back", help="Each pair at once, not on a system at rest.")
    ] = False,
    data: Data = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Chats over a provider: lost, doubled, failures in the log, and what our path adds.

    Example: `mirix bench chat --provider http://127.0.0.1:8123/v1 --json`

    Without `--data` or `--url` a system of its own is started with that provider. Times are in
    milliseconds, for whole answers, the first token and between tokens, and for the way from the
    chat agent to the provider alone (`model`); `added` is the difference to the same request sent
    straight to the provider, in turn. With a provider that misbehaves,
    take `--pairs 0`: what it adds by failing is not ours.
    """
    from cluster.bench_chat import bench_chat
    from cluster.model_tables import check_address

    check_address(provider, "--provider")
    system = None
    if data is not None or url is not None:
        # Only who it is and how to be let in; the benchmark has a client of its own.
        client = open_client(data, url)
        system = (client.url, client.api_key)
    with progress_bar("chats", chats + pairs) as advance:
        figures = run(
            bench_chat(
                provider.rstrip("/"),
                model,
                system,
                chats=chats,
                at_once=at_once,
                pairs=pairs,
                words=words,
                back_to_back=back_to_back,
                advance=advance,
            )
        )
    _show_figures(figures, as_json)


def llm(
    as_json: AsJson = False,
    requests: Annotated[int, typer.Option(min=2, max=256, help="Of each way.")] = 16,
    tokens: Annotated[int, typer.Option(min=8, max=1024, help="Of each answer.")] = 128,
) -> None:
    """What Ray Serve, an HTTP endpoint and our gateway cost over vLLM's bare engine, in one run.

    Example: `mirix bench llm --json`

    The handle and the ingress of Ray Serve are told against the engine, `gateway` is told against
    `bare_endpoint`: the same ingress, asked in turn with chats for as many tokens, as many of them
    in the prefix cache.

    Needs vLLM (`make bench-llm` sets it up). It says which model it ran: a tiny one on a CPU, a
    Qwen3 of 14 billion parameters with random weights where there is a GPU.
    """
    from cluster.bench_llm import bench_llm

    quiet_logs()
    # vLLM and Ray write to standard output, where the figures go.
    with redirect_stdout(sys.stderr):
        figures = bench_llm(requests=requests, tokens=tokens)
    if as_json:
        show_json(figures)
        return
    ways = [name for name, figure in figures.items() if isinstance(figure, dict)]
    names = dict.fromkeys(name for way in ways for name in figures[way])
    rows = table("what", *(way.replace("_", " ") for way in ways), title=figures["model"])
    for name in names:
        rows.add_row(name.replace("_", " "), *(str(figures[way].get(name, "")) for way in ways))
    out.print(rows)


def _show_figures(figures: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(figures)
        return
    rows = table("what", "figure")
    for name, figure in figures.items():
        shown = (
            ", ".join(f"{n} {what}" for what, n in figure.items())
            if isinstance(figure, dict)
            else f"{figure:,}"
        )
        rows.add_row(name.replace("_", " "), shown or "none")
    out.print(rows)
