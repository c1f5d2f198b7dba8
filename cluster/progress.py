"""What `mirix up` tells while it starts: to a person, or from the daemon to who started it."""

from __future__ import annotations

import msgspec


class Progress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A step that began, the first key, that it is ready, or (`error`) why it did not come up."""

    step: str = ""
    seconds: float = 0.0
    url: str = ""
    bootstrap_key: str = ""
    pid: int = 0
    error: str = ""
