"""Procedural memory: ordered steps, with what they are for."""

from __future__ import annotations

import re
from typing import Literal

from actors.extraction.finding import Finding
from actors.extraction.keys import slug
from actors.extraction.reading import Reading
from actors.extraction.steps import steps_of
from events.memory import ProceduralContent

_ROUTINE = re.compile(
    r"routine|ritual|every (?:morning|night|evening|day|week|sunday)|reset|before bed"
    r"|always|早起|睡前|每天|每晚|固定|那套|雷打不动"
)
_WORKFLOW = re.compile(
    r"\b(?:work|deploy|release|invoice|expense|approve|ticket|client|office|pull "
    r"request|merge)|报销|公司|审批|发布|上线|流程|客户|单位"
)
_FILLER = re.compile(r"^(?:note to self|记一下|备忘|更正|说一下)\b[:：,，]?\s*", re.IGNORECASE)


def find_procedures(reading: Reading) -> tuple[Finding, ...]:
    """Return the procedure of the message, if it tells one."""
    found = steps_of(reading)
    if found is None:
        return ()
    lead = reading.show(max(0, found.start - 400), found.start).strip(" :：-–—")
    described = _FILLER.sub("", lead) or reading.whole[:200]
    after = reading.show(found.end, min(len(reading.text), found.end + 160)).lstrip("。.!！ ")
    return (
        Finding(
            content=ProceduralContent(
                entry_type=_type_of(reading.low),
                description=f"{described} ({after})" if after else described,
                steps=tuple(_shown(reading, step) for step in found.steps),
            ),
            key=f"howto:{slug(described)}",
            importance=0.6,
        ),
    )


def _shown(reading: Reading, step: str) -> str:
    for secret in reading.secrets:
        step = step.replace(reading.text[secret.start : secret.end], "•••")
    return step


def _type_of(lowered: str) -> Literal["workflow", "routine", "guide"]:
    if _ROUTINE.search(lowered):
        return "routine"
    return "workflow" if _WORKFLOW.search(lowered) else "guide"
