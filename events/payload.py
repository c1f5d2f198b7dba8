"""What all events have in common."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Payload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all payloads. `version` counts the shape, `personal` says whether it is sealed."""

    version: ClassVar[int] = 1
    personal: ClassVar[bool] = True
