"""Errors, by who must act. Each says what happened, to what, and what to do.

All take positional arguments only, so that they cross process boundaries unharmed.
"""

from __future__ import annotations


class MirixError(Exception):
    """Root of all errors of this project; `status` is the HTTP status it is answered with."""

    status = 500
    title = "Internal error"

    @property
    def message(self) -> str:
        """What happened, in one line."""
        return str(self.args[0]) if self.args else self.title


class CommandRejected(MirixError):
    """The caller asked for something that cannot be done; asking again will not help."""

    status = 422
    title = "Request rejected"


class NotFound(CommandRejected):
    """There is no such thing, or not for this caller."""

    status = 404
    title = "Not found"


class Unauthenticated(CommandRejected):
    """No key or token, or one that is not known."""

    status = 401
    title = "Not authenticated"


class Forbidden(CommandRejected):
    """The caller is known and may not do this."""

    status = 403
    title = "Forbidden"


class PayloadTooLarge(CommandRejected):
    """The request is larger than the limit it met."""

    status = 413
    title = "Payload too large"


class VersionConflict(MirixError):
    """Somebody else wrote first; read again and retry."""

    status = 409
    title = "Conflict"


class Unavailable(MirixError):
    """Something is not there at the moment; wait and retry."""

    status = 503
    title = "Temporarily unavailable"


class DeadlineExceeded(Unavailable):
    """The work did not finish in the time allowed; it may still finish."""

    status = 504
    title = "Deadline exceeded"


class CorruptLog(MirixError):
    """The log has lost or altered something; nothing may be served from it. For the operator.

    A second argument names the first bad position, where it is known.
    """

    status = 500
    title = "Corrupt log"

    @property
    def position(self) -> int:
        """The first position that is missing or altered; 0 when it is not known."""
        return int(self.args[1]) if len(self.args) > 1 else 0


class KeyDestroyed(MirixError):
    """The user's data key was destroyed: what it sealed is gone for good."""

    status = 410
    title = "Erased"


class Misconfigured(MirixError):
    """The system cannot start as it is set up. For the operator."""

    status = 500
    title = "Misconfigured"
