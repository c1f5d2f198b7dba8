"""A replica dies in the middle of an answer. The last file: it costs the model a second start."""

from __future__ import annotations

import psutil
import pytest

from actors.models.port import ModelFailed, whole
from tests.llm.conftest import START_S_MAX, Models, request


async def test_answer_is_cut_off_and_the_next_one_comes_when_the_replica_is_killed(
    models: Models,
) -> None:
    """The failure is told, the dead replica's engine ends too, and Serve starts another."""
    model = models.model()
    told = model.generate(request(max_tokens=1900))
    await anext(told)
    replica = models.replica()
    engine = replica.children(recursive=True)
    assert len(engine) >= 2

    replica.kill()
    with pytest.raises(ModelFailed) as failed:
        async for _ in told:
            pass

    assert failed.value.kind == "cut_off"
    (attempt,) = failed.value.failures
    assert attempt.usage.completion_tokens > 0
    assert not psutil.wait_procs(engine, timeout=60)[1]

    answer = await whole(model, request())
    assert answer.text
    assert answer.duration_ms < START_S_MAX * 1000
    assert models.replica().pid != replica.pid
