"""The scoring of extraction cases: pure functions over cases and memories given as plain dicts.

A case is `{lang, message, expect, forbid, ...}`; a memory is `{tier, text, occurred_at,
occurred_until, secret, steps, replaces, ended}`; all but the first two may be missing. `steps`
is a count or a list. It serves the rules (`as_memory`) and a running platform alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from actors.extraction.finding import Finding
from events.memory import (
    TIERS,
    EpisodicContent,
    ProceduralContent,
    readable_text,
    tier_of,
)

Case = Mapping[str, Any]
Memory = Mapping[str, Any]


class TierScore(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one tier: expectations and how many were met, memories and how many met one."""

    expected: int = 0
    met: int = 0
    memories: int = 0
    useful: int = 0

    @property
    def recall(self) -> float:
        """Expectations met ÷ expectations (1.0 when there were none)."""
        return self.met / self.expected if self.expected else 1.0

    @property
    def precision(self) -> float:
        """Memories that met an expectation ÷ memories (1.0 when there were none)."""
        return self.useful / self.memories if self.memories else 1.0


class LanguageReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one language scored."""

    cases: int
    right: int
    tiers: dict[str, TierScore]
    replaces_expected: int
    replaces_ended: int
    secret_leaks: int
    wrong_ids: tuple[str, ...]

    @property
    def accuracy(self) -> float:
        """Cases that are right as a whole ÷ cases."""
        return self.right / self.cases if self.cases else 1.0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The scores of each language of the cases, and how many memories each extractor made."""

    languages: dict[str, LanguageReport]
    extractors: dict[str, int] = {}

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, ratios rounded to four places."""
        return {
            lang: {
                "cases": r.cases,
                "right": r.right,
                "exact_accuracy": round(r.accuracy, 4),
                "tiers": {
                    tier: {
                        "expected": t.expected,
                        "met": t.met,
                        "recall": round(t.recall, 4),
                        "memories": t.memories,
                        "precision": round(t.precision, 4),
                    }
                    for tier, t in r.tiers.items()
                },
                "replaces_share": round(r.replaces_ended / r.replaces_expected, 4)
                if r.replaces_expected
                else None,
                "secret_leaks": r.secret_leaks,
                "wrong": list(r.wrong_ids),
            }
            for lang, r in self.languages.items()
        }


def as_memory(finding: Finding) -> dict[str, Any]:
    """Return a finding in the shape that the scorer takes."""
    content = finding.content
    memory: dict[str, Any] = {
        "tier": tier_of(content),
        "text": readable_text(content),
        "secret": finding.secret,
        "replaces": list(finding.replaces),
    }
    if isinstance(content, EpisodicContent):
        memory |= {"occurred_at": content.occurred_at, "occurred_until": content.occurred_until}
    if isinstance(content, ProceduralContent):
        memory["steps"] = len(content.steps)
    return memory


def meets(expectation: Mapping[str, Any], memory: Memory) -> bool:
    """Tell whether the memory is what was expected."""
    if memory["tier"] != expectation["tier"]:
        return False
    text = str(memory["text"]).lower()
    if not all(str(must).lower() in text for must in expectation["must"]):
        return False
    if expectation.get("occurred_at") and _dates(memory) != _range(expectation["occurred_at"]):
        return False
    if expectation.get("secret") and memory.get("secret") != expectation["secret"]:
        return False
    steps = memory.get("steps") or 0
    count = steps if isinstance(steps, int) else len(steps)
    return not expectation.get("steps") or count == expectation["steps"]


def is_right(case: Case, memories: Sequence[Memory]) -> bool:
    """Tell whether all expectations are met and no forbidden tier got a memory."""
    if any(memory["tier"] in case["forbid"] for memory in memories):
        return False
    return all(any(meets(e, m) for m in memories) for e in case["expect"])


def score(cases: Sequence[Case], findings_by_case: Sequence[Sequence[Memory]]) -> Report:
    """Score the memories found for each case.

    Args:
        cases: the cases, as they stand in the data file.
        findings_by_case: for each case in the same order, its memories.

    Raises:
        ValueError: when the two do not have the same length.
    """
    pairs = list(zip(cases, findings_by_case, strict=True))
    languages = dict.fromkeys(str(case["lang"]) for case in cases)
    return Report(
        languages={
            lang: _score_language([(c, m) for c, m in pairs if c["lang"] == lang])
            for lang in languages
        }
    )


def _score_language(pairs: list[tuple[Case, Sequence[Memory]]]) -> LanguageReport:
    replaced = [
        (old, memories)
        for case, memories in pairs
        for expectation in case["expect"]
        for old in expectation.get("replaces", ())
    ]
    return LanguageReport(
        cases=len(pairs),
        right=sum(is_right(case, memories) for case, memories in pairs),
        tiers={tier: _score_tier(tier, pairs) for tier in TIERS},
        replaces_expected=len(replaced),
        replaces_ended=sum(_is_ended(old, memories) for old, memories in replaced),
        secret_leaks=sum(_leaks(case, memories) for case, memories in pairs),
        wrong_ids=tuple(str(c.get("id", "")) for c, m in pairs if not is_right(c, m)),
    )


def _score_tier(tier: str, pairs: list[tuple[Case, Sequence[Memory]]]) -> TierScore:
    expected = met = counted = useful = 0
    for case, memories in pairs:
        wanted = [e for e in case["expect"] if e["tier"] == tier]
        given = [m for m in memories if m["tier"] == tier]
        expected += len(wanted)
        met += sum(any(meets(e, m) for m in given) for e in wanted)
        if wanted or tier in case["forbid"]:
            counted += len(given)
            useful += sum(any(meets(e, m) for e in wanted) for m in given)
    return TierScore(expected=expected, met=met, memories=counted, useful=useful)


def _is_ended(old: str, memories: Sequence[Memory]) -> bool:
    """Tell whether an old fact with these words was marked as ended by one of the memories."""
    ended = [str(words).lower() for m in memories for words in m.get("replaces") or ()]
    ended += [str(m["text"]).lower() for m in memories if m.get("ended")]
    return any(old.lower() in words for words in ended)


def _leaks(case: Case, memories: Sequence[Memory]) -> int:
    secrets = [str(e["secret"]).lower() for e in case["expect"] if e.get("secret")]
    return sum(any(s in str(m["text"]).lower() for s in secrets) for m in memories)


def _dates(memory: Memory) -> tuple[str, str]:
    first = str(memory.get("occurred_at") or "")[:10]
    return first, str(memory.get("occurred_until") or "")[:10] or first


def _range(written: str) -> tuple[str, str]:
    first, _, last = written.partition("/")
    return first, last or first
