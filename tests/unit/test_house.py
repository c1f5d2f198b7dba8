"""The house rules that a reader cannot check by eye: direction of imports, sizes, edges."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Imports only point left.
PACKAGES = ("events", "projections", "actors", "serve", "cluster")
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
#: Where a library may be imported: by a package (all of it) or by a module.
EDGES = {
    # The benchmark measures us against the client alone.
    "nats": ("events/", "cluster/bench_replay.py"),
    "faiss": ("projections/faiss_index.py",),
    "obstore": ("cluster/object_store.py",),
    "openai": ("actors/models/openai_wire.py", "actors/models/serve_handle.py"),
    "anthropic": ("actors/models/anthropic_wire.py",),
    "limits": ("actors/models/budgets.py",),
    "purgatory": ("actors/models/breakers.py",),
    "ray": (
        "actors/host.py",
        "actors/fleet.py",
        "actors/remote.py",
        "actors/models/serve_handle.py",
        "serve/deployment.py",
        "serve/vllm_app.py",
        "serve/vllm_replica.py",
        "cluster/",
    ),
    "vllm": ("serve/vllm_replica.py",),
    "sklearn": ("cluster/training/fitting.py",),
}
#: What talks to people on a terminal.
CONSOLE = re.compile(r"cluster/(cli.*|demo(_llm)?)\.py")
#: Hosts of package registries, in pieces, so that this file does not hold them.
REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("download", "pytorch", "org"),
        ("conda", "anaconda", "org"),
    )
)


def sources(*folders: str) -> list[Path]:
    return [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def imports_of(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


OURS = sources(*PACKAGES)
ALL = [*OURS, *sources("tests")]


@pytest.mark.parametrize("file", OURS, ids=name_of)
def test_imports_point_left(file: Path) -> None:
    """A package knows those to its left, never those to its right."""
    own = PACKAGES.index(file.relative_to(ROOT).parts[0])
    right = set(PACKAGES[own + 1 :])

    assert not [name for name in imports_of(file) if name.split(".")[0] in right]


@pytest.mark.parametrize("file", OURS, ids=name_of)
def test_libraries_stay_at_their_edge(file: Path) -> None:
    """A library is known in one place, so that it can be replaced there."""
    wrong = [
        name
        for name in imports_of(file)
        for library, places in EDGES.items()
        if name.split(".")[0] == library and not name_of(file).startswith(places)
    ]

    assert not wrong


@pytest.mark.parametrize("file", ALL, ids=name_of)
def test_file_and_functions_are_small(file: Path) -> None:
    """A file that grows past its limit has a second idea in it."""
    text = file.read_text(encoding="utf-8")
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= FUNCTION_LINES_MAX
    ]

    assert not long
    assert len(text.splitlines()) <= FILE_LINES_MAX


@pytest.mark.parametrize("file", OURS, ids=name_of)
def test_nothing_is_printed_outside_the_command_line(file: Path) -> None:
    """Everything else logs."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    printed = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]

    assert not printed
    if "rich" in {name.split(".")[0] for name in imports_of(file)}:
        assert CONSOLE.fullmatch(name_of(file))


@pytest.mark.parametrize("file", OURS, ids=name_of)
def test_environment_is_read_in_one_place(file: Path) -> None:
    """Only `cluster/settings.py` reads the environment; others may set it for their children."""
    if name_of(file) == "cluster/settings.py":
        return
    tree = ast.parse(file.read_text(encoding="utf-8"))

    assert not list(environment_reads(tree))


#: Ray's switches and the search path handed on to its workers are written, not read, here.
INHERITED = re.compile(r"os\.environ\.get\(['\"]PYTHONPATH['\"]")


def environment_reads(tree: ast.AST) -> Iterator[str]:
    """Yield reads of the environment: getenv, get, subscripts that are not assigned, iteration."""
    written = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            written.add(id(node.value))
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("update", "setdefault", "pop")
        ):
            written.add(id(node.func.value))
        if isinstance(node, ast.Call) and INHERITED.match(ast.unparse(node)):
            assert isinstance(node.func, ast.Attribute)
            written.add(id(node.func.value))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or ast.unparse(node.value) != "os":
            continue
        if node.attr == "getenv" or (node.attr == "environ" and id(node) not in written):
            yield f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize(
    ("code", "reads"),
    [
        ("os.environ['A']", 1),
        ("os.getenv('A')", 1),
        ("os.environ.get('A')", 1),
        ("dict(os.environ)", 1),
        ("os.environ['A'] = 'x'", 0),
        ("os.environ.update(a)", 0),
    ],
)
def test_reads_of_the_environment_are_told_from_writes(code: str, reads: int) -> None:
    """The rule above finds what it is there to find."""
    assert len(list(environment_reads(ast.parse(code)))) == reads


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode != 0:  # an export without its history
        return [*ALL, ROOT / "requirements.lock", ROOT / "pyproject.toml"]
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


def test_no_file_names_a_registry() -> None:
    """Where packages come from is the machine's affair, the lock's hashes say what they are."""
    pattern = re.compile("|".join(map(re.escape, REGISTRIES)).encode())
    named = [
        name_of(file)
        for file in tracked_files()
        if file.is_file() and pattern.search(file.read_bytes())
    ]

    assert not named


@pytest.mark.parametrize("lock", sorted(ROOT.glob("requirements*.lock")), ids=name_of)
def test_lock_has_hashes_and_no_addresses(lock: Path) -> None:
    """Every requirement is pinned and hashed; no index is named."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith((" ", "#"))]

    assert not [line for line in lines if "://" in line or line.startswith("-")]
    assert not [line for line in pins if not re.match(r"[\w.\[\]-]+==\S+.* \\$", line)]
    assert len(pins) <= sum("--hash=sha256:" in line for line in lines)


def test_every_test_says_what_it_shows() -> None:
    """A test has a docstring of one sentence or two."""
    silent = [
        f"{name_of(file)}: {node.name}"
        for file in sources("tests")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]

    assert not silent
