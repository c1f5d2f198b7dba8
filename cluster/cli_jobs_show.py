"""How jobs look on a terminal: what one tells while it works, and what came of it.

Ray keeps one log for all attempts at a job and writes lines of its own into it; who waits for a job
is shown what this attempt says of its work, and its result once, at the end.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from cluster.cli_output import table

_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
#: What Ray writes begins with a time, or with the process that it is of.
_OF_RAY = re.compile(
    r"\[?\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d|\((?:\w+ )?(?:pid=\d+|raylet|gcs_server)"
)


def attempts_in(text: str, job_id: str) -> int:
    """Return how many attempts at a job have begun in what Ray kept: each says its id first."""
    return sum(_begins(_plain(line), job_id) for line in text.splitlines())


async def told_by(texts: AsyncIterator[str], job_id: str, earlier: int) -> AsyncIterator[str]:
    """Yield the lines in which an attempt tells of its work.

    Args:
        texts: what Ray kept of the job, in pieces.
        job_id: the job's id.
        earlier: how many attempts began before this one.
    """
    begun, rest = 0, ""
    async for text in texts:
        *whole, rest = (rest + text).split("\n")
        for line in map(_plain, whole):
            begun += _begins(line, job_id)
            # A result is an object of JSON: it is shown by itself, when all is done.
            if begun > earlier and line.strip() and not _OF_RAY.match(line) and line[0] != "{":
                yield line


def _plain(line: str) -> str:
    return _COLOUR.sub("", line).rstrip()


def _begins(line: str, job_id: str) -> bool:
    return line.startswith(f"{job_id}: ")


def result_table(result: Mapping[str, Any]) -> Table:
    """Return a job's result as a table: a row for what is counted by itself, e.g. a shard."""
    found = list(_rows(result, ()))
    columns = list(dict.fromkeys(name for _, row in found for name in row))
    is_one = len(found) == 1 and not found[0][0]
    rows = table(*(() if is_one else ("",)), *columns)
    for path, row in found:
        cells = [Text(str(row.get(name, ""))) for name in columns]
        rows.add_row(*(() if is_one else (Text(" ".join(path)),)), *cells)
    return rows


def _rows(
    value: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Yield each object in a result with its path, and what it holds that is no object."""
    plain = {name: one for name, one in value.items() if not isinstance(one, Mapping)}
    if plain:
        yield path, plain
    for name, one in value.items():
        if isinstance(one, Mapping):
            # All shards stand below one word, which says nothing in each row.
            yield from _rows(one, path if len(value) == 1 and not path else (*path, name))
