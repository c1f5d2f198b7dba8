"""What a model is to answer for each tier: the types of its output, compiled to JSON schemas.

The schemas keep to what every provider's structured output can hold a model to: one object at the
root, every object closed, every field required, no references, no defaults, no bounds of numbers,
lengths or counts (OpenAI's strict mode, Anthropic's and xgrammar each lack some of them). The
bounds are checked when the output is heard; what does not apply is an empty text or list.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from actors.models.port import OutputSchema
from events.memory import Block, Sensitivity, Tier

Action = Literal["add", "revise", "supersede", "merge", "ignore"]


class Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model proposes, in all tiers.

    `about` are numbers of the memories that it was shown. `since` is a date: from when on it holds,
    so the memory that it supersedes held until then. `replaces` are words of what no longer holds.
    """

    action: Action
    about: tuple[int, ...]
    reason: str
    key: str
    importance: float
    since: str
    replaces: tuple[str, ...]


class CoreItem(Item, frozen=True, kw_only=True):
    """A line about the person, or about how to behave towards them."""

    block: Block
    text: str


class EpisodicItem(Item, frozen=True, kw_only=True):
    """Something that happened or will happen."""

    event_type: str
    summary: str
    details: str
    actor: str
    occurred_at: str
    occurred_until: str


class SemanticItem(Item, frozen=True, kw_only=True):
    """A fact."""

    name: str
    summary: str
    details: str


class ProceduralItem(Item, frozen=True, kw_only=True):
    """A how-to."""

    entry_type: Literal["workflow", "routine", "guide"]
    description: str
    steps: tuple[str, ...]


class ResourceItem(Item, frozen=True, kw_only=True):
    """Something to keep."""

    title: str
    summary: str
    resource_type: str
    uri: str


class VaultItem(Item, frozen=True, kw_only=True):
    """A secret, by its placeholder (or by its exact words, where no placeholder hides them)."""

    entry_type: str
    sensitivity: Sensitivity
    caption: str
    secret: str


class Output(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole answer; its subclasses say of what."""


class CoreOutput(Output, frozen=True, kw_only=True):
    """The answer for the core tier."""

    memories: tuple[CoreItem, ...]


class EpisodicOutput(Output, frozen=True, kw_only=True):
    """The answer for the episodic tier."""

    memories: tuple[EpisodicItem, ...]


class SemanticOutput(Output, frozen=True, kw_only=True):
    """The answer for the semantic tier."""

    memories: tuple[SemanticItem, ...]


class ProceduralOutput(Output, frozen=True, kw_only=True):
    """The answer for the procedural tier."""

    memories: tuple[ProceduralItem, ...]


class ResourceOutput(Output, frozen=True, kw_only=True):
    """The answer for the resource tier."""

    memories: tuple[ResourceItem, ...]


class VaultOutput(Output, frozen=True, kw_only=True):
    """The answer for the knowledge vault."""

    memories: tuple[VaultItem, ...]


OUTPUTS: dict[Tier, type[Output]] = {
    "core": CoreOutput,
    "episodic": EpisodicOutput,
    "semantic": SemanticOutput,
    "procedural": ProceduralOutput,
    "resource": ResourceOutput,
    "knowledge_vault": VaultOutput,
}


def _plain(node: Any, definitions: dict[str, Any]) -> Any:
    """Return a schema with its references put in place and only its structure left."""
    if isinstance(node, list):
        return [_plain(one, definitions) for one in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _plain(definitions[node["$ref"].rpartition("/")[2]], definitions)
    kept = {
        name: _plain(value, definitions)
        for name, value in node.items()
        if name not in ("$defs", "title", "description", "properties")
    }
    if "properties" in node:
        # Fields may have any name, those of the keywords too.
        kept["properties"] = {
            name: _plain(value, definitions) for name, value in node["properties"].items()
        }
    if "enum" in kept:
        # Some providers take no schema without a type; all our enumerations are of words.
        kept["type"] = "string"
    return kept


def _schema(tier: Tier) -> OutputSchema:
    compiled = msgspec.json.schema(OUTPUTS[tier])
    schema: dict[str, Any] = _plain(compiled, compiled["$defs"])
    return OutputSchema(name=f"{tier}_memories", schema=schema)


#: The schema of each tier's answer, under the name that providers are told.
SCHEMAS: dict[Tier, OutputSchema] = {tier: _schema(tier) for tier in OUTPUTS}
