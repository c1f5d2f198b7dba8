"""An answer as one listener hears it: every character once and in order, whatever signals are lost.

Step 7 of the message path, at the listener's end. Pure: parts in, parts out. A part of the content
says where it begins; what does not follow on what was told is asked for (`GetAnswerSoFar`). What
was told is always the beginning of what the chat agent has: where it is not (an attempt started
over, or the agent did), the listener hears that the answer starts over, and then all of it.
"""

from __future__ import annotations

import msgspec

from actors.progress import AnswerPart
from actors.queries import AnswerSoFar
from events.memory import Value
from projections.conversations import Abandoned, Message

#: The text of the `thinking` part, at offset 0, which says that what was told does not count.
STARTS_OVER = "starting over"


class Place(Value, frozen=True, kw_only=True):
    """How much of an answer somebody has been told: so many characters of a round."""

    round: int = 0
    offset: int = 0


BEGINNING = Place()


class Heard:
    """What one listener has been told of an answer, and what follows from what is heard next."""

    def __init__(self, place: Place = BEGINNING) -> None:
        self.ended = False
        self._round = place.round
        self._text = ""
        #: Characters that were told elsewhere, to a listener who comes back: their text is unknown.
        self._elsewhere = place.offset

    def hear(self, part: AnswerPart) -> tuple[AnswerPart, ...] | None:
        """Return what the listener is told next; None: something is missing, ask for it."""
        match part.kind:
            case "content":
                return self._content(part)
            case "complete":
                return self._complete(part)
            case "error":
                self.ended = True
                return (self._placed(part),)
            case _ if part.round != self._round and self._told:
                return self._over(part.round, "")
            case _:
                return (self._placed(part),)

    def catch_up(self, so_far: AnswerSoFar) -> tuple[AnswerPart, ...]:
        """Return what the listener lacks of an answer that has come so far."""
        if so_far.answer is not None:
            if so_far.text == so_far.answer.content:
                self._recall(so_far.round, so_far.text)
            return self._complete(complete_part(so_far.answer))
        if so_far.abandoned is not None:
            self.ended = True
            return (self._placed(abandoned_part(so_far.abandoned)),)
        if so_far.state != "making":
            return ()
        self._recall(so_far.round, so_far.text)
        if so_far.round == self._round and not self._elsewhere:
            more = self._more(so_far.text)
            if more is not None:
                return more
        return self._over(so_far.round, so_far.text)

    def _content(self, part: AnswerPart) -> tuple[AnswerPart, ...] | None:
        if part.round != self._round:
            return self._over(part.round, part.text) if part.offset == 0 else None
        if self._elsewhere or part.offset > len(self._text):
            return None
        return self._more(self._text[: part.offset] + part.text, whole=False)

    def _complete(self, part: AnswerPart) -> tuple[AnswerPart, ...]:
        self.ended = True
        before = None if self._elsewhere else self._more(part.text)
        if before is None:
            before = self._over(max(part.round, self._round + 1), part.text)
        return (*before, self._placed(part))

    def _more(self, text: str, *, whole: bool = True) -> tuple[AnswerPart, ...] | None:
        """Tell what `text` has more than was told; None when it begins otherwise."""
        if not text.startswith(self._text):
            is_old = not whole and self._text.startswith(text)
            return () if is_old else None
        offset = len(self._text)
        if len(text) == offset:
            return ()
        self._text = text
        return (AnswerPart(kind="content", text=text[offset:], offset=offset, round=self._round),)

    def _over(self, number: int, text: str) -> tuple[AnswerPart, ...]:
        """Begin a round; who has been told anything of another hears that it does not count."""
        told = self._told
        self._round, self._text, self._elsewhere = number, "", 0
        again = AnswerPart(kind="thinking", text=STARTS_OVER, round=number)
        return (*((again,) if told else ()), *(self._more(text) or ()))

    def _recall(self, number: int, text: str) -> None:
        """Take it that what was told elsewhere is the beginning of `text`, if it can be."""
        if number == self._round and len(text) >= self._elsewhere:
            self._text, self._elsewhere = self._text or text[: self._elsewhere], 0

    @property
    def _told(self) -> bool:
        return bool(self._text or self._elsewhere)

    def _placed(self, part: AnswerPart) -> AnswerPart:
        offset = self._elsewhere or len(self._text)
        return msgspec.structs.replace(part, round=self._round, offset=offset)


def complete_part(answer: Message) -> AnswerPart:
    """Return the closing part of an answer that is in the log."""
    return AnswerPart(
        kind="complete",
        text=answer.content,
        message_id=answer.id,
        citations=answer.citations,
        usage=answer.usage,
        model=answer.model,
        position=answer.position,
        finish_reason=answer.finish_reason,
        tool_calls=answer.tool_calls,
    )


def abandoned_part(abandoned: Abandoned) -> AnswerPart:
    """Return the closing part of an answer that was given up."""
    return AnswerPart(
        kind="error",
        text=abandoned.detail or f"the answer was given up ({abandoned.reason})",
        usage=abandoned.usage,
        position=abandoned.position,
        failure=abandoned.kind or abandoned.reason,
    )
