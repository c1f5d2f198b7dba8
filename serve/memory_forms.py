"""How clients write and see memories: forms and views, one each a tier.

They are derived from the contents that the events carry, so that the edge never lags behind a tier:
a new field of `events.memory` is at once accepted, bounded, shown and documented. The secret of a
vault memory goes in as text, never comes out, and its fingerprint does neither.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, TypeVar, cast

import msgspec
from msgspec import UNSET, Meta, UnsetType

from actors.queries import MemoryView
from events.blankness import is_blank
from events.errors import NotFound
from events.memory import (
    TIERS,
    Content,
    CoreContent,
    EpisodicContent,
    ProceduralContent,
    ResourceContent,
    SemanticContent,
    Tier,
    VaultContent,
    tier_of,
)
from serve.answers import Answer, Source
from serve.edge import moment
from serve.problems import invalid
from serve.requests import Body, Tags, UserId

CONTENT_OF: dict[Tier, type[Content]] = {
    "core": CoreContent,
    "episodic": EpisodicContent,
    "semantic": SemanticContent,
    "procedural": ProceduralContent,
    "resource": ResourceContent,
    "knowledge_vault": VaultContent,
}
_NEVER_SHOWN = frozenset({"secret", "secret_fingerprint"})
_NEVER_TAKEN = frozenset({"secret_fingerprint"})
_DATES = ("occurred_at", "occurred_until")

_Text = Annotated[str, Meta(max_length=100_000)]
_RequiredText = Annotated[str, Meta(min_length=1, max_length=100_000)]
_Texts = Annotated[tuple[_Text, ...], Meta(max_length=1_000)]
_Reason = Annotated[str, Meta(max_length=1_000)]


class MemoryForm(Body, frozen=True, kw_only=True):
    """What the form of every tier takes besides its own fields."""

    tags: Tags | UnsetType = UNSET
    reason: _Reason = ""


class MemoryShown(Answer, frozen=True, kw_only=True):
    """What the view of every tier shows besides its own fields."""

    id: str
    tier: str
    text: str
    tags: tuple[str, ...]
    importance: float
    language: str
    status: str
    valid_from: datetime | None
    valid_to: datetime | None
    superseded_by: str
    recorded_at: datetime
    position: int
    revision: int
    provenance: Source


Made = TypeVar("Made", MemoryForm, MemoryShown)


def _taken(field: msgspec.structs.FieldInfo) -> Any:
    if field.type is bytes:
        return _Text
    if field.type is str:
        return _RequiredText if field.required else _Text
    return _Texts if field.type == tuple[str, ...] else field.type


def _fields(tier: Tier) -> list[msgspec.structs.FieldInfo]:
    return [f for f in msgspec.structs.fields(CONTENT_OF[tier]) if f.name not in _NEVER_TAKEN]


def _stem(tier: Tier) -> str:
    return "".join(part.capitalize() for part in tier.split("_"))


def _make_form(tier: Tier) -> type[MemoryForm]:
    fields: list[Any] = [("user_id", UserId | None, None)]
    for field in _fields(tier):
        default = "" if field.type is bytes else field.default
        taken = _taken(field)
        fields.append((field.name, taken) if field.required else (field.name, taken, default))
    about = f"A {tier} memory to be made."
    return _struct(f"{_stem(tier)}MemoryForm", fields, MemoryForm, about)


def _change_form(tier: Tier) -> type[MemoryForm]:
    fields: list[Any] = [(f.name, _taken(f) | UnsetType, UNSET) for f in _fields(tier)]
    about = f"A change of a {tier} memory; what is left out stays as it is."
    return _struct(f"{_stem(tier)}MemoryChangeForm", fields, MemoryForm, about)


def _view(tier: Tier) -> type[MemoryShown]:
    # `text` of core memory is both the content's field and every memory's: one field.
    own = [f for f in _fields(tier) if f.name not in _NEVER_SHOWN and f.name != "text"]
    fields: list[Any] = [(f.name, f.type) for f in own]
    return _struct(f"{_stem(tier)}Memory", fields, MemoryShown, f"A {tier} memory.")


def _struct(name: str, fields: list[Any], base: type[Made], about: str) -> type[Made]:
    made = msgspec.defstruct(
        name,
        fields,
        bases=(base,),
        module=__name__,
        namespace={"__doc__": about},
        kw_only=True,
        frozen=True,
    )
    return cast(type[Made], made)


MAKE_FORMS: dict[Tier, type[MemoryForm]] = {tier: _make_form(tier) for tier in TIERS}
CHANGE_FORMS: dict[Tier, type[MemoryForm]] = {tier: _change_form(tier) for tier in TIERS}
VIEWS: dict[Tier, type[MemoryShown]] = {tier: _view(tier) for tier in TIERS}


def tier_named(name: str) -> Tier:
    """Return the tier called `name`.

    Raises:
        NotFound: there is no such tier.
    """
    if name not in CONTENT_OF:
        raise NotFound(f"there is no tier {name[:100]!r}; there are {', '.join(TIERS)}")
    return name


def content_of(tier: Tier, form: MemoryForm) -> Content:
    """Return the content that a form asks to record.

    Raises:
        Invalid: a date is not one, an end lies before its beginning, or there is nothing to read.
    """
    given = {f.name: getattr(form, f.name) for f in _fields(tier)}
    return _in_order(_checked(CONTENT_OF[tier](**_plain(given))), "occurred_until")


def changed(content: Content, form: MemoryForm) -> Content:
    """Return `content` with the fields that a form gives; no secret means: the secret stays.

    Raises:
        Invalid: a date is not one, an end lies before its beginning, or the secret is empty.
    """
    given = {
        field.name: value
        for field in _fields(tier_of(content))
        if (value := getattr(form, field.name)) is not UNSET
    }
    if given.get("secret") == "":
        raise invalid("body.secret", "is empty; leave it out to keep the secret that is there")
    if isinstance(content, VaultContent):
        # What is held is sealed; what a form gives is clear. They must never be mixed up.
        content = msgspec.structs.replace(content, secret=b"", secret_fingerprint="")
    now = _checked(msgspec.structs.replace(content, **_plain(given)))
    dates = [name for name in _DATES if name in given]
    return _in_order(now, dates[-1]) if dates else now


def _plain(given: dict[str, Any]) -> dict[str, Any]:
    if "secret" in given:
        given["secret"] = given["secret"].encode()
    return given


def _checked(content: Content) -> Content:
    for field in _fields(tier_of(content)):
        value = getattr(content, field.name)
        if field.required and isinstance(value, str) and is_blank(value):
            raise invalid(f"body.{field.name}", "is empty")
        if field.name in _DATES and value:
            moment(value, f"body.{field.name}")
    return content


def _in_order(content: Content, told: str) -> Content:
    """Refuse something that ends before it begins; `told` is the date that was given (last).

    Without a time of day an end means the whole day, wherever on earth the beginning is told.
    """
    if not isinstance(content, EpisodicContent):
        return content
    start, end = content.occurred_at, content.occurred_until
    if not (start and end):
        return content
    if _is_day(start) or _is_day(end):
        is_before = datetime.fromisoformat(end).date() < datetime.fromisoformat(start).date()
    else:
        is_before = moment(end, told) < moment(start, told)
    if is_before and told == "occurred_at":
        raise invalid("body.occurred_at", f"is after occurred_until, {end}")
    if is_before:
        raise invalid("body.occurred_until", f"is before occurred_at, {start}")
    return content


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def shown(view: MemoryView) -> MemoryShown:
    """Return what clients see of a memory; never its secret."""
    own = {
        field.name: getattr(view.content, field.name)
        for field in _fields(view.tier)
        if field.name not in _NEVER_SHOWN and field.name != "text"
    }
    return VIEWS[view.tier](
        **own,
        id=view.id,
        tier=view.tier,
        text=view.text,
        tags=view.tags,
        importance=view.importance,
        language=view.language,
        status=view.status,
        valid_from=view.valid_from,
        valid_to=view.valid_to,
        superseded_by=view.superseded_by,
        recorded_at=view.recorded_at,
        position=view.position,
        revision=view.revision,
        provenance=Source(
            message_ids=view.provenance.message_ids,
            external_ids=view.provenance.external_ids,
            document_id=view.provenance.document_id,
            extractor=view.provenance.extractor,
        ),
    )


class PageShown(Answer, frozen=True, kw_only=True):
    """A page of memories; `next_cursor` is empty on the last one."""

    items: tuple[MemoryShown, ...]
    next_cursor: str


#: Everything here that the interface's description needs.
STRUCTS: tuple[type, ...] = (
    *MAKE_FORMS.values(),
    *CHANGE_FORMS.values(),
    *VIEWS.values(),
    PageShown,
)
