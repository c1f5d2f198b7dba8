"""Knowledge vault: each secret value that still holds, with a caption that never shows it."""

from __future__ import annotations

import re

from actors.extraction.finding import Finding
from actors.extraction.gates import SAVE_EN, SAVE_ZH
from actors.extraction.keys import slug
from actors.extraction.reading import Clause, Reading
from actors.extraction.secrets import Kind, Secret
from events.memory import Sensitivity, VaultContent

ENTRY: dict[Kind, tuple[str, Sensitivity]] = {
    "password": ("credential", "high"),
    "code": ("access code", "high"),
    "token": ("api key", "high"),
    "card": ("bank card", "high"),
    "id": ("identity number", "high"),
    "phone": ("phone number", "medium"),
    "email": ("email address", "medium"),
    "address": ("postal address", "medium"),
}
_ABOUT_EN = re.compile(
    r"\b(?:password|pin|code) like\b|\bfor example\b|\be\.g\b|\bexample (?:of"
    r"|password)\b|\bas weak as\b|\bjust curious\b|\btest number\b|\bscam\w*|\bspam\b"
    r"|\bphishing"
)
_ABOUT_ZH = re.compile(
    r"比如|例如|这种密码|这样的密码|算弱|安全吗|诈骗|骚扰|垃圾短信|像.{0,16}这(?:种"
    r"|样)"
)


def find_vault(reading: Reading) -> tuple[Finding, ...]:
    """Return a finding for each secret that still holds; a stale one is what it replaces."""
    if not reading.secrets or reading.fiction:
        return ()
    findings = []
    stale = tuple(reading.text[s.start : s.end] for s in reading.secrets if s.stale)
    for secret in reading.secrets:
        sentence = next((s for s in reading.sentences if s.start <= secret.start < s.end), None)
        if secret.stale or sentence is None or not _is_told(sentence, reading):
            continue
        findings.append(_finding(reading, secret, sentence, stale))
        stale = ()
    return tuple(findings)


def _is_told(sentence: Clause, reading: Reading) -> bool:
    chinese = reading.language == "zh"
    if (_ABOUT_ZH if chinese else _ABOUT_EN).search(sentence.low):
        return False
    save = (SAVE_ZH if chinese else SAVE_EN).search(sentence.low)
    return sentence.mood not in ("question", "hypothetical") or bool(save)


def _finding(reading: Reading, secret: Secret, sentence: Clause, stale: tuple[str, ...]) -> Finding:
    entry_type, sensitivity = ENTRY[secret.kind]
    context = sentence.shown.replace("•••", " ")
    return Finding(
        content=VaultContent(
            entry_type=entry_type,
            sensitivity=sensitivity,
            caption=reading.around(sentence.start, sentence.end, 300),
        ),
        key=f"{secret.kind}:{slug(context)}",
        importance=0.8,
        replaces=stale,
        secret=reading.text[secret.start : secret.end],
        secret_span=(secret.start, secret.end),
    )
