"""WebSockets: places of those who have no key yet, and where and whom a refusal is told."""

from __future__ import annotations

import json

import pytest
from websockets.asyncio.client import connect

from serve.settings import ServeSettings
from tests.unit.fakes.scripted_chat import KEY
from tests.unit.test_gateway_ws import Frame, ask, closed, hear, talking


async def test_known_are_served_when_strangers_hold_all_of_their_places() -> None:
    """Whoever shows no key keeps out others without one, and nobody else."""
    async with talking(ServeSettings(ws_connections_max=4)) as talk, connect(talk.url) as stranger:
        async with connect(talk.url) as one_more:
            code, reason = await closed(one_more)
            assert code == 1013
            assert "without a key" in reason
        async with talk.socket(), talk.socket(), talk.socket():
            # The place of a stranger is free again once the key is known.
            await stranger.send(json.dumps({"type": "auth", "api_key": KEY}))
            assert (await hear(stranger))["type"] == "ready"
            async with connect(talk.url) as known:
                await known.send(json.dumps({"type": "auth", "api_key": KEY, "ref": "r"}))
                assert (await closed(known))[0] == 1013
        assert (await ask(stranger, {"type": "ping"}))["type"] == "pong"


async def test_room_does_not_count_when_it_is_joined_again() -> None:
    """A client that is not sure joins once more, at the limit as well."""
    async with talking(ServeSettings(ws_rooms_max=1)) as talk, talk.socket() as socket:
        room = await talk.join(socket)
        assert await talk.join(socket) == room
        other = {"type": "join", "agent_id": talk.agent, "conversation_id": "2"}
        assert (await ask(socket, other))["status"] == 429


async def test_fault_is_in_the_frame_when_the_frame_has_it() -> None:
    """Its place is that of the frame's own field, not of some body."""
    async with talking(ServeSettings(models=("big",))) as talk, talk.socket() as socket:
        room = await talk.join(socket)
        said = {"type": "send", "room": room, "message": "hi"}
        for fields, where in (
            ({"model": "gpt-99"}, "model"),
            ({"message": " "}, "message"),
            ({"message": "a\x00b"}, "message"),
            ({"stop": ["a\x00b"]}, "stop[0]"),
        ):
            told = await ask(socket, {**said, **fields})
            assert (told["status"], told["errors"][0]["location"]) == (422, where)


@pytest.mark.parametrize(
    ("sent", "ref"),
    [
        ({"type": "dance", "ref": "r-1"}, "r-1"),
        ({"type": "send", "ref": "r-2", "room": 5}, "r-2"),
        ({"ref": "r-3"}, "r-3"),
        ({"type": "ping", "ref": 4}, None),
        ({"type": "ping", "ref": "x" * 129}, None),
        ([1], None),
    ],
    ids=str,
)
async def test_refusal_carries_the_ref_when_it_can_be_read(sent: object, ref: str | None) -> None:
    """A frame of no known shape has an answer that its sender can tell from the others."""
    async with talking() as talk, talk.socket() as socket:
        await socket.send(json.dumps(sent))
        told: Frame = await hear(socket)
        assert (told["type"], told["status"], told.get("ref")) == ("error", 400, ref)
