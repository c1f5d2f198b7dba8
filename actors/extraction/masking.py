"""What a language model may see of a text: everything but its secrets.

Nobody but the vault needs a secret's value, and even the vault needs only its place. So each value
that the scanner finds is shown as a placeholder that says what it is (`⟦password-1⟧`), and no
provider ever gets it: the vault's model names the placeholder, and the value is put back here. The
brackets are taken out of the text first, so nobody can write a placeholder, or the end of a
message, of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from actors.extraction.secrets import scan_secrets
from events.memory import Value

OPEN, CLOSE = "⟦", "⟧"
#: How a hidden value shows in what is kept.
DOTS = "•••"
_BRACKETS = str.maketrans({OPEN: "[", CLOSE: "]"})
PLACEHOLDER = re.compile(r"⟦[a-z]+-\d+⟧")


class Hidden(Value, frozen=True, kw_only=True):
    """A secret value, the placeholder it is shown as, and its place in the text."""

    placeholder: str
    value: str
    span: tuple[int, int]


class Masked(Value, frozen=True, kw_only=True):
    """A text as a model may see it, and what is hidden in it, in order."""

    shown: str
    hidden: tuple[Hidden, ...] = ()

    def behind(self, placeholder: str) -> Hidden | None:
        """Return what a placeholder stands for."""
        return next((one for one in self.hidden if one.placeholder == placeholder), None)

    def restored(self, shown: str) -> str:
        """Return a stretch of what is shown with the values back in it: for the rules."""
        return PLACEHOLDER.sub(
            lambda place: hidden.value if (hidden := self.behind(place[0])) else place[0], shown
        )


def plain(text: str) -> str:
    """Return the text without the brackets that mark placeholders; every place stays the same."""
    return text.translate(_BRACKETS)


def masked(text: str, spans: Iterable[tuple[int, int]] = ()) -> Masked:
    """Return the text with each secret as a placeholder.

    Args:
        text: as it was said.
        spans: places of secrets that are known besides those that the scanner finds.
    """
    found = [(one.start, one.end, str(one.kind)) for one in scan_secrets(text)]
    found += [
        (start, end, "secret")
        for start, end in spans
        if start < end and not any(start < stop and begin < end for begin, stop, _ in found)
    ]
    parts: list[str] = []
    hidden: list[Hidden] = []
    done = 0
    for number, (start, end, kind) in enumerate(sorted(found), start=1):
        if start < done:
            continue
        placeholder = f"{OPEN}{kind}-{number}{CLOSE}"
        hidden.append(Hidden(placeholder=placeholder, value=text[start:end], span=(start, end)))
        parts += [plain(text[done:start]), placeholder]
        done = end
    return Masked(shown="".join(parts) + plain(text[done:]), hidden=tuple(hidden))


def dotted(text: str) -> str:
    """Return what a model wrote with dots for its placeholders, as memories show a secret."""
    return PLACEHOLDER.sub(DOTS, text)
