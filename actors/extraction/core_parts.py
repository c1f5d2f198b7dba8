"""A sentence that tells several matters of the speaker, parted: "I live in X and work as Y".

Each part becomes a memory of its own, so that a later word on one matter leaves the others alone. A
part that lost its subject to the first ("and work as a nurse") gets it back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from actors.extraction import core_en, core_zh
from actors.extraction.reading import Clause, Reading

#: What is told of oneself as a fact; tastes are told in long sentences that stay together.
MATTERS = frozenset(
    ("allergy", "birthday", "diet", "family", "health", "home", "job", "language", "name")
)
#: What is told without a subject of its own once the first part had it.
_WITHOUT_SUBJECT = frozenset(("home", "job"))
_JOINT_EN = re.compile(r",? (?:and|but) (?:also )?|[,;] ", re.I)
_JOINT_ZH = re.compile(r"[，,；;]\s*")
_SELF_EN = re.compile(r"(?:(?:hi|hey|hello|well|so|btw)\W+)?(?:i|im|i'm|i've|we|we're|we've)\b")
_NAMED_EN = re.compile(
    r"(?:(?:hi|hey|hello)\W+)?(?:i'm|im|i am|my name is|my name's)(?: [\w-]+){1,2}"
)
_SUBJECT_EN = re.compile(r"(?:i|im|i'm|i've|we|we're|we've|my|our|he|she|it|they|his|her|their)\b")
_NOUN_EN = re.compile(r"(?:an?|the|from|based|originally|born|\w+ing)\b")


def parts_of(reading: Reading, sentence: Clause) -> tuple[tuple[str, str], ...]:
    """Return the key and the words of each matter; nothing when the sentence tells only one."""
    parts: list[tuple[str, str]] = []
    opening = before = key = ""
    for joint, piece in _pieces(reading, sentence):
        key, told = _told(reading, piece, joint, before, key)
        if key and all(key != known for known, _ in parts):
            parts.append((key, f"{opening}{joint}{told}" if opening else told))
            opening = ""
        elif parts:
            # It says more on the matter before it.
            parts[-1] = (parts[-1][0], f"{parts[-1][1]}{joint}{piece}")
        else:
            opening = f"{opening}{joint}{piece}"
        before = told
    return tuple(parts) if len(parts) > 1 else ()


def _pieces(reading: Reading, sentence: Clause) -> Iterator[tuple[str, str]]:
    """Yield what stands between the joints, each piece with the joint before it."""
    pattern = _JOINT_ZH if reading.language == "zh" else _JOINT_EN
    start, joint = 0, ""
    for match in pattern.finditer(sentence.text):
        yield joint, reading.show(sentence.start + start, sentence.start + match.start())
        start, joint = match.end(), match[0]
    yield joint, reading.show(sentence.start + start, sentence.end)


def _told(reading: Reading, piece: str, joint: str, before: str, matter: str) -> tuple[str, str]:
    """Return the matter of a piece, if it has one, and the piece with its subject.

    `before` is the piece before it and `matter` what that one was about.
    """
    chinese = reading.language == "zh"
    rules = core_zh if chinese else core_en
    text = _completed_zh(piece, before, matter) if chinese else _completed_en(piece, joint, before)
    utterance = msgspec.structs.replace(reading.utterance, text=text)
    for clause in Reading(utterance).sentences[:1]:
        for key, _ in rules.core_matches(clause, False):
            if key in (MATTERS if text == piece else _WITHOUT_SUBJECT):
                return key, text
    return "", piece


def _completed_en(piece: str, joint: str, before: str) -> str:
    low, said = piece.lower(), before.lower()
    if not before or _SUBJECT_EN.match(low) or not _SELF_EN.match(said):
        return piece
    if not _NOUN_EN.match(low):
        return f"I {piece}"
    # After a comma only what follows a name is about the speaker: "I'm Ann, a nurse".
    apposed = "and" in joint.lower() or _NAMED_EN.fullmatch(said)
    return f"I'm {piece}" if apposed else piece


def _completed_zh(piece: str, before: str, matter: str) -> str:
    # A clause goes on about what the one before introduced: only there it is surely the speaker.
    own = matter in ("home", "job", "name") and before.startswith("我")
    if not own or core_zh.OTHER_SUBJECT.search(before) or "我" in piece:
        return piece
    return f"我{piece}"
