"""Budgets of tokens: how many a person, and all together, may use between two midnights (UTC).

Kept in memory by each process that asks models, and made anew from the log by `usage.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from limits import RateLimitItem, RateLimitItemPerDay
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from actors.models.port import ModelFailed
from events.clock import Clock, system_clock

#: Stands for everybody; no internal id of a person looks like it.
_ALL = "*"


class Budgets:
    """What is left for today; a limit of 0 is none.

    A shard knows what is used in itself: with several, each has its share of the tokens of all.
    """

    def __init__(
        self,
        user_tokens_a_day: int = 0,
        tokens_a_day: int = 0,
        shards: int = 1,
        clock: Clock = system_clock,
    ) -> None:
        share = max(1, tokens_a_day // shards) if tokens_a_day else 0
        self._of_user = RateLimitItemPerDay(user_tokens_a_day) if user_tokens_a_day else None
        self._of_all = RateLimitItemPerDay(share) if share else None
        self._clock = clock
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    def check(self, user: str, tokens: int) -> None:
        """Say whether there is room for a request of so many tokens.

        Raises:
            ModelFailed: `budget_spent`; it says whose, and when there is a new one.
        """
        now = self._clock()
        for item, whose, owner in self._limits(user):
            if not self._limiter.test(item, owner, _day(now), cost=tokens):
                raise ModelFailed(
                    f"{whose} {item.amount} tokens for today (UTC) are used up, or not enough of"
                    " them is left for this; there are new ones after midnight",
                    "budget_spent",
                    (),
                    (_midnight_after(now) - now).total_seconds(),
                )

    def charge(self, user: str, tokens: int, at: datetime | None = None) -> None:
        """Count tokens that were used, now or at some other time."""
        if tokens > 0:
            for item, _, owner in self._limits(user):
                self._limiter.hit(item, owner, _day(at or self._clock()), cost=tokens)

    def used(self, user: str) -> int:
        """Return the tokens that a person used today, when there is a limit to them."""
        if self._of_user is None:
            return 0
        key = self._of_user.key_for(user, _day(self._clock()))
        return self._limiter.storage.get(key)

    def today(self) -> datetime:
        """Return when today began."""
        return _midnight_after(self._clock()) - timedelta(days=1)

    def _limits(self, user: str) -> list[tuple[RateLimitItem, str, str]]:
        """Return each limit with whose it is, in words and as a key."""
        limits: list[tuple[RateLimitItem, str, str]] = []
        if self._of_user is not None:
            limits.append((self._of_user, "this user's", user))
        if self._of_all is not None:
            limits.append((self._of_all, "all", _ALL))
        return limits


def _day(moment: datetime) -> str:
    # The window of the library begins with the first use; a key for each day makes it a day's.
    return moment.astimezone(UTC).date().isoformat()


def _midnight_after(moment: datetime) -> datetime:
    day = moment.astimezone(UTC).date()
    return datetime.combine(day + timedelta(days=1), time(), UTC)
