"""What the readers yield: messages, documents, and records that could not be read."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

from events.memory import Value

Role = Literal["user", "assistant", "system", "tool"]


class MessageRecord(Value, frozen=True, kw_only=True):
    """A message as a file holds it. `user` is set where the file says whose memory it is."""

    role: Role = "user"
    content: str
    name: str = ""
    created_at: datetime | None = None
    conversation: str
    external_id: str
    user: str = ""
    line: int = 0


class DocumentRecord(Value, frozen=True, kw_only=True):
    """A document as a file holds it."""

    title: str
    text: str
    media_type: str
    uri: str
    line: int = 0


class BadRecord(Value, frozen=True, kw_only=True):
    """A record that was not read (or was refused), where it stands (line 0: unknown), and why."""

    path: str
    line: int
    reason: str

    def __str__(self) -> str:
        """Return `file:line: reason`."""
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.reason}"


Record: TypeAlias = MessageRecord | DocumentRecord | BadRecord
