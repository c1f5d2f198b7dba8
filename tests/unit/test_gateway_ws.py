"""Chat over real WebSockets: rooms, several members, limits, and what closes a connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from events.catalogue import ServiceKeyRevoked
from events.envelope import NewEvent
from serve import rooms, ws_connection
from serve.settings import ServeSettings
from tests.unit.fakes.gateway import V1
from tests.unit.fakes.scripted_chat import DEADLINE_S, KEY, ScriptedChat, scripted, until

TEXT = "You live in Oslo [1]."
Frame = dict[str, Any]


class Talk:
    """The chat agent to play, an assistant profile, and sockets."""

    def __init__(self, chat: ScriptedChat, http: httpx2.AsyncClient, agent: str) -> None:
        self.chat = chat
        self.http = http
        self.agent = agent
        self.url = chat.url.replace("http://", "ws://") + f"{V1}/ws"

    @asynccontextmanager
    async def socket(self, key: str = KEY) -> AsyncIterator[ClientConnection]:
        """Open a socket whose key is in a header."""
        headers = {"X-API-Key": key}
        async with connect(self.url, additional_headers=headers, compression=None) as socket:
            assert await hear(socket) == {"type": "ready"}
            yield socket

    async def join(self, socket: ClientConnection, **fields: Any) -> str:
        """Enter the room of alice's conversation."""
        asked = {"type": "join", "agent_id": self.agent, "user_id": "alice", **fields}
        joined = await ask(socket, asked)
        assert joined["type"] == "joined", joined
        return str(joined["room"])


@asynccontextmanager
async def talking(settings: ServeSettings | None = None) -> AsyncIterator[Talk]:
    async with scripted(settings) as (chat, http):
        made = await http.post(f"{V1}/agents/", json={"name": "Helper"})
        yield Talk(chat, http, made.json()["id"])


async def hear(socket: ClientConnection) -> Frame:
    async with asyncio.timeout(DEADLINE_S):
        told: Frame = json.loads(await socket.recv())
        return told


async def ask(socket: ClientConnection, asked: Frame) -> Frame:
    """Send a frame; return the next one that answers it."""
    await socket.send(json.dumps({**asked, "ref": "r"}))
    while (told := await hear(socket)).get("ref") != "r":
        pass
    return told


async def hear_until(socket: ClientConnection, last: str) -> list[Frame]:
    """Return what is told up to an event."""
    told = [await hear(socket)]
    while told[-1].get("event") != last:
        told.append(await hear(socket))
    return told


async def _listen_on(socket: ClientConnection) -> None:
    while True:
        await socket.recv()


async def _ping_on(socket: ClientConnection) -> None:
    while True:
        await socket.send(json.dumps({"type": "ping"}))
        await socket.recv()


async def closed(socket: ClientConnection) -> tuple[int, str]:
    """Return code and reason with which the other end closes."""
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(ConnectionClosed) as caught:
            await _listen_on(socket)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


@pytest.mark.parametrize(
    "headers", [{"X-API-Key": KEY}, {"Authorization": f"Bearer {KEY}"}, {}], ids=str
)
async def test_socket_is_ready_when_it_shows_its_key(headers: dict[str, str]) -> None:
    """In either header, or in the first frame where there are none."""
    async with talking() as talk, connect(talk.url, additional_headers=headers) as socket:
        if not headers:
            await socket.send(json.dumps({"type": "auth", "api_key": KEY}))
        assert (await hear(socket))["type"] == "ready"
        assert (await ask(socket, {"type": "ping"}))["type"] == "pong"


@pytest.mark.parametrize(
    "first",
    [{"type": "auth", "api_key": "wrong"}, {"type": "ping"}, {"type": "nonsense"}],
    ids=str,
)
async def test_socket_is_closed_when_it_does_not(first: Frame) -> None:
    """With a code of its own, so that a client knows that coming back is no use."""
    async with talking() as talk:
        async with connect(talk.url) as socket:
            await socket.send(json.dumps(first))
            assert (await closed(socket))[0] == 4401
        async with connect(talk.url, additional_headers={"X-API-Key": "wrong"}) as socket:
            assert (await closed(socket))[0] == 4401


