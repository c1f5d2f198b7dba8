"""The operator's words about language models, made into `ModelSettings`.

Two ways say it: a few simple settings (`llm`, `llm_model`, ...) for one provider, and a table
`[[models]]` in mirix.toml for each of several. A key comes from the file, from a file of its own
or from the environment, never from an option: options of a process can be seen by everybody.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import msgspec

from actors.models.settings import EXTRACTIVE, ModelSettings, ProviderSettings
from cluster.model_tables import check_address, key_from
from cluster.settings import Settings
from cluster.vllm_models import context_of
from events.errors import Misconfigured

#: The value of `llm` for a model on this system's own Ray, and the name of its provider.
VLLM = "vllm"
#: Groq speaks OpenAI's protocol; only some of its models take a schema, all of them give JSON.
GROQ_URL = "https://api.groq.com/openai/v1"
#: The name of the provider that `llm` gives by its address alone.
ENDPOINT = "endpoint"
LLM = ("none", VLLM, "openai", "anthropic", "groq")
#: What `llm` says is tried before what the tables say, whose rank is 1 unless they set it.
_RANK = 0
_CONTEXT_TOKENS = 8192


def is_address(llm: str) -> bool:
    """Say whether `llm` is the address of a provider, not the name of a kind."""
    return llm.startswith(("http://", "https://"))


def model_settings(settings: Settings) -> ModelSettings:
    """Return which models there are and how the agents use them.

    Raises:
        Misconfigured: what is said does not fit together.
    """
    simple = _simple_provider(settings)
    if simple is not None and all(one.name != simple.name for one in settings.models):
        providers = (simple, *settings.models)
    else:  # a table of the same name says more about it
        providers = settings.models
    if settings.llm != VLLM and any(one.kind == "vllm" for one in providers):
        raise Misconfigured("a [[models]] table is of the kind vllm; set llm = 'vllm', too")
    if settings.answer_without_model and not any(one.kind == "extractive" for one in providers):
        providers = (*providers, EXTRACTIVE)
    asked = [one for one in providers if one.kind != "extractive"]
    if not providers:
        raise Misconfigured(
            "answer_without_model is off and there is no model; set llm, or let answers be quoted"
        )
    for wish, value in (("extraction", settings.extraction), ("topic", settings.topic)):
        if value == "model" and not asked:
            raise Misconfigured(
                f"{wish} is 'model', but there is none; set llm, or add a [[models]] table"
            )
    return ModelSettings(
        providers=providers,
        extraction=settings.extraction == "model",
        extraction_model=settings.extraction_model,
        topic=settings.topic,
        answers_at_once=settings.answers_at_once,
        breaker_failures=settings.breaker_failures,
        breaker_s=settings.breaker_s,
        user_tokens_a_day=settings.user_tokens_a_day,
        tokens_a_day=settings.tokens_a_day,
    )


def checked_models(settings: Settings) -> Settings:
    """Return settings whose models can be started, with paths that hold in any directory.

    Raises:
        Misconfigured: what is said of models does not fit, or what runs them is not installed.
    """
    chosen = msgspec.structs.replace(
        settings,
        llm_model=located(settings.llm_model),
        llm_embedding_model=located(settings.llm_embedding_model),
    )
    model_settings(chosen)
    return chosen


def _simple_provider(settings: Settings) -> ProviderSettings | None:
    """Return the provider that `llm` says, if it says one."""
    llm = settings.llm
    if llm == "none":  # said so: whatever else is said of one waits until it is wanted again
        return None
    if not llm:
        _refuse_left_over(settings)
        return None
    if not is_address(llm) and llm not in LLM:
        raise Misconfigured(
            f"llm is {llm!r}; expected one of {', '.join(LLM)}, or an address http(s)://.../v1"
        )
    if is_address(llm):
        check_address(llm, "llm")
    if not settings.llm_model:
        what = "a directory of a model" if llm == VLLM else "what the provider calls it"
        raise Misconfigured(f"llm is {llm!r}, but llm_model is missing (--model): {what}")
    key = _key(settings)
    if llm == VLLM:
        return ProviderSettings(
            name=VLLM,
            kind="vllm",
            model=served_name(settings.llm_model),
            rank=_RANK,
            context_tokens=context_of(settings),
        )
    if llm in ("openai", "anthropic", "groq") and not key:
        raise Misconfigured(
            f"llm is {llm!r}, but there is no key; set MIRIX_LLM_API_KEY or llm_api_key_file"
        )
    compatible = is_address(llm) or llm == "groq"
    return ProviderSettings(
        name=ENDPOINT if is_address(llm) else llm,
        kind="openai_compatible" if compatible else "anthropic" if llm == "anthropic" else "openai",
        model=settings.llm_model,
        base_url=llm if is_address(llm) else GROQ_URL if llm == "groq" else "",
        api_key=key,
        rank=_RANK,
        context_tokens=settings.llm_context_tokens or _CONTEXT_TOKENS,
        structured="json" if llm == "groq" else "schema",
    )


def _refuse_left_over(settings: Settings) -> None:
    """Refuse what speaks of a model when nothing says whose it is."""
    for name in ("llm_model", "llm_embedding_model"):
        if getattr(settings, name):
            raise Misconfigured(f"{name} is set, but llm is not; set llm (--llm), too")


def _key(settings: Settings) -> str:
    if settings.llm_api_key and settings.llm_api_key_file:
        raise Misconfigured("llm_api_key and llm_api_key_file are both set; keep one")
    if settings.llm_api_key_file:
        file = Path(settings.llm_api_key_file)
        return key_from(file, settings.data_dir, "llm_api_key_file")
    return settings.llm_api_key


def located(model: str) -> str:
    """Return a model as it is found from any working directory: a path that is there, absolute."""
    path = Path(model).expanduser()
    return str(path.resolve()) if model and path.exists() else model


def served_name(model: str) -> str:
    """Return the name under which a model is served: the last part of its path or hub name."""
    return PurePosixPath(model.rstrip("/")).name or model
