"""Chat over a WebSocket: rooms, in both directions (`ws_frames` says what is said).

A client shows its service key in `X-API-Key`, as `Authorization: Bearer`, or, where it cannot set
headers, in its first frame: `{"type": "auth", "api_key": ...}`; never in the address, which ends
up in logs. Then it joins rooms, sends messages and hears all that is said in them: messages, and
answers as the five events of a stream, each with the `id` to resume behind.
"""

from __future__ import annotations

from fastapi import APIRouter, WebSocket

from serve.context import GatewayContext
from serve.rooms import Rooms
from serve.tail import Places
from serve.ws_connection import Connection, SocketPlaces

router = APIRouter()

#: For so many places of those whose key is known there is one more for who has yet to show theirs.
STRANGERS_SHARE = 4


class Sockets:
    """The WebSockets of a replica."""

    def __init__(self, context: GatewayContext) -> None:
        self._context = context
        places = context.settings.ws_connections_max
        self._places = SocketPlaces(
            known=Places(places, "WebSockets"),
            strangers=Places(max(1, places // STRANGERS_SHARE), "WebSockets without a key"),
        )
        self._rooms = Rooms(context)

    async def serve(self, socket: WebSocket) -> None:
        """Serve a connection to its end, if there is a place for it."""
        # Accepted first: a browser is not told why it was refused, but it is why it was closed.
        await socket.accept()
        await Connection(socket, self._context, self._rooms, self._places).run()


@router.websocket("/ws")
async def chat_socket(socket: WebSocket) -> None:
    """Serve one connection."""
    sockets: Sockets = socket.app.state.sockets
    await sockets.serve(socket)
