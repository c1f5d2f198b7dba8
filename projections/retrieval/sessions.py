"""Which message follows which: sessions are one conversation on one day (UTC), in log order."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence

from projections.retrieval.columns import NONE, Columns
from projections.retrieval.passage import CONVERSATION, Passage
from projections.retrieval.question import day_number


class Sessions:
    """Keeps `session`, `before` and `after` of a shelf's columns, for the rows of messages.

    Args:
        columns: of the shelf.
        followed: told each row that has another message before it than it had.
    """

    def __init__(self, columns: Columns, followed: Callable[[int], None]) -> None:
        self._columns = columns
        self._followed = followed
        self._numbers: dict[tuple[str, int], int] = {}
        self._chains: dict[int, list[tuple[int, str, int]]] = {}

    def link(self, row: int, passage: Passage) -> None:
        """Put a message into its session."""
        session, chain = self._chain_of(passage)
        self._columns["session"][row] = session
        link = (passage.position, passage.id, row)
        insort(chain, link)
        at = len(chain) - 1 if chain[-1] == link else chain.index(link)
        self._join(chain[at - 1][2] if at else NONE, row)
        self._join(row, chain[at + 1][2] if at + 1 < len(chain) else NONE)

    def link_all(self, passages: Sequence[Passage]) -> None:
        """Put the messages among these into their sessions: one a row, from row 0, in log order."""
        rows: list[int] = []
        sessions: list[int] = []
        befores: list[int] = []
        for row, passage in enumerate(passages):
            if passage.tier == CONVERSATION:
                session, chain = self._chain_of(passage)
                rows.append(row)
                sessions.append(session)
                befores.append(chain[-1][2] if chain else NONE)
                chain.append((passage.position, passage.id, row))
        following = [
            (before, row) for before, row in zip(befores, rows, strict=True) if before != NONE
        ]
        self._columns["session"][rows] = sessions
        self._columns["before"][rows] = befores
        self._columns["after"][[before for before, _ in following]] = [row for _, row in following]

    def unlink(self, row: int, passage: Passage) -> None:
        """Take a message out of its session."""
        self._chains[int(self._columns["session"][row])].remove((passage.position, passage.id, row))
        self._join(int(self._columns["before"][row]), int(self._columns["after"][row]))

    def _chain_of(self, passage: Passage) -> tuple[int, list[tuple[int, str, int]]]:
        key = (passage.conversation, day_number(passage.said_at))
        session = self._numbers.setdefault(key, len(self._numbers))
        return session, self._chains.setdefault(session, [])

    def _join(self, first: int, second: int) -> None:
        if first != NONE:
            self._columns["after"][first] = second
        if second != NONE:
            self._columns["before"][second] = first
            self._followed(second)
