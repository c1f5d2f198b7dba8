"""`mirix ingest | ask | search`: into memory and out of it, over the public HTTP API."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from actors.queries import SearchMethod
from cluster.cli_explain import show_explained, when
from cluster.cli_options import AsOf, each_of
from cluster.cli_output import (
    LONG_WORK_S,
    AsJson,
    Data,
    Url,
    User,
    WrongUse,
    counted,
    err,
    not_blank,
    of_user,
    one_line,
    open_client,
    out,
    progress_bar,
    reached,
    refusal_is_wrong_use,
    run,
    show_json,
    table,
)
from events.errors import CommandRejected
from events.memory import SearchTier

if TYPE_CHECKING:
    from cluster.api_client import ApiClient, Found
    from cluster.ingest import Summary

#: Bad records that are shown one by one; the summary counts the rest.
_BAD_SHOWN_MAX = 50


Paths = Annotated[list[Path], typer.Argument(help="Files or directories.", show_default=False)]
Tiers = Annotated[
    list[str] | None,
    typer.Option(
        "--tier",
        metavar="|".join(get_args(SearchTier)),
        help="Only this; repeatable.",
        callback=each_of(get_args(SearchTier)),
    ),
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100, help="At most so many hits.")]
Method = Annotated[SearchMethod, typer.Option("--method", help="How to search.")]


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    for command in (ingest, ask, search):
        app.command()(command)


def ingest(
    paths: Paths,
    user: User = "default",
    wait: Annotated[bool, typer.Option(help="Return when all can be found.")] = True,
    data: Data = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Put chats and documents into memory; a bad record is told with its line, the rest goes in.

    Reads JSON and JSONL chats (role, content, time), LoCoMo files, Markdown and text. Reading the
    same chat again adds nothing twice.

    Examples: `mirix ingest chat.jsonl --user alice` · `mirix ingest notes/ --json`

    Each conversation of a LoCoMo file becomes a user of its own, `locomo-<sample_id>`.
    """
    import msgspec

    from cluster.records import READABLE, skipped_in

    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise WrongUse(f"no such file or directory: {', '.join(missing)}")
    client = open_client(data, url, patience_s=LONG_WORK_S)
    skipped = {str(path): len(skipped_in(path)) for path in paths}
    summary = run(_ingest(client, paths, user, wait))
    for directory, count in skipped.items():
        if count:
            told = (
                f"{directory}: skipped {counted(count, 'file')} of other kinds (reads {READABLE})"
            )
            err.print(told, style="yellow", markup=False, highlight=False, soft_wrap=True)
    for bad in summary.bad_records[:_BAD_SHOWN_MAX]:
        err.print(str(bad), style="yellow", markup=False, highlight=False, soft_wrap=True)
    if as_json:
        told_too = {
            "seconds": round(summary.seconds, 3),
            "messages_per_s": round(summary.messages_per_s, 1),
            "skipped_files": sum(skipped.values()),
        }
        show_json({**msgspec.to_builtins(summary), **told_too})
    else:
        _show_summary(summary)
    if summary.messages or summary.documents:
        return
    if summary.bad_records:
        raise CommandRejected("nothing went in: every record was bad")
    raise CommandRejected(f"nothing to read in {', '.join(map(str, paths))} (reads {READABLE})")


async def _ingest(client: ApiClient, paths: list[Path], user: str, wait: bool) -> Summary:
    from cluster.ingest import ingest as ingest_lanes
    from cluster.records import files_of, read_file

    lanes = [(str(file), read_file(file)) for path in paths for file in files_of(path)]
    with progress_bar("records") as advance:
        async with reached(client):
            return await ingest_lanes(client, lanes, user_id=user, wait=wait, advance=advance)


def _show_summary(summary: Summary) -> None:
    new = summary.messages - summary.already_there
    parts = f"{new} new, {summary.already_there} already there"
    out.print(
        f"{counted(summary.messages, 'message')} ({parts}) and "
        f"{counted(summary.documents, 'document')} in {summary.seconds:.1f} s "
        f"({summary.messages_per_s:.0f} messages/s), "
        f"{counted(len(summary.bad_records), 'bad record')}"
    )


def ask(
    question: Annotated[str, typer.Argument(help="What to ask.", callback=not_blank)],
    user: User = "default",
    data: Data = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Ask what is remembered; the answer cites the memories that it rests on.

    Example: `mirix ask "Where does Ann live now?" --user alice`
    """
    answer = run(_ask(open_client(data, url), question, user))
    if as_json:
        show_json(answer)
        return
    out.print(answer["response"], markup=False)
    for number, citation in enumerate(answer.get("citations", ()), start=1):
        line = f"  [{number}] {citation['tier']}: {one_line(citation['text'])}"
        out.print(line, style="dim", markup=False, highlight=False)


async def _ask(client: ApiClient, question: str, user: str) -> dict[str, Any]:
    from cluster.asking import ask as ask_assistant

    async with reached(client):
        return await ask_assistant(client, question, user_id=user)


def search(
    query: Annotated[str, typer.Argument(help="What to look for.", callback=not_blank)],
    user: User = "default",
    tier: Tiers = None,
    limit: Limit = 10,
    method: Method = "hybrid",
    as_of: AsOf = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show what each signal adds to a score.")
    ] = False,
    data: Data = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Search the six tiers and the messages themselves, now or as of a moment.

    Examples: `mirix search "green build"` · `mirix search 护照 --tier knowledge_vault --json` ·
    `mirix search "where do I live" --as-of 2026-01-07` · `mirix search "green build" --explain`

    Best first, and distinct first: of a memory and the message that it was drawn from, the one with
    the lower score comes after everything else.
    """
    client = open_client(data, url)
    with refusal_is_wrong_use() if as_of is not None else nullcontext():
        found = run(_search(client, query, user, tier, limit, method, as_of, explain))
    if as_json:
        show_json(found)
        return
    if explain:
        show_explained(found)
    elif found.results:
        _show_found(found)
    if not found.results:
        out.print(f"nothing found {of_user(user)}", markup=False, highlight=False)
    if as_of is not None:
        err.print(f"as of position {found.position}", style="dim", highlight=False)


async def _search(
    client: ApiClient,
    query: str,
    user: str,
    tiers: list[str] | None,
    limit: int,
    method: str,
    as_of: str | None,
    explain: bool,
) -> Found:
    async with reached(client):
        return await client.search(
            query,
            user_id=user,
            tiers=tiers,
            limit=limit,
            search_method=method,
            as_of=as_of,
            explain=explain or None,
        )


def _show_found(found: Found) -> None:
    """Print a table of the hits; on a terminal, where a line is short, an id is below its text."""
    from rich.text import Text

    narrow = out.is_terminal
    rows = table("score", "tier", "when", *(() if narrow else ("id",)), "what")
    for hit in found.results:
        words, id_ = Text(one_line(hit.text)), Text(hit.id, "dim")
        told = (Text.assemble(words, "\n", id_),) if narrow else (id_, words)
        rows.add_row(f"{hit.score:.3f}", hit.tier, when(hit), *told)
    out.print(rows)
