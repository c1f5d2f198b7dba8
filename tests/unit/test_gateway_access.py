"""Service keys: who gets in, how quickly that changes, and what is open to all."""

from __future__ import annotations

import pytest

from events.catalogue import ServiceKeyIssued
from events.envelope import NewEvent
from events.errors import Misconfigured, Unauthenticated
from serve.access import REFRESH_PAUSE_S, ServiceKeys, bootstrap, digest_of, issue_key
from tests.unit.fakes.gateway import KEY, V1, problem, running
from tests.unit.fakes.gateway_backend import FakeBackend

PEPPER = b"p" * 32


class Watch:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        """Return the seconds that were set."""
        return self.now_s


async def _issue(backend: FakeBackend, key: str) -> None:
    payload = ServiceKeyIssued(key_id=f"key_{key}", digest=digest_of(key, PEPPER))
    event = NewEvent(event_id=key, payload=payload, tenant="default", producer="test")
    await backend.append(0, [event])


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": "wrong"},
        {"X-API-Key": ""},
        {"X-API-Key": "x" * 10_000},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong"},
    ],
)
async def test_caller_is_refused_when_the_key_is_not_known(headers: dict[str, str]) -> None:
    """No key, a wrong one, or one sent the wrong way: 401, and how to do it."""
    async with running() as (gateway, _), gateway.client(None) as stranger:
        for method, path in (("GET", "agents/"), ("POST", "messages"), ("GET", "status")):
            answer = await stranger.request(method, f"{V1}/{path}", headers=headers)
            problem(answer, 401)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "headers",
    [{"X-API-Key": KEY}, {"Authorization": f"Bearer {KEY}"}, {"Authorization": f"bearer {KEY}"}],
)
async def test_caller_is_let_in_when_the_key_is_known(headers: dict[str, str]) -> None:
    """Either header does."""
    async with running() as (gateway, _), gateway.client(None) as caller:
        assert (await caller.get(f"{V1}/agents/", headers=headers)).status_code == 200


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/docs", "/openapi.json"])
async def test_path_needs_no_key_when_it_tells_of_nobody(path: str) -> None:
    """Probes and scrapers come without a key, at the root and under the prefix."""
    async with running() as (gateway, _), gateway.client(None) as probe:
        assert (await probe.get(path)).status_code == 200
        assert (await probe.get(V1 + path)).status_code == 200


async def test_keys_are_read_once_a_second_at_most_when_guessed() -> None:
    """Guessing does not turn into reading; a new key is known after the pause."""
    backend, watch = FakeBackend(), Watch()
    keys = ServiceKeys(backend, PEPPER, age_s_max=60, now_s=watch)
    for guess in ("one", "two", "three"):
        with pytest.raises(Unauthenticated):
            await keys.authenticate(guess)
    assert backend.key_reads == 1
    await _issue(backend, "new")
    watch.now_s += REFRESH_PAUSE_S + 0.1
    assert await keys.authenticate("new") == ("key_new", "default")
    assert await keys.authenticate("new") == ("key_new", "default")
    assert backend.key_reads == 2


async def test_key_is_refused_when_it_went_out_of_use() -> None:
    """A revoked key is known no longer than the cache may be old."""
    backend, watch = FakeBackend(), Watch()
    keys = ServiceKeys(backend, PEPPER, age_s_max=5, now_s=watch)
    await _issue(backend, "old")
    await keys.authenticate("old")
    backend.logs[0].clear()
    watch.now_s += 5.1
    with pytest.raises(Unauthenticated):
        await keys.authenticate("old")


async def test_bootstrap_shows_a_key_once_when_there_is_none() -> None:
    """The first start makes a key; the next ones do not, and the log never holds it."""
    backend = FakeBackend()
    key = await bootstrap(backend, PEPPER)
    assert key is not None
    assert await bootstrap(backend, PEPPER) is None
    (issued,) = backend.payloads(ServiceKeyIssued)
    assert key not in repr(issued)
    assert issued.digest == digest_of(key, PEPPER)


async def test_bootstrap_puts_the_preset_in_use_when_it_is_not_yet() -> None:
    """A preset is added beside what there is, once."""
    backend = FakeBackend()
    await bootstrap(backend, PEPPER)
    for _ in range(2):
        assert await bootstrap(backend, PEPPER, KEY) is None
    assert len(backend.payloads(ServiceKeyIssued)) == 2
    with pytest.raises(Misconfigured):
        await bootstrap(backend, PEPPER, "short")


def test_keys_differ_when_issued() -> None:
    """Keys are random, and their digests depend on the pepper."""
    assert issue_key() != issue_key()
    assert digest_of("key", PEPPER) != digest_of("key", b"q" * 32)
