"""The dialogue in which a model is asked: what all six tiers share, and then the tier's own turn.

Whatever stands before the last turn depends on the text alone, never on the tier: a server that
keeps prefixes (vLLM) then reads the prompt, the conversation and the text once for six questions.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from actors.extraction.masking import CLOSE, OPEN, dotted, masked
from actors.extraction.material import Material
from actors.extraction.outputs import SCHEMAS
from actors.extraction.related import numbered
from actors.models.port import Turn
from actors.prompts import on_one_line, prompt
from events.memory import Tier
from projections.tiers import Memory

SHARED_PROMPT = "extraction/shared@1"
PROMPTS: dict[Tier, str] = {tier: f"extraction/{tier}@1" for tier in SCHEMAS}
#: Of an output that is shown again with its faults.
SHOWN_AGAIN_CHARS_MAX = 2000
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def dialogue(
    tier: Tier, material: Material, piece: str, place: tuple[int, int], memories: tuple[Memory, ...]
) -> tuple[Turn, ...]:
    """Return the turns of a question.

    Args:
        tier: whose memories are wanted.
        material: the text.
        piece: the part of it that is asked about, masked.
        place: which part that is, from 1, and of how many.
        memories: those that it may be about.
    """
    instruction = prompt(PROMPTS[tier]).fill(memories=numbered(memories) or "(none)")
    return (
        Turn(role="system", content=prompt(SHARED_PROMPT).text),
        Turn(role="user", content=shared_block(material, piece, place)),
        Turn(role="user", content=instruction),
    )


def once_more(turns: tuple[Turn, ...], output: str, why: str) -> tuple[Turn, ...]:
    """Return the dialogue with an output that could not be used, and what is wrong with it."""
    *before, last = turns
    content = (
        f"{last.content}\n\n# Your last answer could not be used\n"
        f"{output[:SHOWN_AGAIN_CHARS_MAX]}\n\n"
        f"What is wrong with it: {why}.\nAnswer again, with this mended."
    )
    return (*before, Turn(role="user", content=content))


def shared_block(material: Material, piece: str, place: tuple[int, int] = (1, 1)) -> str:
    """Return the turn with the text: who, when, and what; the same bytes for all six tiers.

    The brackets around the text cannot stand in it (`masking.py`), so nobody can end it early.
    """
    said_at = material.said_at
    lines = [
        _document_line(material)
        if material.document
        else f"A message of the person who is remembered, as: {on_one_line(material.speaker)}",
        f"Time: {said_at:%Y-%m-%d %H:%M}, a {_DAYS[said_at.weekday()]}",
        *_calendar(said_at),
    ]
    if place[1] > 1:
        lines.append(f"This is part {place[0]} of {place[1]}.")
    return "\n".join([*lines, f"{OPEN}text{CLOSE}", piece, f"{OPEN}end of text{CLOSE}"])


def _document_line(material: Material) -> str:
    address = f" ({on_one_line(material.uri)})" if material.uri else ""
    title = on_one_line(dotted(masked(material.title).shown))
    return f"A document that was handed in: {title}{address}"


def _calendar(moment: datetime) -> list[str]:
    """Return the weeks around a moment by their days: models count dates badly."""
    monday = moment.date() - timedelta(days=moment.weekday())
    return [
        f"{name}: Monday {monday + timedelta(days=start)} to Sunday {monday + timedelta(start + 6)}"
        for name, start in (("Last week", -7), ("This week", 0), ("Next week", 7))
    ]
