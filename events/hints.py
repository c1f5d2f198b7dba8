"""What to tell about a name that is not known: the one that was meant, or which there are."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def hint(name: str, known: Iterable[str], listed_in: str = "") -> str:
    """Return the second half of an error's line.

    Args:
        name: what was given; capitals do not matter.
        known: the names there are.
        listed_in: what lists them, where they are too many to be told.
    """
    known = tuple(known)
    by_folded = {one.lower(): one for one in known}
    near = get_close_matches(name.lower(), by_folded, n=1)
    if near:
        return f"did you mean {by_folded[near[0]]}?"
    return f"{listed_in} lists them" if listed_in else f"there are {', '.join(known)}"
