"""What a record may look like, whichever log it goes into: its subject and its bounds."""

from __future__ import annotations

import re
from collections.abc import Sequence

from events.errors import CommandRejected, PayloadTooLarge
from events.log import BATCH_BYTES_MAX, BATCH_MESSAGES_MAX, BODY_BYTES_MAX, NewRecord

#: What one token of a subject may hold: no dots, wildcards or white space, which mean something.
_TOKEN = re.compile(r"[A-Za-z0-9_\-]{1,128}")


def token(text: str) -> str:
    """Return `text` when it can stand in a subject.

    Raises:
        CommandRejected: it is empty, longer than 128 characters or holds other than
            letters, digits, `_` and `-`.
    """
    if _TOKEN.fullmatch(text) is None:
        raise CommandRejected(
            f"{text!r} cannot be part of a subject; use 1 to 128 letters, digits, _ and -"
        )
    return text


def pattern(text: str) -> str:
    """Return `text` when it is a token or `*`, which stands for all."""
    return text if text == "*" else token(text)


def check_bounds(records: Sequence[NewRecord]) -> None:
    """Refuse an append that no log takes.

    Raises:
        CommandRejected: too many records or a subject that cannot be.
        PayloadTooLarge: a body, or all of them together, over the bound.
    """
    if len(records) > BATCH_MESSAGES_MAX:
        raise CommandRejected(
            f"{len(records)} records in one append; at most {BATCH_MESSAGES_MAX} are atomic"
        )
    total_bytes = 0
    for record in records:
        token(record.kind)
        token(record.user)
        token(record.record_id)
        if len(record.body) > BODY_BYTES_MAX:
            raise PayloadTooLarge(
                f"{record.kind} {record.record_id} has {len(record.body)} bytes; "
                f"at most {BODY_BYTES_MAX} fit"
            )
        total_bytes += len(record.body)
    if total_bytes > BATCH_BYTES_MAX:
        raise PayloadTooLarge(
            f"{total_bytes} bytes in one append; at most {BATCH_BYTES_MAX} are atomic"
        )
