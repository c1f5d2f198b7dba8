"""What an extractor finds in one message, before reconciliation with what is known."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from events.memory import Content, Value


class Utterance(Value, frozen=True, kw_only=True):
    """One message as an extractor sees it.

    `said_at` is the date-time written on the message, in its own zone: relative dates count from
    its date. `previous` is the text of the message before it in the conversation, or empty.
    """

    text: str
    said_at: datetime
    speaker: str = "user"
    role: str = "user"
    previous: str = ""


class Finding(Value, frozen=True, kw_only=True):
    """One memory found by an extractor.

    `key` names what the memory is about, normalised (`home`, `job`, `allergy:mango`,
    `person:anselm`): a later finding with the same key in the same tier revises or supersedes it.
    `replaces` holds words of the fact that no longer holds, from a correction. `secret` is the
    value of a vault entry exactly as it was written, with its place in the text (`secret_span`, in
    characters); it is in no readable field.
    """

    content: Content
    key: str = ""
    importance: float = 0.5
    replaces: tuple[str, ...] = ()
    secret: str = ""
    secret_span: tuple[int, int] = (0, 0)


class Proposal(Value, frozen=True, kw_only=True):
    """What to do with a finding beside the memories that are there, as a model saw them.

    `about` are their ids. `since` is when the finding began to hold, if the text says so. Whoever
    found it, if not the one behind the others, is named by `extractor`.
    """

    finding: Finding
    action: Literal["add", "revise", "supersede", "merge"] = "add"
    about: tuple[str, ...] = ()
    since: datetime | None = None
    reason: str = ""
    extractor: str = ""
