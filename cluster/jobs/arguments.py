"""The arguments of a kind of job: read, checked and written in one way, before anything runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from cluster.cli_output import WrongUse
from events.errors import CommandRejected
from events.memory import Value


class Argument(Value, frozen=True, kw_only=True):
    """One argument. `read` returns its canonical text or raises `CommandRejected`.

    A `personal` one names somebody, by the id of a client or by the opaque one; only the latter is
    handed on (`Kind.job`).
    """

    name: str
    help: str
    read: Callable[[str], str] = str
    positional: bool = False
    required: bool = False
    personal: bool = False


class Parser(argparse.ArgumentParser):
    """Raises what argparse would print before it ended the process."""

    def error(self, message: str) -> NoReturn:
        """Raise `WrongUse`."""
        raise WrongUse(f"{self.prog}: {message}")


def parse(kind: str, known: Sequence[Argument], given: Sequence[str]) -> dict[str, str]:
    """Return the given arguments by name, in their canonical texts.

    Raises:
        WrongUse: one is wrong, missing or unknown; the line says which and what was expected.
    """
    parser = Parser(prog=kind, add_help=False, allow_abbrev=False)
    for argument in known:
        if argument.positional:
            parser.add_argument(argument.name, metavar=argument.name.upper())
        else:
            parser.add_argument(
                f"--{argument.name}", dest=argument.name, required=argument.required
            )
    found = vars(parser.parse_args(list(given)))
    canonical: dict[str, str] = {}
    for argument in known:
        text = found[argument.name]
        if text is None:
            continue
        try:
            canonical[argument.name] = argument.read(text)
        except CommandRejected as error:
            shown = argument.name.upper() if argument.positional else f"--{argument.name}"
            raise WrongUse(f"{kind}: {shown}: {error.message}") from error
    return canonical


def path(text: str) -> str:
    """Return a path as it is read from anywhere; an address with a scheme stays as it is.

    Raises:
        CommandRejected: it is empty.
    """
    if not text.strip():
        raise CommandRejected("it is empty; expected a path")
    return text if "://" in text else str(Path(text).expanduser().resolve())


def count(text: str) -> str:
    """Return a whole number from 1 up.

    Raises:
        CommandRejected: it is none.
    """
    if not (text.isascii() and text.isdigit() and int(text)):
        raise CommandRejected(f"{text!r} is not a whole number from 1 up")
    return str(int(text))


def number(text: str) -> str:
    """Return a whole number from 0 up.

    Raises:
        CommandRejected: it is none.
    """
    if not text.isascii() or not text.isdigit():
        raise CommandRejected(f"{text!r} is not a whole number from 0 up")
    return str(int(text))


def one_of(*choices: str) -> Callable[[str], str]:
    """Return a reader that takes these words alone."""

    def read(text: str) -> str:
        if text not in choices:
            raise CommandRejected(f"{text!r} is none; choose from {', '.join(choices)}")
        return text

    return read


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return what stands before `--`, and what stands behind it."""
    given = list(arguments)
    at = given.index("--") if "--" in given else len(given)
    return given[:at], given[at + 1 :]
