"""What the server may do instead of answering well."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Literal

Misdeed = Literal[
    "none",  # answers well, maybe slowly
    "status",  # answers with an HTTP error
    "silent",  # takes the request and never answers
    "stalls",  # begins its stream and says nothing more
    "cuts",  # breaks the connection in the middle of its stream
    "ends",  # ends its stream in the middle, as if all had been said
    "garbage",  # puts something into its stream that is no JSON
    "error_in_stream",  # tells of an error in its stream
    "empty",  # answers well, with nothing
    "filtered",  # says that a content filter held its answer back
    "declines",  # says that its model declined to answer
]


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """How one request is answered: what goes wrong after `pieces`, with `piece_s` between them.

    `retry_after` goes out with an HTTP error as it is; `code` is what its body names.
    """

    misdeed: Misdeed = "none"
    status: int = 500
    code: str = "server_error"
    retry_after: str = ""
    pieces: int = 2
    piece_s: float = 0.0

    @staticmethod
    def limited(retry_after: str = "") -> Behaviour:
        """Ask for fewer requests."""
        return Behaviour(
            misdeed="status", status=429, code="rate_limit_exceeded", retry_after=retry_after
        )

    @staticmethod
    def http(status: int, code: str = "server_error") -> Behaviour:
        """Answer with an HTTP error."""
        return Behaviour(misdeed="status", status=status, code=code)


WELL = Behaviour()


def in_seconds(seconds: float) -> str:
    """Return the HTTP date of a moment from now."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


class Faults:
    """Misbehaves for a share of the requests, in an order that a seed fixes."""

    def __init__(
        self, rate: float, seed: int, *, silent: bool = True, well: Behaviour = WELL
    ) -> None:
        self._rate = rate
        self._well = well
        self._rng = random.Random(seed)
        self._kinds = [
            Behaviour.limited("0.05"),
            Behaviour.http(500),
            Behaviour.http(503),
            Behaviour(misdeed="cuts", pieces=2),
            Behaviour(misdeed="garbage", pieces=1),
            Behaviour(misdeed="error_in_stream", pieces=1),
            Behaviour(misdeed="ends", pieces=1),
            Behaviour(misdeed="none", piece_s=0.01),
        ]
        if silent:
            self._kinds += [Behaviour(misdeed="silent"), Behaviour(misdeed="stalls", pieces=1)]

    def next(self) -> Behaviour:
        """Return how to answer the next request."""
        if self._rng.random() >= self._rate:
            return self._well
        return self._rng.choice(self._kinds)
