"""The real gateway over the nine agents in one process, on a free port of a thread of its own.

What the command line says over HTTP is answered by what would answer it on a cluster, without Ray.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from actors.backend import AgentsBackend
from actors.embedding import HashEmbedder
from actors.local import local_backend
from actors.models.settings import ModelSettings
from events.codec import Codec
from events.journal import Journal
from events.memory_keystore import MemoryKeyStore
from events.memory_log import MemoryLog
from events.sealing import KeyRing
from events.signals import MemorySignals
from serve.access import bootstrap, pepper_of
from serve.gateway import build_app
from serve.settings import ServeSettings

KEY = "a-preset-key-for-tests"
START_S_MAX = 30.0


async def _nobody(*_: object) -> None:
    raise AssertionError("there are no agents yet")


class _Server(uvicorn.Server):
    """Tells when it listens."""

    def __init__(self, config: uvicorn.Config, listening: threading.Event) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listening.set()


@contextmanager
def local_gateway(models: ModelSettings | None = None) -> Iterator[str]:
    """Serve while the context lasts; yields the address. The key is `KEY`."""
    started = threading.Event()
    servers: list[_Server] = []
    failures: list[BaseException] = []

    async def serve() -> None:
        keystore = MemoryKeyStore(b"m" * 32)
        journal, signals = Journal(MemoryLog(0), Codec(KeyRing(keystore))), MemorySignals()
        # Before the backend starts: it knows from its first moment what is in the log by then.
        first = AgentsBackend([journal], signals, _nobody, _nobody)
        await bootstrap(first, pepper_of(keystore), KEY)
        async with local_backend([journal], signals, HashEmbedder(), models) as backend:
            app = build_app(ServeSettings(), backend, keystore)
            servers.append(_Server(uvicorn.Config(app, port=0, log_level="error"), started))
            await servers[0].serve()

    def run() -> None:
        try:
            asyncio.run(serve())
        # Whatever it is: the test that waits for this thread must learn of it.
        except BaseException as error:
            failures.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=run, name="local-gateway", daemon=True)
    thread.start()
    assert started.wait(START_S_MAX), "the gateway did not start"
    assert not failures, failures
    (server,) = servers
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(START_S_MAX)
    assert not failures, failures
