"""How stepping looks on a terminal: the event, what it changed, the state it left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from rich.text import Text

from actors.past.showing import view_of
from cluster.cli_output import headline, out, table
from cluster.cli_past_show import change_lines, event_text, gist

if TYPE_CHECKING:
    from actors.past.stepping import Stepper


def step_shown(stepper: Stepper) -> dict[str, Any]:
    """Return where a stepper stands as plain values: position, event, changes, error."""
    event = None if stepper.event is None else msgspec.to_builtins(view_of(stepper.event))
    return {
        "position": stepper.position,
        "event": event,
        "changes": [_whole(change) for change in msgspec.to_builtins(stepper.changes)],
        "error": stepper.error,
    }


def _whole(change: dict[str, Any]) -> dict[str, Any]:
    """Return a change with the fields that are at their defaults."""
    return {"before": None, "after": None, "fields": [], **change}


def show_step(stepper: Stepper, hit: str = "") -> None:
    """Print the event that a stepper stands at and what it changed."""
    shown = step_shown(stepper)
    if shown["event"] is None:
        out.print("at the beginning: nothing has happened yet")
        return
    line = event_text(shown["event"])
    if hit:
        line.append(f"  [{hit}]", "yellow")
    out.print(line)
    show_changes(stepper)


def show_changes(stepper: Stepper) -> None:
    """Print what the last step changed."""
    shown = step_shown(stepper)
    for change in shown["changes"]:
        for line in change_lines(change, change["projection"]):
            out.print(Text.assemble("  ", line))
    if shown["error"]:
        out.print(Text(f"  it could not be folded in: {shown['error']}", "red"))


def show_event(stepper: Stepper) -> None:
    """Print the whole event that a stepper stands at."""
    shown = step_shown(stepper)
    if shown["event"] is None:
        out.print("at the beginning: nothing has happened yet")
    else:
        out.print_json(data=shown["event"])


def show_state(stepper: Stepper, name: str = "") -> None:
    """Print what the projections hold of the user; with `name`, one of them alone."""
    for projection, items in stepper.state().items():
        if name not in ("", projection) or not (items or name):
            continue
        headline(f"{projection} ({len(items)})")
        rows = table("id", "position", "status", "what")
        for id_, item in items.items():
            words = Text(gist(item))
            rows.add_row(id_, str(item.get("position", "")), str(item.get("status", "")), words)
        out.print(rows)
    out.print(f"at position {stepper.position} of {stepper.end}", highlight=False)
