"""What a model answered, made into proposals; what cannot be used is told so that it can be mended.

A schema holds a model to a shape at most. Here the rest is checked: counts and lengths, dates,
that the memories it is about were shown to it, that it is in the language of the text, that a
secret is one of the text's and shows in no readable field. `InvalidOutput` says what is wrong in
words that a model, asked again, can act on.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TypeAlias

import msgspec

from actors.extraction.finding import Finding, Proposal
from actors.extraction.language import HAN, LATIN_WORD
from actors.extraction.masking import PLACEHOLDER, Hidden, Masked, dotted
from actors.extraction.material import Material
from actors.extraction.outputs import (
    OUTPUTS,
    CoreItem,
    EpisodicItem,
    Item,
    ProceduralItem,
    ResourceItem,
    SemanticItem,
    VaultItem,
)
from events.errors import MirixError
from events.memory import (
    Content,
    CoreContent,
    EpisodicContent,
    ProceduralContent,
    ResourceContent,
    SemanticContent,
    Tier,
    VaultContent,
    readable_text,
)

#: Memories of one piece of text, and what one of them may hold.
ITEMS_MAX = 16
STEPS_MAX = 60
SHORT_CHARS_MAX = 200
LONG_CHARS_MAX = 1000
URI_CHARS_MAX = 2000
KEY_CHARS_MAX = 120
OUTPUT_CHARS_MAX = 40_000
#: Faults that are told at once; more would only be more of the same.
FAULTS_TOLD_MAX = 5
#: A shorter secret may stand in other words by chance.
SECRET_CHARS_MIN = 4

#: What models put around their JSON where nothing holds them to it.
_THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n\s*```\s*\Z", re.DOTALL)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)?)?")

ItemType: TypeAlias = (
    CoreItem | EpisodicItem | SemanticItem | ProceduralItem | ResourceItem | VaultItem
)


class InvalidOutput(MirixError):
    """A model's output that cannot be used: (what is wrong with it and what to write instead)."""

    status = 502
    title = "The model's output cannot be used"


def hear(
    tier: Tier, output: str, material: Material, masked: Masked, shown: tuple[str, ...]
) -> tuple[Proposal, ...]:
    """Return the proposals of an output.

    Args:
        tier: whose schema it follows.
        output: what the model wrote.
        material: the text that it was asked about.
        masked: what was hidden from it.
        shown: ids of the memories that it was shown, by their numbers from 1.

    Raises:
        InvalidOutput: it cannot be used.
    """
    items = _items(tier, output)
    hearer = _Hearer(material, masked, shown)
    proposals = [
        hearer.proposal(item, f"memories[{number}]")
        for number, item in enumerate(items)
        if item.action != "ignore"
    ]
    if hearer.faults:
        raise InvalidOutput("; ".join(hearer.faults[:FAULTS_TOLD_MAX]))
    return tuple(proposal for proposal in proposals if proposal is not None)


def _items(tier: Tier, output: str) -> tuple[ItemType, ...]:
    if len(output) > OUTPUT_CHARS_MAX:
        raise InvalidOutput(f"more than {OUTPUT_CHARS_MAX} characters: write less")
    bare = _THOUGHTS.sub("", output)
    fenced = _FENCE.match(bare)
    try:
        answer = msgspec.json.decode(fenced[1] if fenced else bare, type=OUTPUTS[tier])
    except msgspec.ValidationError as error:
        raise InvalidOutput(f"it does not follow the schema: {error}") from error
    except msgspec.DecodeError as error:
        raise InvalidOutput(f"it is not one JSON object and nothing else: {error}") from error
    items: tuple[ItemType, ...] = answer.memories  # type: ignore[attr-defined]  # each has them
    if len(items) > ITEMS_MAX:
        raise InvalidOutput(f"{len(items)} memories; at most {ITEMS_MAX}, the most important")
    return items


