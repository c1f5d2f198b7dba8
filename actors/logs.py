"""Structured logs of a process: one JSON object a line, with what is bound once."""

from __future__ import annotations

import logging
import sys

import structlog


def configure_logs(level: str, **bound: object) -> None:
    """Write this process's logs as JSON lines to standard error.

    Args:
        level: the least level that is written (`debug`, `info`, `warning`, `error`).
        bound: keys that every line of this process carries (`agent`, `shard`).
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        # The standard error of that moment: it may be another one by the time something is logged.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(**bound)
