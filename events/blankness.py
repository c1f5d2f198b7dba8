"""Whether a text has anything in it that can be read."""

from __future__ import annotations

from unicodedata import category

#: Spaces, separators of lines and paragraphs, and what only says how others are to be shown.
_UNSEEN = frozenset({"Zs", "Zl", "Zp", "Cf"})


def is_blank(text: str) -> bool:
    """Return whether there is nothing in `text` but blanks and characters without a width."""
    return all(one.isspace() or category(one) in _UNSEEN for one in text)
