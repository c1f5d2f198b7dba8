"""Word lists of the rules, written as text: `words("nurse baker pilot")`."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """Return the words of the text as a set."""
    return frozenset(text.split())
