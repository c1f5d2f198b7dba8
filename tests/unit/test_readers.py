"""Answers from projections that an agent's process can send to another one."""

from __future__ import annotations

import pickle

from actors.queries import GetAssistant, ListAssistants
from actors.readers import read
from events.catalogue import AssistantCreated, AssistantProfile
from events.memory_keystore import MemoryKeyStore
from events.nesting import JSON_DEPTH_MAX, is_too_deep
from events.sealing import KeyRing
from projections.conversations import ConversationsProjection
from tests.unit.builders import event_of


def _nested(depth: int) -> dict[str, object]:
    value: dict[str, object] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


def test_profiles_are_listed_when_an_old_one_is_nested_too_deeply() -> None:
    """Given a profile from before the bound: it shows without its settings, among the others."""
    projection = ConversationsProjection()
    for position, depth in enumerate((1, JSON_DEPTH_MAX, 500), start=1):
        profile = AssistantProfile(id=f"agt_{depth}", name="n", model_settings=_nested(depth))
        projection.apply(event_of(AssistantCreated(profile=profile), position=position))
    keys = KeyRing(MemoryKeyStore())
    listed = pickle.loads(pickle.dumps(read(projection, ListAssistants(tenant="org"), keys)))
    assert [one.model_settings for one in listed] == [{}, _nested(JSON_DEPTH_MAX), {}]
    shown = read(projection, GetAssistant(tenant="org", assistant_id="agt_500"), keys)
    assert shown.model_settings == {}


def test_depth_is_counted_when_lists_and_objects_mix() -> None:
    """Lists and objects count alike, and the deepest branch decides."""
    assert not is_too_deep("text")
    assert not is_too_deep(_nested(JSON_DEPTH_MAX))
    assert is_too_deep({"shallow": 1, "deep": [_nested(JSON_DEPTH_MAX - 1)]})
