"""One thing that `mirix doctor` looked at."""

from __future__ import annotations

from typing import Literal

from events.memory import Value


class Finding(Value, frozen=True, kw_only=True):
    """One thing that was looked at; `remedy` says what to do when it is not ok."""

    what: str
    level: Literal["ok", "warning", "missing"]
    found: str
    remedy: str = ""


def finding(what: str, fine: bool, found: str, remedy: str, *, required: bool = True) -> Finding:
    """Return what was found: ok, or with its remedy missing, or only a warning."""
    if fine:
        return Finding(what=what, level="ok", found=found)
    level: Literal["warning", "missing"] = "missing" if required else "warning"
    return Finding(what=what, level=level, found=found, remedy=remedy)
