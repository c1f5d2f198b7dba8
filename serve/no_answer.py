"""Why there will be no answer, as an error: by what the caller can do about it."""

from __future__ import annotations

from datetime import datetime, timedelta

from actors.progress import AnswerPart
from events.errors import MirixError

#: Seconds to wait before the same is asked again, by kind of failure.
_RETRY_AFTER_S = {"rate_limited": 20, "unavailable": 5, "timed_out": 5}


class NoAnswer(MirixError):
    """There will be no answer: (what happened, kind of failure, seconds to wait; 0: as you like).

    `kind` is one of `actors.models.port.FailureKind`, or `failed`.
    """

    status = 503
    title = "There will be no answer"

    @property
    def kind(self) -> str:
        """What kind of failure it is."""
        return str(self.args[1])

    @property
    def retry_after_s(self) -> int:
        """How long to wait before the same is asked again."""
        return int(self.args[2])


class AnswerRefused(NoAnswer):
    """The request itself is at fault (too long, unknown model, filtered); repeating won't help."""

    status = 422
    title = "The language model refuses this"


class BudgetSpent(NoAnswer):
    """The tokens of the day are used up."""

    status = 429
    title = "The budget of tokens is spent"


def no_answer(part: AnswerPart, now: datetime) -> NoAnswer:
    """Return the error that an `error` part stands for."""
    kind = part.failure or "failed"
    told = f"the answer could not be made ({kind}): {part.text}"
    match kind:
        case "refused":
            return AnswerRefused(told, kind, 0)
        case "budget_spent":
            tomorrow = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            return BudgetSpent(told, kind, int((tomorrow - now).total_seconds()) + 1)
        case _:
            return NoAnswer(told, kind, _RETRY_AFTER_S.get(kind, 1))
