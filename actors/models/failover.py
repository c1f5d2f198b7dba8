"""Several providers behind one port: who is asked, how often, for how long, and who is next.

1. Providers of the lowest rank come first; equals share by weight, at random.
2. A provider's turn ends with its deadline or its attempts. What may pass (a limit, an outage, a
   time-out, a broken stream) is tried again, after 100, 200, 400 ms ... and up to 100 ms more, or
   when the provider says. Anything else is the next provider's turn at once, and so is a wait that
   the deadline does not allow.
3. A provider that fails in a row is passed over for a while (`breakers.py`).
4. What was told before an attempt broke does not count: `StartedOver` says so before the next.
5. Every attempt that failed goes with the outcome, ready to be recorded.
6. A budget that is spent ends it all before anybody is asked.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

import msgspec
import stamina

from actors.models.breakers import BreakerOpen, Breakers
from actors.models.budgets import Budgets
from actors.models.extractive import answers_plainly
from actors.models.port import (
    Delta,
    FailureKind,
    Generation,
    GenerationRequest,
    LanguageModel,
    ModelFailed,
    StartedOver,
    Told,
)
from actors.models.sdk_errors import model_failed
from actors.models.settings import ModelSettings, ProviderSettings
from actors.models.tokens import estimated_usage, spent
from events.catalogue import GenerationFailed, Usage

#: What may have passed by the next attempt.
RETRIED: frozenset[FailureKind] = frozenset({"rate_limited", "unavailable", "timed_out", "cut_off"})
WAIT_FIRST_S = 0.1
WAIT_S_MAX = 5.0
WAIT_JITTER_S = 0.1


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """A way to a language model, and how it is used."""

    settings: ProviderSettings
    model: LanguageModel

    @property
    def name(self) -> str:
        """The name under which it is configured."""
        return self.settings.name


class FailoverModel:
    """All configured providers as one language model."""

    def __init__(
        self,
        providers: Sequence[Provider],
        settings: ModelSettings,
        budgets: Budgets,
        rng: random.Random,
    ) -> None:
        self.providers = tuple(providers)
        self._budgets = budgets
        self._rng = rng
        self._breakers = Breakers(settings.breaker_failures, settings.breaker_s)

    @property
    def name(self) -> str:
        """What stands for all of them together."""
        return "models"

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Told, None]:
        """Yield pieces as they come, and last the whole, with the attempts that failed before it.

        Raises:
            ModelFailed: nobody gave an output; `failures` holds every attempt, and one entry for
                a request that got nowhere.
        """
        run = _Run(request, self._budgets)
        try:
            providers = self._chosen(request)
            if any(one.settings.kind != "extractive" for one in providers):
                prompt = estimated_usage(request, "").prompt_tokens
                self._budgets.check(request.user, prompt)
        except ModelFailed as failed:
            raise run.turned_away(failed) from None
        ended: list[ModelFailed] = []
        for provider in providers:
            try:
                async with aclosing(self._turn(provider, run)) as told:
                    async for one in told:
                        yield one
                return
            except ModelFailed as failed:
                ended.append(failed)
        raise run.exhausted(ended)

    def _chosen(self, request: GenerationRequest) -> list[Provider]:
        """Return who is to be asked, in this order.

        Raises:
            ModelFailed: `refused`: there is no such model, or none that can do this.
        """
        named = [one for one in self.providers if request.model in ("", one.name)]
        named = named or [one for one in self.providers if one.settings.model == request.model]
        if not named:
            known = ", ".join(
                f"{one.name} ({one.settings.model})" if one.settings.model else one.name
                for one in self.providers
            )
            raise ModelFailed(
                f"there is no model called {request.model[:100]!r}; there are: {known}", "refused"
            )
        able = [
            one for one in named if one.settings.kind != "extractive" or answers_plainly(request)
        ]
        if not able:
            raise ModelFailed(
                f"{named[0].name} can only quote from memory in answer to a question; configure a"
                f" language model for {request.purpose}",
                "refused",
            )
        # Sorted by u ** (1 / weight), largest first: a weighted sample without replacement
        # (Efraimidis and Spirakis, 2006).
        return sorted(
            able,
            key=lambda one: (
                one.settings.rank,
                -(self._rng.random() ** (1 / one.settings.weight)),
            ),
        )

    async def _turn(self, provider: Provider, run: _Run) -> AsyncGenerator[Told, None]:
        """Ask one provider until it answers or its turn is over.

        Raises:
            ModelFailed: its turn is over.
        """
        until = time.monotonic() + provider.settings.deadline_s
        attempts = stamina.retry_context(
            on=_when_again(until),
            attempts=provider.settings.attempts,
            timeout=None,
            wait_initial=WAIT_FIRST_S,
            wait_max=WAIT_S_MAX,
            wait_jitter=WAIT_JITTER_S,
        )
        async for attempt in attempts:
            try:
                async with (
                    self._breakers.attempt(provider.name),
                    aclosing(run.attempt(provider, until)) as told,
                ):
                    async for one in told:
                        yield one
                return
            except BreakerOpen as opened:
                detail = (
                    f"it failed several times in a row and is asked again in {opened.left_s:.0f} s"
                )
                failed = model_failed(provider.name, "unavailable", detail, opened.left_s)
                run.passed_over(provider, failed)
                raise failed from None
            except ModelFailed as broken:
                failed = broken
            # Handed to the library apart from the pieces above: it would hold on to whatever
            # ends a block of it, a closed generator and a cancelled task included.
            with attempt:
                raise failed


def _when_again(until: float) -> Callable[[Exception], bool | float]:
    """Return what says whether to try again, and when if the provider named a time."""

    def when(error: Exception) -> bool | float:
        if not isinstance(error, ModelFailed) or error.kind not in RETRIED:
            return False
        left_s = until - time.monotonic()
        if error.retry_after_s is None:
            return left_s > WAIT_FIRST_S
        # A wait of no time at all would be no wait: whoever sends 0 means "soon".
        wait_s = max(error.retry_after_s, WAIT_FIRST_S)
        return wait_s if wait_s < left_s else False

    return when


class _Run:
    """One generation on its way through the providers."""

    def __init__(self, request: GenerationRequest, budgets: Budgets) -> None:
        self._request = request
        self._budgets = budgets
        self._failures: list[GenerationFailed] = []
        self._passed_over: list[GenerationFailed] = []
        self._broke_off = ""
        self._told = False

    async def attempt(self, provider: Provider, until: float) -> AsyncGenerator[Told, None]:
        """Ask a provider once.

        Raises:
            ModelFailed: it gave nothing, without the attempts; this one is noted here.
        """
        if self._told:
            self._told = False
            yield StartedOver(reason=self._broke_off)
        started = time.monotonic()
        text, counted = "", False
        try:
            async with aclosing(provider.model.generate(self._request)) as told:
                async for one in _until(told, until, provider):
                    if isinstance(one, Generation):
                        counted = True
                        self._charge(provider, one.usage, one.text)
                        one = msgspec.structs.replace(
                            one, attempt=len(self._failures) + 1, failures=tuple(self._failures)
                        )
                    elif isinstance(one, Delta):
                        text += one.text
                        self._told = True
                    yield one
        except ModelFailed as failed:
            counted = True
            self._note(provider, failed, started, text)
            raise ModelFailed(failed.message, failed.kind, (), failed.retry_after_s) from None
        finally:
            if not counted:
                # Given up from outside. The provider worked all the same, but did not say how much.
                self._charge(provider, estimated_usage(self._request, text), text)

    def _note(self, provider: Provider, failed: ModelFailed, started: float, text: str) -> None:
        """Keep a failed attempt, with what it used."""
        noted = failed.failures[-1] if failed.failures else self._failure(provider, failed)
        usage = noted.usage
        if text and not spent(usage):
            usage = estimated_usage(self._request, text)
        self._broke_off = f"{provider.name}: {failed.kind}"
        self._failures.append(
            msgspec.structs.replace(
                noted,
                attempt=len(self._failures) + 1,
                usage=usage,
                duration_ms=round((time.monotonic() - started) * 1000),
            )
        )
        self._charge(provider, usage, text)

    def _charge(self, provider: Provider, usage: Usage, text: str) -> None:
        if provider.settings.kind == "extractive":
            return
        if text and not spent(usage):
            usage = estimated_usage(self._request, text)
        self._budgets.charge(self._request.user, spent(usage))

    def _failure(self, provider: Provider | None, failed: ModelFailed) -> GenerationFailed:
        return GenerationFailed(
            generation_id=self._request.generation_id,
            purpose=self._request.purpose,
            provider=provider.name if provider else "",
            model=provider.settings.model if provider else self._request.model,
            kind=failed.kind,
            detail=failed.message,
        )

    def passed_over(self, provider: Provider, failed: ModelFailed) -> None:
        """Note that a provider was not asked; recorded only if nobody else was."""
        self._passed_over.append(self._failure(provider, failed))

    def turned_away(self, failed: ModelFailed) -> ModelFailed:
        """Return the failure of a request for which nobody was asked."""
        noted = (self._failure(None, failed),)
        return ModelFailed(failed.message, failed.kind, noted, failed.retry_after_s)

    def exhausted(self, ended: Sequence[ModelFailed]) -> ModelFailed:
        """Return the failure of a request for which everybody was asked in vain."""
        waits = [one.retry_after_s for one in ended if one.retry_after_s is not None]
        # What may pass is worth saying before what will not: the client can come again.
        kind = next((one.kind for one in ended if one.kind in RETRIED), ended[-1].kind)
        return ModelFailed(
            "no language model gave an answer. " + "; ".join(one.message for one in ended),
            kind,
            tuple(self._failures or self._passed_over),
            min(waits, default=None),
        )


async def _until(
    told: AsyncGenerator[Told, None], until: float, provider: Provider
) -> AsyncGenerator[Told, None]:
    """Yield what is told, as long as the provider's deadline allows.

    Raises:
        ModelFailed: `timed_out`.
    """
    while True:
        try:
            async with asyncio.timeout(until - time.monotonic()):
                one = await anext(told, None)
        except TimeoutError:
            detail = f"no end within {provider.settings.deadline_s:g} s"
            raise model_failed(provider.name, "timed_out", detail) from None
        if one is None:
            return
        yield one
