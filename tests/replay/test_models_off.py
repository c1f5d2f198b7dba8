"""What a model said is in the log: rebuilds and forks of it need no model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

import pytest
import pytest_asyncio

from actors import modelling
from actors.deciders.table import decider_of
from actors.effects import Generate
from actors.extraction.asking import ModelExtractor
from actors.extraction.extractor import RuleExtractor
from actors.models.port import Delta, Generation, GenerationRequest, ModelFailed, Told
from actors.models.settings import EXTRACTIVE, ModelSettings, ProviderSettings
from actors.names import AGENTS, Agent
from actors.past.fork import ForkRequest, fork
from actors.past.queries import ForkReport
from actors.past.told import Live
from actors.queries import GetState
from actors.rebuilding import Comparison, compare
from events.catalogue import GenerationCompleted, GenerationFailed, Payload, Usage
from events.envelope import Event
from events.journal import Journal
from projections.base import Projection, apply_or_skip
from tests.life import Life, live, system_in_one_process

NOTHING = '{"memories":[]}'
MODELS = ModelSettings(
    providers=(
        ProviderSettings(name="parrot", kind="openai_compatible", model="p", base_url="http://x"),
        EXTRACTIVE,
    ),
    extraction=True,
)


class Parrot:
    """Remembers what it is shown, as one fact; now and then says nonsense, or nothing at all.

    Whoever wants an answer gets one. What it says follows from what it is asked, and it counts how
    often that was.
    """

    name = "parrot"

    def __init__(self) -> None:
        self.asked = 0

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Told, None]:
        self.asked += 1
        digest = hashlib.sha256(repr(request.turns).encode()).digest()
        if digest[0] < 25 and request.output is not None:
            raise ModelFailed("it is away", "unavailable")
        text = "I do not know." if request.output is None else self._extracted(request, digest)
        yield Delta(text=text)
        yield Generation(text=text, provider=self.name, model="p", usage=Usage(prompt_tokens=9))

    def _extracted(self, request: GenerationRequest, digest: bytes) -> str:
        assert request.output is not None
        if digest[0] < 75:
            return '{"memories": [{"half":'
        if "semantic" not in request.output.name:
            return NOTHING
        fact = {
            "action": "add",
            "about": [],
            "reason": "it was said",
            "key": "",
            "importance": 0.7,
            "since": "",
            "replaces": [],
            "name": "remark",
            "summary": f"remark {digest.hex()[:12]}",
            "details": "",
        }
        return json.dumps({"memories": [fact]})


@pytest.fixture(scope="module")
def parrot() -> Parrot:
    return Parrot()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def life(parrot: Parrot) -> AsyncIterator[Life]:
    """A small life, lived with a model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(modelling, "build_model", lambda *_, **__: parrot)
        async with system_in_one_process(MODELS) as life:
            await live(life, length=18)
            yield life


async def generations(journal: Journal) -> list[Payload]:
    kinds = frozenset({GenerationCompleted.__name__, GenerationFailed.__name__})
    return [event.payload async for event in journal.read(kinds=kinds)]


@pytest.mark.asyncio(loop_scope="module")
async def test_rebuild_gives_equal_states_when_no_model_is_there(
    life: Life, parrot: Parrot
) -> None:
    """Every projection, folded from the log alone, has the hash of the live one."""
    told = await generations(life.journal)
    assert {type(one) for one in told} == {GenerationCompleted, GenerationFailed}
    asked = parrot.asked

    compared = await compared_states(life)

    assert len(compared) == len(AGENTS)
    assert [one for one in compared if not one.is_equal] == []
    assert parrot.asked == asked


async def compared_states(life: Life) -> list[Comparison]:
    end = await life.journal.last_position()
    states = [
        (agent, await life.backend.ask(0, agent, GetState(), min_position=end)) for agent in AGENTS
    ]
    return await compare(life.journal, states)


async def forked(journal: Journal, *, reuse: bool = True, live: Live | None = None) -> ForkReport:
    async def state_at(agent: Agent, user: str, position: int) -> Projection:
        projection = decider_of(agent, journal.codec.keys.fingerprint).projection
        async for event in journal.read(0, position, projection.kinds, user=user or "*"):
            apply_or_skip(projection, event)
        return projection

    request = ForkRequest(at=0, until=await journal.last_position(), reuse=reuse)
    extractor = ModelExtractor("parrot", RuleExtractor())
    keys = journal.codec.keys
    return await fork(journal, state_at, request, extractor=extractor, keys=keys, live=live)


@pytest.mark.asyncio(loop_scope="module")
async def test_fork_asks_nobody_when_the_log_has_what_was_said(life: Life, parrot: Parrot) -> None:
    """The same extractor meets its own words again, and nothing differs."""
    asked = parrot.asked

    report = await forked(life.journal)

    assert report.difference.changes == ()
    assert (report.asked, report.unasked, report.parked) == (0, 0, 0)
    assert report.reused > 10
    assert parrot.asked == asked


@pytest.mark.asyncio(loop_scope="module")
async def test_rules_decide_when_nothing_recorded_may_be_used_and_nobody_is_there(
    life: Life,
) -> None:
    """Each generation fails as unavailable; what the model had remembered is only in the log."""
    report = await forked(life.journal, reuse=False)

    assert (report.reused, report.asked, report.parked) == (0, 0, 0)
    assert report.unasked > 10
    gone = [one for one in report.difference.changes if one.kind == "forgotten"]
    assert any("remark" in str(one.before) for one in gone)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_model_is_asked_when_it_is_to_be_asked_anew(life: Life) -> None:
    """What it says now takes the place of what was said then, and its words are counted."""
    called = 0

    async def silent(agent: Agent, cause: Event, asked: Generate) -> Sequence[Payload]:
        nonlocal called
        called += 1
        return [
            GenerationCompleted(
                generation_id="gen_x", model="m", prompt_hash="", output=NOTHING, provider="now"
            )
        ]

    report = await forked(life.journal, reuse=False, live=silent)

    assert report.asked == called > 10
    assert (report.reused, report.unasked, report.parked) == (0, 0, 0)
