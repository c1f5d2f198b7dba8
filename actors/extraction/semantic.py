"""Semantic memory: present-tense facts about other people, places, things and words."""

from __future__ import annotations

from types import ModuleType

from actors.extraction import core_en, core_zh, semantic_en, semantic_zh
from actors.extraction.core import is_about_relative
from actors.extraction.corrections import replaced_facts
from actors.extraction.finding import Finding
from actors.extraction.keys import slug
from actors.extraction.reading import Clause, Reading
from actors.extraction.resource import reading_items
from actors.extraction.steps import steps_of
from events.memory import SemanticContent


def find_facts(reading: Reading) -> tuple[Finding, ...]:
    """Return the facts that the message tells about something else than its speaker."""
    if not reading.own_voice or steps_of(reading) or reading_items(reading):
        return ()
    rules = semantic_zh if reading.language == "zh" else semantic_en
    findings: list[Finding] = []
    subject = ""
    last = -2
    for number, sentence in enumerate(reading.sentences):
        named = rules.person_in(sentence)
        if sentence.mood != "statement":
            subject = named or subject
            continue
        name = rules.fact_subject(sentence, subject, reading)
        subject = named or subject
        if not name or _is_about_speaker(sentence, rules, subject, reading):
            continue
        shown = _shown(sentence, reading)
        if findings and last == number - 1 and _name_of(findings[-1]) == name:
            # Two sentences in a row on the same matter are one fact with its details.
            findings[-1] = _extended(findings[-1], shown)
        else:
            findings.append(_finding(name, shown, reading, not findings))
        last = number
    return tuple(findings)


def _is_about_speaker(sentence: Clause, rules: ModuleType, subject: str, reading: Reading) -> bool:
    """Tell whether core memory takes the sentence and no clause of it is about somebody else."""
    core = core_zh if reading.language == "zh" else core_en
    keys = {key for key, _ in core.core_matches(sentence, False)}
    if not keys or (is_about_relative(sentence) and "family" not in keys):
        return False
    others = [c for c in sentence.clauses if not any(core.core_matches(c, False))]
    return not any(
        rules.fact_subject(c, subject, reading) for c in others if rules.is_about_other(c)
    )


def _shown(sentence: Clause, reading: Reading) -> str:
    parts = [c for c in sentence.clauses if not c.secret]
    return (
        sentence.shown if len(parts) == len(sentence.clauses) else " ".join(c.shown for c in parts)
    )


def _name_of(finding: Finding) -> str:
    content = finding.content
    return content.name if isinstance(content, SemanticContent) else ""


def _finding(name: str, shown: str, reading: Reading, first: bool) -> Finding:
    whole = reading.whole if len(reading.text) <= 300 else ""
    return Finding(
        content=SemanticContent(
            name=name, summary=shown[:400], details=whole if whole != shown else ""
        ),
        key=f"about:{slug(name)}:{slug(shown.replace(name, ' '), 2)}",
        importance=0.5,
        replaces=replaced_facts(reading) if first else (),
    )


def _extended(finding: Finding, shown: str) -> Finding:
    content = finding.content
    assert isinstance(content, SemanticContent)
    return Finding(
        content=SemanticContent(
            name=content.name, summary=f"{content.summary} {shown}"[:600], details=content.details
        ),
        key=finding.key,
        importance=finding.importance,
        replaces=finding.replaces,
    )
