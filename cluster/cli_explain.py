"""`mirix search --explain`: what each signal says of a hit, and what that adds to its score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.text import Text

from cluster.cli_output import counted, err, one_line, out, table

if TYPE_CHECKING:
    from cluster.api_client import Found, Hit, Signal

_INDENT = 4


def when(hit: Hit) -> str:
    """Return the date that a hit speaks of, or when it was said."""
    return hit.occurred_at or (hit.said_at or "")[:10]


def show_explained(found: Found) -> None:
    """Print each hit with a table of its signals, what adds (or takes) most first."""
    for number, hit in enumerate(found.results, start=1):
        head = f"{number}. {hit.score:.3f} {hit.tier} {when(hit)}".rstrip() + f" {hit.id}"
        out.print(Text(head, style="bold"), Text(one_line(hit.text)))
        if hit.explain is not None:
            _show_signals(hit.explain)
        out.print()
    if found.results and all(hit.explain is None for hit in found.results):
        err.print("only the method hybrid weighs signals", style="dim", highlight=False)


def _show_signals(signals: dict[str, Signal]) -> None:
    """Print the signals that say something; a value of 0 adds nothing, whatever its weight."""
    said = {name: signal for name, signal in signals.items() if signal.value}
    rows = table("signal", "value", "rank", "weight", "adds")
    for column in rows.columns[1:]:
        column.justify = "right"
    for name, signal in sorted(said.items(), key=lambda item: -abs(_adds(item[1]))):
        numbers = (f"{signal.value:.3f}", str(signal.rank), f"{signal.weight:.2f}")
        rows.add_row(name, *numbers, f"{_adds(signal):+.3f}")
    out.print(Padding(rows, (0, 0, 0, _INDENT), expand=False))
    silent = len(signals) - len(said)
    if silent:
        told = f"{counted(silent, 'signal')} of value 0"
        out.print(Padding(Text(told, style="dim"), (0, 0, 0, _INDENT), expand=False))


def _adds(signal: Signal) -> float:
    return signal.value * signal.weight
