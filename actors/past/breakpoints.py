"""Where stepping stops: `--break` expressions, read as values and never run as code.

An expression has the syntax of Python and a few of its forms: names and fields of an event,
constants, comparisons (`==`, `<`, `in`, ...), `and`, `or`, `not`. It is parsed into a tree, every
node is looked up in a short list, and what is not in the list is refused with its place. There are
no calls, so there is nothing that an expression could do.

    type == "MemorySuperseded" and tier == "semantic"
    "lisbon" in payload.content
    recorded_at >= "2026-03-02" or position > 400
    type=MemorySuperseded                               (short for ==)

A comparison with a field that an event does not have does not hold; `FIELD == None` asks for that.
"""

from __future__ import annotations

import ast
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple, NoReturn, TypeAlias

from actors.past.event_fields import Field, field_named
from events.catalogue import CATALOGUE
from events.envelope import Event
from events.errors import CommandRejected
from events.hints import hint
from events.memory import TIERS, Value
from events.moments import time_of

#: Bounds on an expression: characters, and forms inside one another.
CHARS_MAX = 500
DEPTH_MAX = 20
#: Characters of it that an error repeats.
_SHOWN_MAX = 120

Read: TypeAlias = Callable[[Event], Any]
_SHORT = re.compile(r"\s*(?P<name>[A-Za-z_][\w.]*)\s*=(?!=)(?P<value>.*)", re.DOTALL)
_QUOTED = re.compile(r"(?P<quote>['\"])(?P<inside>(?:(?!(?P=quote)).)*)(?P=quote)", re.DOTALL)
_NUMBER = re.compile(r"-?\d{1,18}(\.\d{1,18})?", re.ASCII)

_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, whole: item in whole,
    ast.NotIn: lambda item, whole: item not in whole,
}
#: Names whose values are known beforehand: a constant beside them must be one of these.
_VOCABULARY: Mapping[str, tuple[str, ...]] = {"type": tuple(CATALOGUE), "tier": TIERS}
_LISTED_IN = {"type": "docs/events.md"}


class Break(Value, frozen=True, kw_only=True):
    """A place to stop at: the expression as it was given, and whether an event fits it."""

    text: str
    holds: Callable[[Event], bool]


class _Operand(NamedTuple):
    """One side of a comparison: how it is read, the field or else the constant that it is."""

    read: Read
    field: Field | None = None
    constant: Any = None


def parse_break(text: str) -> Break:
    """Return the break that an expression asks for.

    Raises:
        CommandRejected: it is none, or says something that no event can have; names the place.
    """
    if len(text) > CHARS_MAX:
        raise CommandRejected(f"a break has {len(text)} characters; at most {CHARS_MAX} are read")
    if not text.strip():
        raise CommandRejected("a break is empty; expected something like type=MemorySuperseded")
    short = _SHORT.fullmatch(text)
    return _Reader(text).short(short) if short else _Reader(text).whole()


