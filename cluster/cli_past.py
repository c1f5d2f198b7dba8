"""`mirix list | history | why | diff`: memory now and then, over the public HTTP API."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from cluster.cli_options import AsOf, Tiers, checked_moment
from cluster.cli_output import (
    AsJson,
    Data,
    Url,
    User,
    WrongUse,
    err,
    of_user,
    one_line,
    open_client,
    out,
    reached,
    refusal_is_wrong_use,
    run,
    show_json,
    table,
)
from events.memory import Tier
from events.moments import moment_of

if TYPE_CHECKING:
    from cluster.api_client_past import PastClient

#: As many as `mirix list` shows when it is told so.
LIMIT_MAX = 100_000
_ID = re.compile(r"[\w-]{1,128}", re.ASCII)


#: What can be listed: a tier, or what is beside the tiers.
What: TypeAlias = Literal[Tier, "blocks", "messages", "assistants"]


def _id_of_memory(text: str) -> str:
    if not _ID.fullmatch(text):
        raise typer.BadParameter(f"{text[:80]!r} is not the id of a memory (mem_...)")
    return text


MemoryId = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="The id of a memory, e.g. from `mirix list`.", callback=_id_of_memory
    ),
]


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    app.command("list")(list_)
    for command in (history, why, diff):
        app.command()(command)


def list_(
    what: Annotated[What, typer.Argument(help="A tier, or what is beside the tiers.")],
    user: User = "default",
    as_of: AsOf = None,
    limit: Annotated[int, typer.Option(min=1, max=LIMIT_MAX, help="At most so many.")] = 50,
    ended: Annotated[
        bool, typer.Option("--ended", help="Memories that no longer hold, too.")
    ] = False,
    data: Data = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List what is remembered, now or as of a moment, oldest first.

    Examples: `mirix list semantic --user alice` · `mirix list blocks --as-of 2026-01-07` ·
    `mirix list messages --as-of 120 --json`
    """
    client = open_client(data, url)
    with refusal_is_wrong_use():
        # One more than are shown: so it is known whether there are more.
        found = run(_list(client, what, user, as_of, limit + 1, ended))
    shown = found if what == "blocks" else found[:limit]
    if len(shown) < len(found):
        err.print(
            f"there are more than these {limit}, which are the oldest: see them with --limit "
            f"(at most {LIMIT_MAX})",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )
    if as_json:
        show_json(shown)
        return
    if any(block["value"] for block in shown) if what == "blocks" else shown:
        _SHOWN.get(what, _show_memories)(shown)
    else:
        out.print(_nothing(what, user), markup=False, highlight=False)
    if client.as_of is not None:
        err.print(f"as of position {client.as_of}", style="dim", highlight=False)


async def _list(
    client: PastClient, what: What, user: str, as_of: str | None, limit: int, ended: bool
) -> list[dict[str, Any]]:
    async with reached(client):
        match what:
            case "blocks":
                return await client.blocks(user_id=user, as_of=as_of)
            case "messages":
                return await client.messages(user_id=user, as_of=as_of, limit=limit)
            case "assistants":
                return await client.profiles(as_of=as_of, limit=limit)
            case _:
                return await client.memories(
                    what, user_id=user, as_of=as_of, limit=limit, ended=ended
                )


def _nothing(what: What, user: str) -> str:
    match what:
        case "assistants":
            return "there are no assistants"
        case "messages":
            return f"nothing was said {of_user(user)}"
        case _:
            return f"nothing is remembered in {what} {of_user(user)}"


def _show_memories(found: list[dict[str, Any]]) -> None:
    from rich.text import Text

    rows = table("id", "position", "when", "status", "what")
    for item in found:
        when = item.get("occurred_at") or str(item["recorded_at"])[:10]
        words = Text(one_line(item["text"]))
        rows.add_row(item["id"], str(item["position"]), when, item["status"], words)
    out.print(rows)


def _show_blocks(found: list[dict[str, Any]]) -> None:
    from rich.text import Text

    for block in found:
        out.print(Text(f"{block['block']} ({len(block['value'])} characters)", "bold"))
        out.print(Text(block["value"] or "empty"))


def _show_messages(found: list[dict[str, Any]]) -> None:
    from rich.text import Text

    rows = table("position", "when", "who", "said")
    for item in found:
        when = str(item["created_at"])[:16].replace("T", " ")
        who = Text(item["name"] or item["role"])
        rows.add_row(str(item["position"]), when, who, Text(one_line(item["content"])))
    out.print(rows)


