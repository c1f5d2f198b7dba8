"""Extraction by a model through the whole system, without Ray: HTTP in, HTTP to the model."""

from __future__ import annotations

import asyncio
from typing import Any

from actors.extraction.scoring import Report
from actors.models.settings import ModelSettings, ProviderSettings
from cluster.api_client import ApiClient
from cluster.eval_extraction import evaluate_extraction
from tests.scripted_model import ScriptedServer
from tests.unit.fakes.local_gateway import KEY, local_gateway
from tests.unit.test_asking_gold import CASES


def models(url: str) -> ModelSettings:
    """Return the settings of a system whose memory agents ask the model at an address."""
    gold = ProviderSettings(
        name="gold", kind="openai_compatible", model="scripted", base_url=url, attempts=1
    )
    return ModelSettings(providers=(gold,), extraction=True)


def evaluated(url: str, cases: list[dict[str, Any]]) -> Report:
    """Say the cases to a running system, and score what it kept."""

    async def run() -> Report:
        async with ApiClient(url, KEY) as client:
            return await evaluate_extraction(client, cases, run_id="1")

    return asyncio.run(run())


def test_what_the_model_says_is_what_the_api_shows() -> None:
    """From a posted message to a listed memory, secrets included, nothing is lost or added."""
    with ScriptedServer(CASES) as server, local_gateway(models(server.url)) as url:
        report = evaluated(url, CASES)
    assert {lang: told.wrong_ids for lang, told in report.languages.items()} == {"en": (), "zh": ()}
    assert sum(told.secret_leaks for told in report.languages.values()) == 0
    assert set(report.extractors) == {"model:gold"}


def test_the_rules_remember_when_the_model_is_away() -> None:
    """A provider that nobody answers at costs no memory that the rules would find."""
    with ScriptedServer([]) as server:
        gone = server.url
    with local_gateway(models(gone)) as url:
        report = evaluated(url, CASES[:1])
    assert report.languages["en"].wrong_ids == ()
    assert set(report.extractors) == {"rules"}
