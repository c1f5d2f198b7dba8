"""The NATS server's monitoring port: is it ready, and does it keep what it acknowledges?"""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request

import msgspec

from events.errors import Misconfigured, Unavailable


class _JetStreamConfig(msgspec.Struct, frozen=True):
    sync_always: bool = False
    store_dir: str = ""


class _JetStream(msgspec.Struct, frozen=True):
    config: _JetStreamConfig = _JetStreamConfig()


class _Varz(msgspec.Struct, frozen=True):
    version: str = ""
    jetstream: _JetStream = _JetStream()


async def check_durable(monitor_urls: str, deadline_s: float) -> None:
    """Refuse servers that acknowledge before they sync (`monitor_urls`: separated by commas).

    With the server's default, a power cut loses most of what was acknowledged in the last two
    minutes; `sync_always` is absent from its answer unless `sync_interval: always` is set.

    Raises:
        Misconfigured: a server does not sync every write.
        Unavailable: a server does not answer within `deadline_s`.
    """
    for url in monitor_urls.split(","):
        varz = msgspec.json.decode(await _get(f"{url.strip()}/varz", deadline_s), type=_Varz)
        if not varz.jetstream.config.sync_always:
            raise Misconfigured(
                f"the NATS server at {url} acknowledges events before they are on disk; set "
                "`jetstream { sync_interval: always }` in its configuration and restart it"
            )


async def is_healthy(monitor_url: str, deadline_s: float) -> bool:
    """Return whether the server is up and has recovered its streams."""
    try:
        await _get(f"{monitor_url}/healthz", deadline_s)
    except Unavailable:
        return False
    return True


async def _get(url: str, deadline_s: float) -> bytes:
    return await asyncio.to_thread(_get_blocking, url, deadline_s)


def _get_blocking(url: str, deadline_s: float) -> bytes:
    # The monitor is asked directly: a proxy in the environment has no business in between.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=deadline_s) as response:
            body: bytes = response.read()
            return body
    except (urllib.error.URLError, OSError) as error:
        raise Unavailable(f"{url} does not answer ({error})") from error
