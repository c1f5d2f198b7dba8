"""`decide` and `apply` use no clock, no randomness, no network, no model (I4)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: What decides and what folds; the shells around them are elsewhere.
PURE = sorted(
    path
    for pattern in (
        "actors/deciders/*.py",
        "actors/extraction/*.py",
        "actors/consolidation/*.py",
        "actors/reconcile.py",
        "actors/answering.py",
        "actors/quoting.py",
        "projections/*.py",
        "projections/retrieval/*.py",
    )
    for path in ROOT.glob(pattern)
    # It puts states on the disk, and says so in its name.
    if path.name != "snapshots.py"
)
IMPURE_MODULES = frozenset(
    {
        "asyncio",
        "http",
        "httpx2",
        "nats",
        "onnxruntime",
        "os",
        "random",
        "ray",
        "requests",
        "secrets",
        "select",
        "socket",
        "ssl",
        "subprocess",
        "threading",
        "time",
        "tokenizers",
        "urllib",
        "uuid",
    }
)
IMPURE_CALLS = frozenset({"now", "utcnow", "today", "random_id", "system_clock", "urandom"})


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(ROOT)))
def test_pure_code_reaches_for_nothing_outside(path: Path) -> None:
    """A pure module imports nothing, and calls nothing, that could give another result tomorrow."""
    assert impurities(ast.parse(path.read_text(encoding="utf-8"))) == []


def test_impure_code_is_found() -> None:
    """The check sees a clock, a random number and a network where they are."""
    code = "import time\nfrom random import choice\nx = datetime.now()\nfrom os import urandom"
    assert len(impurities(ast.parse(code))) == 4


def impurities(tree: ast.AST) -> list[str]:
    found: list[str] = []
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found += [one.name for one in names if one.name.split(".")[0] in IMPURE_MODULES]
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in IMPURE_MODULES:
                found.append(module)
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) if (
                name in IMPURE_CALLS
            ):
                found.append(f"{name}()")
    return found