def _show_assistants(found: list[dict[str, Any]]) -> None:
    from rich.text import Text

    rows = table("id", "name", "type", "description")
    for item in found:
        about = Text(item["description"])
        rows.add_row(item["id"], Text(item["name"]), Text(item["agent_type"]), about)
    out.print(rows)


_SHOWN = {
    "blocks": _show_blocks,
    "messages": _show_messages,
    "assistants": _show_assistants,
}


def history(
    memory_id: MemoryId,
    user: User = "default",
    data: Data = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show every event that made, changed, ended, restored or read a memory.

    Example: `mirix history mem_abc --user alice`
    """
    client = open_client(data, url)
    with refusal_is_wrong_use():
        found = run(_history(client, memory_id, user))
    if as_json:
        show_json(found)
        return
    from rich.text import Text

    from cluster.cli_past_show import gist, when

    rows = table("position", "when", "what happened", "event", "by", "")
    for entry in found["entries"]:
        event = entry["event"]
        words = Text(gist(entry.get("memory") or event["payload"]))
        told = (str(event["position"]), when(event), entry["kind"], event["type"])
        rows.add_row(*told, event["producer"], words)
    out.print(rows)


async def _history(client: PastClient, memory_id: str, user: str) -> dict[str, Any]:
    async with reached(client):
        tier = await client.tier_of(memory_id, user_id=user)
        return await client.history(tier, memory_id, user_id=user)


def why(
    memory_id: MemoryId,
    user: User = "default",
    data: Data = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show why a memory is there: from the first message over the events to it, and its readers.

    Example: `mirix why mem_abc --user alice`
    """
    client = open_client(data, url)
    with refusal_is_wrong_use():
        found = run(_why(client, memory_id, user))
    if as_json:
        show_json(found)
        return
    from cluster.cli_past_show import why_tree

    out.print(why_tree(found))


async def _why(client: PastClient, memory_id: str, user: str) -> dict[str, Any]:
    async with reached(client):
        tier = await client.tier_of(memory_id, user_id=user)
        return await client.why(tier, memory_id, user_id=user)


def diff(
    start: Annotated[
        str,
        typer.Option(
            "--from",
            help="A position, or a time (ISO 8601; no zone: UTC).",
            callback=checked_moment,
        ),
    ],
    end: Annotated[
        str | None,
        typer.Option("--to", help="The other moment; left out: now.", callback=checked_moment),
    ] = None,
    user: User = "default",
    tier: Tiers = None,
    data: Data = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show what was added, changed, ended or restored between two moments.

    Examples: `mirix diff --from 120 --to 400 --user alice` ·
    `mirix diff --from 2026-01-07 --tier semantic --json`
    """
    _check_order(start, end)
    client = open_client(data, url)
    with refusal_is_wrong_use():
        found = run(_diff(client, start, end, user, tier or []))
    if as_json:
        show_json(found)
        return
    from cluster.cli_past_show import change_lines

    for change in found["changes"]:
        for line in change_lines(change, change["tier"]):
            out.print(line)
    out.print(_totals(found, user), markup=False, highlight=False)


async def _diff(
    client: PastClient, start: str, end: str | None, user: str, tiers: list[str]
) -> dict[str, Any]:
    async with reached(client):
        return await client.difference(start, end, user_id=user, tiers=tiers)


def _check_order(start: str, end: str | None) -> None:
    """Refuse two positions, or two times, in the wrong order; of one of each the log tells.

    Raises:
        WrongUse: the first is after the second.
    """
    match moment_of(start), None if end is None else moment_of(end):
        case int(first), int(last):
            is_wrong = first > last
        case datetime() as begin, datetime() as until:
            is_wrong = begin > until
        case _:
            is_wrong = False
    if is_wrong:
        raise WrongUse(f"--from {start} is after --to {end}; exchange the two")


def _totals(found: dict[str, Any], user: str) -> str:
    told = [
        f"{tier}: " + ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
        for tier, kinds in found["counts"].items()
        if any(kinds.values())
    ]
    where = f"positions {found['start']} to {found['end']}"
    return f"{where}: {'; '.join(told) or f'nothing differs {of_user(user)}'}"
