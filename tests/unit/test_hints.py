"""What is told about a name that is not known."""

from __future__ import annotations

import pytest

from events.hints import hint


@pytest.mark.parametrize(
    ("name", "listed_in", "told"),
    [
        ("serch", "", "did you mean search?"),
        ("CHAT", "docs/agents.md", "did you mean chat?"),
        ("attic", "", "there are chat, search, Tool"),
        ("attic", "docs/agents.md", "docs/agents.md lists them"),
        ("tols", "", "did you mean Tool?"),
    ],
)
def test_nearest_name_is_told_else_where_all_are(name: str, listed_in: str, told: str) -> None:
    """Capitals do not matter; names are told as they are written."""
    assert hint(name, ("chat", "search", "Tool"), listed_in) == told
