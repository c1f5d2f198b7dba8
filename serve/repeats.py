"""Requests that a client sends again, known by its key or by its own count of retries."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from events.ids import derived_id, random_id

#: Requests that a replica remembers, should their client send the same again.
REMEMBERED_MAX = 10_000
#: How long an `Idempotency-Key` may be; of a longer one the end would tell two requests apart.
KEY_CHARS_MAX = 256


class Repeats:
    """The requests of late that came without a key."""

    def __init__(self) -> None:
        self._of_late: OrderedDict[bytes, str] = OrderedDict()

    def token(self, user: str, body: bytes, *, key: str, retries: int) -> str:
        """Return what the ids of a request's messages derive from: the same for a repeated one.

        With a `key` of the client's it is the key that counts, in every replica. Without one, a
        retry is the same request as the last one of that body in this replica.
        """
        if key:
            return derived_id("req", user, key)
        told = hashlib.sha256(user.encode() + body).digest()
        before = self._of_late.pop(told, "") if retries else ""
        token = self._of_late[told] = before or random_id("req")
        if len(self._of_late) > REMEMBERED_MAX:
            self._of_late.popitem(last=False)
        return token
