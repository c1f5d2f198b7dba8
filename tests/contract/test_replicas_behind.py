"""A replica answers for the stream before the latest message has reached it."""

from __future__ import annotations

import pytest
from nats.aio.msg import Msg

from events.connection import Connection
from events.errors import CorruptLog, Unavailable
from events.jetstream import JetStreamLog
from events.jetstream_api import JetStreamApi
from tests.contract.conftest import MakeRecord


class BehindApi(JetStreamApi):
    """Reaches, of all replicas, one that knows of nothing when it is first asked."""

    def __init__(self, connection: Connection, misses: int) -> None:
        super().__init__(connection._client, deadline_s=0.2)
        self.misses = misses

    async def request(
        self, subject: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Msg:
        """Answer so many direct gets as such a replica does."""
        if subject.startswith("$JS.API.DIRECT.GET.") and self.misses > 0:
            self.misses -= 1
            return Msg(_client=self.client, headers={"Status": "404"})
        return await super().request(subject, body, headers)


async def test_what_was_appended_is_found_also_when_a_replica_lacks_it(
    connection: Connection, make_record: MakeRecord
) -> None:
    """By position, as the last of its kind, and in a filtered read: waited for, never missed."""
    (position,) = await connection.log(0).append([make_record("one")])
    behind = BehindApi(connection, misses=2)
    log = JetStreamLog(behind, 0, 5.0)
    assert [one.position for one in await log.at([position])] == [position]
    behind.misses = 2
    last = await log.last_of("Said", "usr_a")
    assert last is not None
    assert last.position == position
    behind.misses = 2
    assert [one.position async for one in log.read(user="usr_a")] == [position]


async def test_replicas_that_stay_behind_are_no_corrupt_log(
    connection: Connection, make_record: MakeRecord
) -> None:
    """To be asked again; what the leader does not have either is lost."""
    (position,) = await connection.log(0).append([make_record("one")])
    log = JetStreamLog(BehindApi(connection, misses=10_000), 0, 5.0)
    with pytest.raises(Unavailable, match="behind"):
        await log.at([position])
    with pytest.raises(CorruptLog, match=f"position {position + 1} was already there"):
        await log.at([position + 1])
    assert await log.last_of("Never", "usr_a") is None