class _Reader:
    """Reads one expression."""

    def __init__(self, text: str) -> None:
        self._text = text
        # One line, so that a place is a column; leading blanks would be an indentation.
        self._flat = re.sub(r"\s", " ", text).lstrip()
        self._skipped = len(text) - len(text.lstrip())
        self._fields = 0

    def short(self, parts: re.Match[str]) -> Break:
        """Read `name=value`: the value is a text, or a number where the field holds numbers."""
        path = tuple(parts["name"].split("."))
        value = parts["value"].strip()
        quoted = _QUOTED.fullmatch(value)
        at = parts.end() - len(parts["value"].lstrip()) + 1
        if not value or "" in path:
            self._refuse_at("expected NAME=VALUE", at if "" not in path else 1)
        if not quoted and re.search(r"[\s'\"=]", value):
            self._refuse_at("expected NAME=VALUE alone; in an expression write ==", at)
        field = self._field(path, parts.start("name") + 1)
        constant: Any = quoted["inside"] if quoted else value
        if "number" in field.kinds and not quoted and _NUMBER.fullmatch(value):
            constant = float(value) if "." in value else int(value)
        elif "truth" in field.kinds and value.lower() in ("true", "false"):
            constant = value.lower() == "true"
        left = _Operand(field.read, field)
        right = _Operand(lambda event: constant, None, constant)
        read = self._compared(ast.Eq(), left, right, at)
        return Break(text=self._text, holds=lambda event: bool(read(event)))

    def whole(self) -> Break:
        """Read an expression."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about style, on somebody's terminal
                tree = ast.parse(self._flat, mode="eval")
        except SyntaxError as error:
            at = error.offset or len(self._flat) + 1  # 0 where it ends too early
            self._refuse_at(error.msg or "invalid syntax", at + self._skipped)
        except (ValueError, RecursionError, MemoryError) as error:
            self._refuse_at(str(error) or "nested too deeply", 1)
        read = self._read(tree.body, 1)
        if not self._fields:
            self._refuse(tree.body, "it says nothing about an event; name a field, e.g. type")
        return Break(text=self._text, holds=lambda event: bool(read(event)))

    def _read(self, node: ast.expr, depth: int) -> Read:
        if depth > DEPTH_MAX:
            self._refuse(node, f"nested more than {DEPTH_MAX} deep")
        match node:
            case ast.BoolOp(op=op, values=values):
                sides = [self._read(value, depth + 1) for value in values]
                every = isinstance(op, ast.And)
                return lambda event: (all if every else any)(side(event) for side in sides)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self._read(operand, depth + 1)
                return lambda event: not inner(event)
            case ast.Compare(left=left, ops=ops, comparators=others):
                operands = [self._operand(one, depth + 1) for one in (left, *others)]
                steps = [
                    self._compared(op, one, other, self._column(node))
                    for op, (one, other) in zip(ops, pairwise(operands), strict=True)
                ]
                return lambda event: all(step(event) for step in steps)
            case _:
                return self._operand(node, depth).read

    def _operand(self, node: ast.expr, depth: int) -> _Operand:
        if depth > DEPTH_MAX:
            self._refuse(node, f"nested more than {DEPTH_MAX} deep")
        match node:
            case ast.Name() | ast.Attribute():
                field = self._field(self._path(node), self._column(node))
                return _Operand(field.read, field)
            case ast.Constant() | ast.UnaryOp(op=ast.USub()) | ast.Tuple() | ast.List() | ast.Set():
                constant = self._constant(node, depth)
                return _Operand(lambda event: constant, None, constant)
            case ast.BoolOp() | ast.UnaryOp(op=ast.Not()) | ast.Compare():
                return _Operand(self._read(node, depth + 1))
            case _:
                self._refuse(node, _REFUSED.get(type(node), "this form is not read here"))

    def _path(self, node: ast.expr) -> tuple[str, ...]:
        names: list[str] = []
        while isinstance(node, ast.Attribute):
            names.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            self._refuse(node, "only names have fields")
        return (node.id, *reversed(names))

    def _constant(self, node: ast.expr, depth: int) -> Any:
        match node:
            case ast.Constant(value=str() | int() | float() | None as value):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                return -value
            case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
                if depth > DEPTH_MAX:
                    self._refuse(node, f"nested more than {DEPTH_MAX} deep")
                return tuple(self._constant(part, depth + 1) for part in parts)
            case _:
                self._refuse(node, "expected a text in quotes, a number, True, False or None")

    def _field(self, path: tuple[str, ...], column: int) -> Field:
        self._fields += 1
        try:
            return field_named(path)
        except CommandRejected as error:
            self._refuse_at(error.message, column)

    def _compared(self, op: ast.cmpop, left: _Operand, right: _Operand, column: int) -> Read:
        compare = _COMPARISONS.get(type(op))
        if compare is None:
            self._refuse_at("compare with ==, !=, <, <=, >, >=, in or not in", column)
        left, right = self._fitting(op, left, right, column), self._fitting(op, right, left, column)
        reads = (left.read, right.read)
        wants_absent = any(one.field is None and one.constant is None for one in (left, right))

        def read(event: Event) -> bool:
            one, other = (side(event) for side in reads)
            if not wants_absent and (one is None or other is None):
                return False
            try:
                return bool(compare(one, other))
            except TypeError:  # values that have no order, or that hold nothing
                return False

        return read

    def _fitting(self, op: ast.cmpop, side: _Operand, other: _Operand, column: int) -> _Operand:
        """Return a constant side as the field on the other side holds it, or refuse it."""
        field = other.field
        if side.field is not None or field is None or side.constant is None:
            return side
        several = isinstance(side.constant, tuple)
        values = side.constant if several else (side.constant,)
        if field.kinds == {"time"}:
            values = tuple(self._moment(value, field, column) for value in values)
        else:
            is_part = isinstance(op, ast.In | ast.NotIn) and not several
            for value in values:
                self._check(value, field, column, is_part=is_part)
        constant = values if several else values[0]
        return _Operand(lambda event: constant, None, constant)

    def _check(self, value: Any, field: Field, column: int, *, is_part: bool) -> None:
        vocabulary = _VOCABULARY.get(field.name)
        if vocabulary is not None and not is_part and value not in vocabulary:
            told = hint(str(value), vocabulary, _LISTED_IN.get(field.name, ""))
            self._refuse_at(f"no {field.name} is called {value!r}; {told}", column)
        kind = _kind_of(value)
        if not is_part and not field.kinds & {kind, "anything", "several"} and value is not None:
            held = " or ".join(sorted(field.kinds))
            self._refuse_at(f"{field.name} holds {held}, and {value!r} is {kind}", column)

    def _moment(self, value: Any, field: Field, column: int) -> datetime:
        try:
            return time_of(value if isinstance(value, str) else "")
        except CommandRejected:
            self._refuse_at(f"{field.name} is a time, and {value!r} is none (ISO 8601)", column)

    def _column(self, node: ast.expr) -> int:
        # The tree counts bytes; people count characters.
        before = self._flat.encode("utf-8", "surrogatepass")[: node.col_offset]
        return len(before.decode("utf-8", "ignore")) + self._skipped + 1

    def _refuse(self, node: ast.expr, what: str) -> NoReturn:
        self._refuse_at(what, self._column(node))

    def _refuse_at(self, what: str, column: int) -> NoReturn:
        line = " ".join(what.split())
        text = self._text if len(self._text) <= _SHOWN_MAX else f"{self._text[:_SHOWN_MAX]}…"
        raise CommandRejected(f"break {text!r}, column {column}: {line}")


_REFUSED: Mapping[type[ast.expr], str] = {
    ast.Call: "nothing is called here; compare fields with ==, <, in",
    ast.Subscript: "no brackets behind a name; write payload.FIELD",
    ast.Lambda: "no functions here",
    ast.NamedExpr: "nothing is assigned here",
}


def _kind_of(value: Any) -> str:
    match value:
        case bool():
            return "truth"
        case int() | float():
            return "number"
        case str():
            return "text"
        case _:
            return "several"