async def test_socket_is_closed_when_no_key_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is no key."""
    monkeypatch.setattr(ws_connection, "AUTH_TIMEOUT_S", 0.05)
    async with talking() as talk, connect(talk.url) as socket:
        assert (await closed(socket))[0] == 4401


async def test_socket_is_closed_when_its_key_goes_out_of_use() -> None:
    """The key is looked at for every frame."""
    async with talking(ServeSettings(keys_age_s_max=0.01)) as talk, talk.socket() as socket:
        ((key_id, tenant),) = (await talk.chat.backend.service_keys()).values()
        gone = NewEvent(
            event_id="evt_gone",
            payload=ServiceKeyRevoked(key_id=key_id),
            tenant=tenant,
            entity=key_id,
            producer="test",
        )
        await talk.chat.backend.append(0, [gone])
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(ConnectionClosed) as caught:
                await _ping_on(socket)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 4401


async def test_all_members_hear_everything_when_one_speaks() -> None:
    """The message and its answer, event by event, with the ids to come back with."""
    async with talking() as talk, talk.socket() as one, talk.socket() as other:
        room = await talk.join(one)
        assert await talk.join(other) == room
        sent = await ask(one, {"type": "send", "room": room, "message": "Where do I live?"})
        (message,) = await talk.chat.asked()
        id_ = message.message_id
        assert (sent["type"], sent["message_id"]) == ("sent", id_)
        await talk.chat.say(id_, TEXT[:8])
        await talk.chat.say(id_, TEXT[8:12], lost=True)
        await talk.chat.say(id_, TEXT[12:])
        await talk.chat.finish(message, TEXT)
        for socket in (one, other):
            told = await hear_until(socket, "complete")
            (heard,) = [one for one in told if one["type"] == "message"]
            assert heard["data"]["content"] == "Where do I live?"
            events = [one for one in told if one["type"] == "event"]
            pieces = [one for one in events if one["event"] == "content"]
            assert "".join(one["data"]["text"] for one in pieces) == TEXT
            assert [one["id"] for one in pieces] == [f"{id_}:0:8", f"{id_}:0:21"]
            assert events[-1]["data"]["response"] == TEXT
            assert events[-1]["data"]["usage"]["cached_tokens"] == 4


async def test_room_hears_it_when_something_is_said_elsewhere() -> None:
    """Over HTTP, in whichever replica: what is in the log is in the room."""
    async with talking() as talk, talk.socket() as socket:
        await talk.join(socket, conversation_id="today")
        body = {"message": "Where do I live?", "user_id": "alice", "conversation_id": "today"}
        path = f"{V1}/agents/{talk.agent}/chat"
        asking = asyncio.create_task(talk.http.post(path, json=body))
        (message,) = await talk.chat.asked()
        await talk.chat.say(message.message_id, TEXT)
        await talk.chat.finish(message, TEXT)
        told = await hear_until(socket, "complete")
        assert told[0]["data"]["content"] == "Where do I live?"
        assert told[-1]["data"]["response"] == TEXT == (await asking).json()["response"]
        said = {"role": "user", "content": "By the way."}
        handed_in = {"user_id": "alice", "conversation_id": "today", "messages": [said]}
        await talk.http.post(f"{V1}/messages", json=handed_in)
        assert (await hear(socket))["data"]["content"] == "By the way."


async def test_room_hears_nothing_when_it_is_said_in_another() -> None:
    """Not of other people, other conversations or other assistants; nor after leaving."""
    async with talking() as talk, talk.socket() as socket:
        made = await talk.http.post(f"{V1}/agents/", json={"name": "Other"})
        room = await talk.join(socket)
        other = await talk.join(socket, user_id="bob")
        assert other != room
        assert (await ask(socket, {"type": "leave", "room": other}))["type"] == "left"
        alice = {"user_id": "alice", "message": "elsewhere"}
        elsewhere = [
            (talk.agent, {**alice, "conversation_id": "x"}),
            (talk.agent, {**alice, "user_id": "bob"}),
            (made.json()["id"], alice),
        ]
        asking = [
            asyncio.create_task(talk.http.post(f"{V1}/agents/{agent}/chat", json=body))
            for agent, body in elsewhere
        ]
        await talk.chat.asked(3)
        said = {"role": "user", "content": "here"}
        await talk.http.post(f"{V1}/messages", json={"user_id": "alice", "messages": [said]})
        assert (await hear(socket))["data"]["content"] == "here"
        for task in asking:
            task.cancel()


async def test_answer_is_given_up_when_a_member_cancels_it() -> None:
    """At once, and all members hear of it."""
    async with talking() as talk, talk.socket() as one, talk.socket() as other:
        room = await talk.join(one)
        await talk.join(other)
        sent = await ask(one, {"type": "send", "room": room, "message": "hi"})
        (message,) = await talk.chat.asked()
        asked = {"type": "cancel", "room": room, "message_id": sent["message_id"]}
        assert (await ask(other, asked))["type"] == "cancelling"
        await until(lambda: talk.chat.unheard.get(message.message_id) == [0.0])
        await talk.chat.abandon(message, "cancelled")
        for socket in (one, other):
            (*_, error) = await hear_until(socket, "error")
            assert error["data"]["kind"] == "cancelled"


async def test_rest_is_told_when_a_member_comes_back() -> None:
    """Nothing twice and nothing left out; the answer went on meanwhile."""
    async with talking() as talk:
        async with talk.socket() as socket:
            room = await talk.join(socket)
            await ask(socket, {"type": "send", "room": room, "message": "hi"})
            (message,) = await talk.chat.asked()
            await talk.chat.say(message.message_id, TEXT[:8])
            (*_, last) = await hear_until(socket, "content")
        await until(lambda: message.message_id in talk.chat.unheard)
        assert talk.chat.unheard[message.message_id] == [10.0]
        await talk.chat.say(message.message_id, TEXT[8:12])
        async with talk.socket() as socket:
            room = await talk.join(socket)
            back = {"type": "resume", "room": room, "last_event_id": last["id"]}
            assert (await ask(socket, back))["type"] == "resuming"
            told = [*await hear_until(socket, "content")]
            await talk.chat.say(message.message_id, TEXT[12:])
            await talk.chat.finish(message, TEXT)
            told += await hear_until(socket, "complete")
            pieces = [one["data"]["text"] for one in told if one.get("event") == "content"]
            assert TEXT[:8] + "".join(pieces) == TEXT


async def test_answer_goes_on_when_one_member_of_several_leaves() -> None:
    """Only an empty room is deaf."""
    async with talking() as talk, talk.socket() as staying:
        async with talk.socket() as leaving:
            room = await talk.join(leaving)
            await talk.join(staying)
            await ask(leaving, {"type": "send", "room": room, "message": "hi"})
            (message,) = await talk.chat.asked()
        await talk.chat.say(message.message_id, TEXT)
        await talk.chat.finish(message, TEXT)
        (*_, complete) = await hear_until(staying, "complete")
        assert complete["data"]["response"] == TEXT
        assert talk.chat.unheard == {}


async def test_others_hear_on_when_one_member_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """It loses its place with a code that says so; nobody waits for it."""
    monkeypatch.setattr(rooms, "WAITING_MAX", 50)
    async with talking() as talk, talk.socket() as quick:
        headers = {"X-API-Key": KEY}
        slow = await connect(talk.url, additional_headers=headers, compression=None)
        await hear(slow)
        room = await talk.join(slow)
        await talk.join(quick)
        # It takes nothing: its end of the line and ours fill up.
        slow.transport.pause_reading()
        await ask(quick, {"type": "send", "room": room, "message": "hi"})
        (message,) = await talk.chat.asked()
        piece, text = "x" * 400_000, ""
        for _ in range(100):
            await talk.chat.say(message.message_id, piece)
            text += piece
            told = await hear_until(quick, "content")
            assert told[-1]["data"]["text"] == piece
        await talk.chat.finish(message, text[:10])
        await hear_until(quick, "complete")
        slow.transport.resume_reading()
        code, reason = await closed(slow)
        assert code == 1013
        assert "slow" in reason


@pytest.mark.parametrize(
    ("asked", "status", "word"),
    [
        ({"type": "dance"}, 400, "dance"),
        ({"type": "ping", "extra": 1}, 400, "extra"),
        ({"type": "join", "agent_id": "agt_nobody"}, 404, "agt_nobody"),
        ({"type": "send", "room": "room_x", "message": "hi"}, 404, "join it first"),
        ({"type": "auth", "api_key": KEY}, 422, "already"),
        ({"type": "join", "agent_id": "a\x00b"}, 422, "U+0000"),
    ],
    ids=str,
)
async def test_error_frame_says_what_is_wrong_when_a_frame_cannot_be_done(
    asked: Frame, status: int, word: str
) -> None:
    """The connection goes on."""
    async with talking() as talk, talk.socket() as socket:
        await socket.send(json.dumps(asked))
        told = await hear(socket)
        assert (told["type"], told["status"]) == ("error", status)
        assert word in told["detail"]
        assert told["problem"].startswith("urn:mirix:problem:")
        assert (await ask(socket, {"type": "ping"}))["type"] == "pong"


async def test_frames_of_a_room_are_refused_when_they_make_no_sense_there() -> None:
    """Empty messages, unknown messages, places of no answer, and other people's messages."""
    async with talking() as talk, talk.socket() as socket:
        room = await talk.join(socket)
        asking = asyncio.create_task(
            talk.http.post(f"{V1}/agents/{talk.agent}/chat", json={"message": "x", "user_id": "b"})
        )
        (others,) = await talk.chat.asked()
        for asked, status in (
            ({"type": "send", "message": " "}, 422),
            ({"type": "cancel", "message_id": "msg_unknown"}, 404),
            ({"type": "cancel", "message_id": others.message_id}, 404),
            ({"type": "resume", "last_event_id": "nonsense"}, 422),
            ({"type": "resume", "last_event_id": f"{others.message_id}:0:0"}, 404),
        ):
            assert (await ask(socket, {**asked, "room": room}))["status"] == status
        asking.cancel()


async def test_limits_hold_when_a_client_wants_more() -> None:
    """Rooms and answers of a connection, and connections of a replica."""
    settings = ServeSettings(ws_rooms_max=2, ws_answers_max=1, ws_connections_max=1)
    async with talking(settings) as talk, talk.socket() as socket:
        room = await talk.join(socket)
        await talk.join(socket, conversation_id="2")
        third = {"type": "join", "agent_id": talk.agent, "conversation_id": "3"}
        assert (await ask(socket, third))["status"] == 429
        asked = {"type": "send", "room": room, "message": "hi"}
        assert (await ask(socket, asked))["type"] == "sent"
        assert (await ask(socket, asked))["status"] == 429
        async with connect(talk.url, additional_headers={"X-API-Key": KEY}) as one_more:
            assert (await closed(one_more))[0] == 1013


async def test_socket_is_closed_when_a_frame_is_too_large_or_no_text() -> None:
    """Each with the code that the protocol has for it."""
    async with talking(ServeSettings(body_bytes_max=1_000)) as talk:
        async with talk.socket() as socket:
            await socket.send("x" * 1_001)
            assert (await closed(socket))[0] == 1009
        async with talk.socket() as socket:
            await socket.send(b"x")
            assert (await closed(socket))[0] == 1003
