"""The public HTTP API, typed: the one place for the key, for retries and for what errors mean.

Everything the command line and the evaluations do to a system goes through here, as any client's
requests would.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
import msgspec
import stamina

from events.errors import (
    CommandRejected,
    DeadlineExceeded,
    Forbidden,
    MirixError,
    Misconfigured,
    NotFound,
    PayloadTooLarge,
    Unauthenticated,
    Unavailable,
    VersionConflict,
)
from events.memory import Value

API = "/api/v1"
PAGE_ITEMS = 100
BY_STATUS: dict[int, type[MirixError]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: VersionConflict,
    413: PayloadTooLarge,
    504: DeadlineExceeded,
}
#: Seconds for making a connection: a host that does not answer by then is not there.
CONNECT_S_MAX = 5.0
_REACH_WAIT_S_MAX = 0.5
#: The server asks us to come back: too many requests, not there now, not done yet.
RETRIED = frozenset({429, 503, 504})
Answer = TypeVar("Answer")


class NewMessage(Value, frozen=True, kw_only=True):
    """A message as `POST /messages` takes it."""

    role: str = "user"
    content: str
    name: str = ""
    created_at: datetime | None = None
    external_id: str = ""


class Accepted(Value, frozen=True, kw_only=True):
    """Where messages went: the last position, their ids, how many were new (None: unknown)."""

    position: int = 0
    message_ids: tuple[str, ...] = ()
    new: int | None = None


class Source(Value, frozen=True, kw_only=True, omit_defaults=False):
    """The messages and events a hit came from."""

    message_ids: tuple[str, ...] = ()
    external_ids: tuple[str, ...] = ()
    event_ids: tuple[str, ...] = ()


class Signal(Value, frozen=True, kw_only=True):
    """What a signal said of a hit, 0 to 1, its rank by it (1: the best), and what that weighs."""

    value: float
    rank: int
    weight: float


class Hit(Value, frozen=True, kw_only=True, omit_defaults=False):
    """One result of a search; `explain` holds its signals by name when they were asked for."""

    id: str
    tier: str
    text: str
    score: float
    occurred_at: str | None = None
    said_at: str | None = None
    recorded_at: str | None = None
    source: Source = Source()
    explain: dict[str, Signal] | None = None


class Found(Value, frozen=True, kw_only=True, omit_defaults=False):
    """What a search found."""

    search_id: str = ""
    position: int = 0
    results: tuple[Hit, ...] = ()


class Retryable(Unavailable):
    """The server (or the way to it) is not there now; `retry_after_s` is its own wish, or 0."""

    @property
    def retry_after_s(self) -> float:
        """Seconds that the server asks to wait; 0 when it does not say."""
        return float(self.args[1]) if len(self.args) > 1 else 0.0


class ApiClient:
    """Talks to one system. Use as an async context manager.

    Args:
        url: where the gateway is: `http://host:port`.
        api_key: sent as `X-API-Key`.
        transport: replaces the network in tests.
        attempts: how often a request that may be repeated is sent.
        patience_s: bound on all attempts together.
        timeout_s: bound on one attempt; longer than the gateway's own deadline for `wait=true`.

    Raises:
        Misconfigured: the address is none.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        attempts: int = 40,
        patience_s: float = 600.0,
        timeout_s: float = 90.0,
    ) -> None:
        self.url = base_address(url)
        self.api_key = api_key
        self._attempts = attempts
        self._patience_s = patience_s
        # A local system must be reached whatever proxy the machine is set up with.
        self._http = httpx2.AsyncClient(
            base_url=self.url,
            headers={"X-API-Key": api_key},
            transport=transport,
            timeout=httpx2.Timeout(timeout_s, connect=CONNECT_S_MAX),
            trust_env=False,
        )

    async def __aenter__(self) -> ApiClient:
        """Open."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close connections."""
        await self._http.aclose()

    async def add_messages(
        self,
        messages: Sequence[NewMessage],
        *,
        user_id: str,
        conversation_id: str,
        wait: bool = False,
    ) -> Accepted:
        """Append messages; with `wait`, return once they can be found.

        Safe to repeat because each message carries its `external_id`.
        """
        body = {
            "user_id": user_id,
            "conversation_id": conversation_id,
            "messages": [_given(message) for message in messages],
        }
        path = f"{API}/messages?wait={'true' if wait else 'false'}"
        accepted, tries = await self._tried("POST", path, Accepted, body)
        # Of a repeated request nobody knows which messages an earlier try put in.
        return accepted if tries == 1 else msgspec.structs.replace(accepted, new=None)

    async def add_document(
        self, document: Mapping[str, Any], *, wait: bool = False
    ) -> dict[str, Any]:
        """Hand in a document (`title`, `text`, ...)."""
        path = f"{API}/documents?wait={'true' if wait else 'false'}"
        return await self._call("POST", path, dict[str, Any], dict(document))

    async def search(self, query: str, *, user_id: str, **options: Any) -> Found:
        """Search a user's memory; options as `POST /memory/search` takes them, None left out."""
        body = {"query": query, "user_id": user_id, **_without_none(options)}
        return await self._call("POST", f"{API}/memory/search", Found, body)

    async def embeddings(self, texts: Sequence[str]) -> dict[str, Any]:
        """Return what `POST /v1/embeddings` tells of texts, their vectors in base64."""
        body = {"model": "mirix", "input": list(texts), "encoding_format": "base64"}
        return await self._call("POST", "/v1/embeddings", dict[str, Any], body)

    async def list_memories(
        self, tier: str, *, user_id: str, ended: bool = False
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the memories of a tier page by page; with `ended`, those that held once too."""
        cursor, also = "", "true" if ended else ""
        while True:
            query = _query(user_id=user_id, limit=str(PAGE_ITEMS), cursor=cursor, ended=also)
            page = await self._call("GET", f"{API}/memory/{tier}{query}", dict[str, Any])
            for item in page.get("items", ()):
                yield item
            cursor = page.get("next_cursor") or ""
            if not cursor:
                return

    async def reveal(self, memory_id: str, *, user_id: str, reason: str) -> str:
        """Return a vault secret in clear; the reading is recorded."""
        path = f"{API}/memory/knowledge_vault/{memory_id}/reveal"
        body = {"reason": reason}
        answer = await self._call("POST", path + _query(user_id=user_id), dict[str, Any], body)
        return str(answer["secret"])

    async def send(
        self, method: str, path: str, *, params: Mapping[str, str], body: Any = None
    ) -> dict[str, Any]:
        """Send a request that is safe to repeat, and return its answer."""
        return await self._call(method, f"{API}{path}{_query(**params)}", dict[str, Any], body)

    async def assistants(self) -> list[dict[str, Any]]:
        """Return the assistant profiles."""
        return await self._call("GET", f"{API}/agents/", list[dict[str, Any]])

    async def create_assistant(self, profile: Mapping[str, Any]) -> dict[str, Any]:
        """Make an assistant profile and return it."""
        return await self._call("POST", f"{API}/agents/", dict[str, Any], dict(profile), once=True)

    async def chat(self, assistant_id: str, message: str, *, user_id: str) -> dict[str, Any]:
        """Say something to an assistant and return its answer, with citations."""
        body = {"message": message, "user_id": user_id}
        path = f"{API}/agents/{assistant_id}/chat"
        return await self._call("POST", path, dict[str, Any], body, once=True)

    async def status(self, *, hashes: bool = False) -> dict[str, Any]:
        """Return how far each agent is; with `hashes`, the state hash of each projection."""
        path = f"{API}/status" + ("?hashes=true" if hashes else "")
        return await self._call("GET", path, dict[str, Any])

    async def swap(self, projection: str, shard: int, position: int) -> dict[str, Any]:
        """Let an agent adopt the state rebuilt up to `position`; return the state that is live."""
        body = {"shard": shard, "position": position}
        return await self._call(
            "POST", f"{API}/projections/{projection}/swap", dict[str, Any], body
        )

    async def roll_back(self, projection: str, shard: int) -> dict[str, Any]:
        """Let an agent put the state back that was replaced; return the state that is live."""
        path = f"{API}/projections/{projection}/roll-back"
        return await self._call("POST", path, dict[str, Any], {"shard": shard})

    async def reach(self, patience_s: float) -> None:
        """Return when the system has answered anything at all.

        So a wrong address is told at once, whatever patience the work behind it has.

        Raises:
            Unavailable: nothing answered within `patience_s`.
        """
        attempts = stamina.retry_context(
            on=Retryable, attempts=None, timeout=patience_s, wait_max=_REACH_WAIT_S_MAX
        )
        async for attempt in attempts:
            with attempt:
                await self._exchange("GET", "/health", timeout_s=patience_s)

    async def is_ready(self) -> bool:
        """Ask once whether the system is ready."""
        try:
            return (await self._http.get("/ready")).status_code == 200
        except httpx2.TransportError:
            return False

    async def _call(
        self,
        method: str,
        path: str,
        kind: type[Answer],
        body: Any = None,
        *,
        once: bool = False,
    ) -> Answer:
        return (await self._tried(method, path, kind, body, once=once))[0]

    async def _tried(
        self, method: str, path: str, kind: type[Answer], body: Any = None, *, once: bool = False
    ) -> tuple[Answer, int]:
        """Return the answer, and how many requests it took."""
        content = None if body is None else msgspec.json.encode(body)
        attempts = stamina.retry_context(
            on=self._backoff,
            attempts=1 if once else self._attempts,
            timeout=self._patience_s,
        )
        async for attempt in attempts:
            with attempt:
                response = await self._send(method, path, content)
        try:
            return msgspec.json.decode(response.content, type=kind, strict=False), attempt.num
        except msgspec.MsgspecError as error:
            raise Unavailable(
                f"{method} {self.url}{path} answered something else than expected ({error}); "
                "is this the gateway of a system of the same version?"
            ) from error

    async def _send(self, method: str, path: str, content: bytes | None) -> httpx2.Response:
        response = await self._exchange(method, path, content)
        if response.is_success:
            return response
        raise problem(response)

    async def _exchange(
        self, method: str, path: str, content: bytes | None = None, timeout_s: float | None = None
    ) -> httpx2.Response:
        headers = {"Content-Type": "application/json"} if content is not None else {}
        request = self._http.build_request(method, path, content=content, headers=headers)
        if timeout_s is not None:
            request.extensions["timeout"] = httpx2.Timeout(timeout_s).as_dict()
        try:
            return await self._http.send(request)
        except httpx2.TransportError as error:
            reason = str(error) or type(error).__name__
            raise Retryable(
                f"cannot reach {self.url} ({reason}); is the system up? (`mirix status`)"
            ) from error

    def _backoff(self, error: Exception) -> bool | float:
        if not isinstance(error, Retryable) or error.retry_after_s > self._patience_s:
            return False
        return error.retry_after_s or True


def base_address(url: str) -> str:
    """Return the address of a system as its clients use it, without `/api/v1`.

    Raises:
        Misconfigured: it is not `http://` or `https://` and a host.
    """
    wrong = f"{url!r} is not the address of a system; expected something like http://host:47283"
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise Misconfigured(f"{wrong} ({error})") from error
    is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0
    if not is_whole or parts.query or parts.fragment or any(map(str.isspace, url.strip())):
        raise Misconfigured(wrong)
    path = parts.path.rstrip("/").removesuffix(API).rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}"


def problem(response: httpx2.Response) -> MirixError:
    """Return the error that an answer means, as one clear line."""
    try:
        told = msgspec.json.decode(response.content, type=dict[str, Any])
    except msgspec.MsgspecError:
        told = {}
    line = str(told.get("detail") or told.get("title") or response.reason_phrase or "no reason")
    message = f"{line.strip()} (HTTP {response.status_code})"
    if response.status_code in RETRIED:
        return Retryable(message, _seconds(response.headers.get("Retry-After", "")))
    fallback: type[MirixError] = CommandRejected if response.is_client_error else Unavailable
    return BY_STATUS.get(response.status_code, fallback)(message)


def _seconds(text: str) -> float:
    # Retry-After may also be a date (RFC 9110, 10.2.3); our gateway sends seconds.
    return min(float(text), 900.0) if text.strip().isdigit() else 0.0


def _given(message: NewMessage) -> dict[str, Any]:
    fields = msgspec.structs.asdict(message)
    return {key: value for key, value in fields.items() if value not in ("", None)}


def _without_none(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}


def _query(**parameters: str) -> str:
    given = {key: value for key, value in parameters.items() if value}
    return f"?{httpx2.QueryParams(given)}" if given else ""