class _Hearer:
    """Checks items one by one and gathers their faults."""

    def __init__(self, material: Material, masked: Masked, shown: tuple[str, ...]) -> None:
        self.material = material
        self.masked = masked
        self.shown = shown
        self.faults: list[str] = []

    def proposal(self, item: ItemType, place: str) -> Proposal | None:
        """Return what an item proposes; None when it is at fault."""
        faults = len(self.faults)
        about = self._about(item, place)
        since = self._moment(item.since, f"{place}.since")
        hidden = self._secret(item, place) if isinstance(item, VaultItem) else None
        content = self._content(item, place)
        self._check_openness(content, hidden, place)
        self._check_language(content, place)
        if not 0 <= item.importance <= 1:
            self.faults.append(f"{place}.importance is {item.importance:g}; it is from 0 to 1")
        if len(self.faults) > faults:
            return None
        finding = Finding(
            content=content,
            key=self._key(item),
            importance=item.importance,
            replaces=self._replaced(item),
            secret=hidden.value if hidden else "",
            secret_span=hidden.span if hidden else (0, 0),
        )
        action = "add" if item.action == "ignore" else item.action
        return Proposal(
            finding=finding,
            action=action,
            about=about,
            since=self._zoned(since),
            reason=_one_line(item.reason)[:SHORT_CHARS_MAX],
        )

    def _about(self, item: Item, place: str) -> tuple[str, ...]:
        """Return the ids of the memories that an item is about; without any it is an addition."""
        if item.action == "add":
            return ()
        numbers = tuple(dict.fromkeys(item.about))
        if any(not 1 <= number <= len(self.shown) for number in numbers):
            listed = f"1 to {len(self.shown)}" if self.shown else "none"
            self.faults.append(f"{place}.about: the memories listed are {listed}")
            return ()
        if item.action == "revise" and len(numbers) > 1:
            self.faults.append(f"{place}.about has to hold one number to revise it")
        return tuple(self.shown[number - 1] for number in numbers)

    def _content(self, item: ItemType, place: str) -> Content:
        def text(field: str, chars_max: int, *, needed: bool = False) -> str:
            return self._text(getattr(item, field), f"{place}.{field}", chars_max, needed=needed)

        match item:
            case CoreItem(block=block):
                return CoreContent(
                    block=block, text=self._by_speaker(text("text", LONG_CHARS_MAX, needed=True))
                )
            case EpisodicItem():
                first, last = self._days(item, place)
                return EpisodicContent(
                    event_type=text("event_type", SHORT_CHARS_MAX) or "event",
                    summary=text("summary", LONG_CHARS_MAX, needed=True),
                    details=text("details", LONG_CHARS_MAX),
                    actor=text("actor", SHORT_CHARS_MAX) or "user",
                    occurred_at=first,
                    occurred_until=last,
                )
            case SemanticItem():
                return SemanticContent(
                    name=text("name", SHORT_CHARS_MAX, needed=True),
                    summary=text("summary", LONG_CHARS_MAX, needed=True),
                    details=text("details", LONG_CHARS_MAX),
                    source="document" if self.material.document else "conversation",
                )
            case ProceduralItem(entry_type=entry_type):
                return ProceduralContent(
                    entry_type=entry_type,
                    description=text("description", LONG_CHARS_MAX, needed=True),
                    steps=self._steps(item, place),
                )
            case ResourceItem():
                return ResourceContent(
                    title=text("title", SHORT_CHARS_MAX, needed=True),
                    summary=text("summary", LONG_CHARS_MAX),
                    resource_type=text("resource_type", SHORT_CHARS_MAX) or "document",
                    uri=text("uri", URI_CHARS_MAX),
                )
            case VaultItem(sensitivity=sensitivity):
                return VaultContent(
                    entry_type=text("entry_type", SHORT_CHARS_MAX, needed=True),
                    sensitivity=sensitivity,
                    caption=text("caption", LONG_CHARS_MAX, needed=True),
                    source="document" if self.material.document else "conversation",
                )

    def _text(self, written: str, place: str, chars_max: int, *, needed: bool = False) -> str:
        text = dotted(written).strip()
        if len(text) > chars_max:
            self.faults.append(f"{place} has {len(text)} characters; at most {chars_max}")
        if needed and not text:
            self.faults.append(f"{place} is empty")
        return text

    def _steps(self, item: ProceduralItem, place: str) -> tuple[str, ...]:
        if not 1 <= len(item.steps) <= STEPS_MAX:
            self.faults.append(f"{place}.steps has {len(item.steps)}; from 1 to {STEPS_MAX}")
        return tuple(
            self._text(step, f"{place}.steps[{number}]", LONG_CHARS_MAX, needed=True)
            for number, step in enumerate(item.steps[: STEPS_MAX + 1])
        )

    def _days(self, item: EpisodicItem, place: str) -> tuple[str, str]:
        first = self._moment(item.occurred_at, f"{place}.occurred_at")
        last = self._moment(item.occurred_until, f"{place}.occurred_until")
        if last and not first:
            self.faults.append(f"{place}.occurred_until is there without occurred_at")
        if first and last and last.date() < first.date():
            self.faults.append(f"{place}.occurred_until is before occurred_at")
        return item.occurred_at.strip(), item.occurred_until.strip()

    def _moment(self, written: str, place: str) -> datetime | None:
        text = written.strip()
        if not text:
            return None
        try:
            if _MOMENT.fullmatch(text):
                return datetime.fromisoformat(text)
        except ValueError:
            pass  # the shape of a date, but none of the calendar: told like any other
        self.faults.append(f'{place} is "{text[:40]}"; a date is "2026-01-07", or "" for none')
        return None

    def _zoned(self, moment: datetime | None) -> datetime | None:
        """Put a moment without a zone into that of the text."""
        if moment is None or moment.tzinfo is not None:
            return moment
        return moment.replace(tzinfo=self.material.said_at.tzinfo)

    def _secret(self, item: VaultItem, place: str) -> Hidden | None:
        """Return what a vault entry seals: what a placeholder hides, or words of the text."""
        written = item.secret.strip()
        if not written:
            if item.action not in ("revise", "merge"):
                self.faults.append(f"{place}.secret is empty: write the placeholder of the secret")
            return None
        if PLACEHOLDER.fullmatch(written):
            hidden = self.masked.behind(written)
            if hidden is None:
                self.faults.append(f"{place}.secret: the text has no placeholder {written}")
            return hidden
        known = len(written) >= SECRET_CHARS_MIN and not PLACEHOLDER.search(written)
        start = self.material.text.find(written) if known else -1
        if start < 0:
            self.faults.append(
                f"{place}.secret is neither one placeholder alone nor exact words of the text"
            )
            return None
        return Hidden(placeholder="", value=written, span=(start, start + len(written)))

    def _check_openness(self, content: Content, own: Hidden | None, place: str) -> None:
        """Find secrets in what everybody may read."""
        readable = readable_text(content).casefold()
        values = [one.value for one in self.masked.hidden] + ([own.value] if own else [])
        if any(len(value) >= SECRET_CHARS_MIN and value.casefold() in readable for value in values):
            self.faults.append(f"{place} shows a secret in a readable field; leave its value out")

    def _check_language(self, content: Content, place: str) -> None:
        """Find memories that were translated; titles and captions may be in any language."""
        if self.material.document or isinstance(content, ResourceContent | VaultContent):
            return
        written, wanted = readable_text(content), self.material.language
        if wanted == "zh" and not HAN.search(written):
            self.faults.append(f"{place}: the text is in Chinese, so write the memory in Chinese")
        elif wanted == "en" and HAN.search(written) and not LATIN_WORD.search(written):
            self.faults.append(f"{place}: write the memory in the language of the text")

    def _replaced(self, item: ItemType) -> tuple[str, ...]:
        """Return the words of what no longer holds, for the vault the old secrets themselves."""
        found: list[str] = []
        for written in item.replaces[:ITEMS_MAX]:
            hidden = self.masked.behind(written.strip())
            if hidden is not None and isinstance(item, VaultItem):
                found.append(hidden.value)
            elif words := dotted(written).strip(" •"):
                found.append(words[:SHORT_CHARS_MAX])
        return tuple(found)

    def _key(self, item: ItemType) -> str:
        written = PLACEHOLDER.sub("", item.key).strip().removeprefix(f"{self.material.speaker}: ")
        key = re.sub(r"\s+", "_", written.strip().casefold())[:KEY_CHARS_MAX]
        return self._by_speaker(key) if key and isinstance(item, CoreItem) else key

    def _by_speaker(self, text: str) -> str:
        """Say whose it is where speakers have names: two of them have two homes."""
        speaker = self.material.speaker
        own = speaker in ("", "user") or text.startswith(f"{speaker}: ")
        return text if own or not text else f"{speaker}: {text}"


def _one_line(text: str) -> str:
    return " ".join(dotted(text).split())
