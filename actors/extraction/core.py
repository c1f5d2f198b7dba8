"""Core memory: the statements about the speaker, one finding a matter of a sentence."""

from __future__ import annotations

import re

from actors.extraction import core_en, core_zh
from actors.extraction.core_parts import parts_of
from actors.extraction.corrections import replaced_facts
from actors.extraction.finding import Finding
from actors.extraction.reading import Clause, Reading
from actors.extraction.resource import reading_items
from actors.extraction.steps import steps_of
from actors.extraction.words_en import RELATION
from events.memory import CoreContent

IMPORTANCE = {
    "name": 0.95,
    "allergy": 0.95,
    "health": 0.9,
    "diet": 0.9,
    "family": 0.85,
    "home": 0.85,
    "job": 0.85,
    "birthday": 0.8,
    "language": 0.7,
    "response_style": 0.8,
    "preference": 0.65,
}


def find_core(reading: Reading) -> tuple[Finding, ...]:
    """Return what the message says about who the speaker is."""
    if not reading.own_voice:
        return ()
    rules = core_zh if reading.language == "zh" else core_en
    findings: list[Finding] = []
    for number, sentence in enumerate(reading.sentences):
        if sentence.mood in ("hypothetical", "courtesy") or _is_claimed(reading, sentence):
            continue
        keys = [key for key, _ in rules.core_matches(sentence, sentence.mood == "question")]
        if keys and is_about_relative(sentence):
            keys = [key for key in keys if key not in ("preference", "allergy", "diet", "health")]
        if not keys or (keys == ["preference"] and reading_items(reading)):
            continue
        told = parts_of(reading, sentence) if sentence.mood == "statement" else ()
        for key, text in told or ((keys[0], _text(reading, sentence, number)),):
            findings.append(
                Finding(
                    content=CoreContent(
                        block="persona" if key == "response_style" else "human",
                        text=_by_speaker(reading, text),
                    ),
                    key=_by_speaker(reading, _key(key, text if told else sentence.shown)),
                    importance=IMPORTANCE[key],
                    replaces=() if findings else replaced_facts(reading),
                )
            )
    return tuple(findings)


_PLACE = re.compile(r"\b(?:in|to|from|at|near|of|is|base) (?:the )?[A-ZÀ-Þ]|[\u3400-\u9fff]")


def _key(matter: str, text: str) -> str:
    """Return what a line is about: a new flat is no new town, so it ends no town either."""
    if matter == "home" and not _PLACE.search(text):
        return "home:dwelling"
    return core_en.core_key(matter, text)


def _is_claimed(reading: Reading, sentence: Clause) -> bool:
    """Tell whether the sentence belongs to another tier: steps, a secret, something to keep."""
    steps = steps_of(reading)
    if steps and steps.start < sentence.end and sentence.start < steps.end:
        return True
    if steps and sentence.end <= steps.start + 2:
        return True
    if any(sentence.start <= i.start < sentence.end for i in reading_items(reading)):
        return True
    return any(
        s.kind != "address" and sentence.start <= s.start < sentence.end for s in reading.secrets
    ) and not any(
        word in sentence.low
        for word in ("allerg", "过敏", "i live", "i work", "my name", "我叫", "i'm a ")
    )


def is_about_relative(sentence: Clause) -> bool:
    """Tell whether an English sentence is about a relative: it opens so and never says `I`."""
    opened = re.match(rf"(?:my|our|his|her) (?:\w+ )?{RELATION}\b(?!'s)", sentence.low)
    return bool(opened) and not {"i", "i'm", "me", "i've", "im"} & sentence.words


def _text(reading: Reading, sentence: Clause, number: int) -> str:
    dated = [c for c in sentence.clauses if any(m.grain == "day" for m in c.mentions("past"))]
    kept = [c for c in sentence.clauses if c not in dated]
    shown = sentence.shown
    if dated and kept:
        rules = core_zh if reading.language == "zh" else core_en
        told = [c for c in kept if any(rules.core_matches(c, False))]
        if told:
            shown = " ".join(c.shown for c in kept)
    short = len(shown) < (12 if reading.language == "zh" else 32)
    if short and number and reading.sentences[number - 1].mood != "courtesy":
        shown = f"{reading.sentences[number - 1].shown} {shown}"
    return shown


def _by_speaker(reading: Reading, text: str) -> str:
    """Say whose it is where speakers have names: two of them have two homes."""
    speaker = reading.utterance.speaker
    return text if speaker in ("", "user") else f"{speaker}: {text}"
