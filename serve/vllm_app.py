"""Put vLLM's models on Ray Serve, and take them off again: one application a model, no HTTP route.

Agents reach a model by its deployment's handle (`actors/models/serve_handle.py`). The gateway's
port shows none of it, because vLLM's own endpoint asks nobody who they are. vLLM is imported by the
processes that this starts (`serve/vllm_replica.py`), never by the one that calls it.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import ray
import structlog
from ray import serve
from ray.exceptions import RayError, RayTaskError

from events.errors import Misconfigured, Unavailable
from serve.vllm_settings import VllmSettings

log = structlog.get_logger(__name__)

#: Under this name Ray Serve's controller runs, when it does.
_CONTROLLER = "SERVE_CONTROLLER_ACTOR"


def deploy_models(*models: VllmSettings, bare_route: str = "") -> None:
    """Deploy models, all at once; return when each has a replica that serves.

    The gateway, if there is to be one, comes first: who starts Ray Serve chooses its port. Without
    one, Serve listens on no port at all.

    Args:
        models: what to serve, each under a name of its own.
        bare_route: for measuring alone: a path, such as "/bare", on which vLLM's own endpoint
            (OpenAI's HTTP API) answers anybody who reaches Serve's port.

    Raises:
        Misconfigured: vLLM is not installed, two models have one name, or one has no files.
        Unavailable: a model did not start; it says why.
    """
    _check(models)
    if not _serve_runs():
        serve.start(proxy_location="Disabled")
    # In a process of its own that ends with it: vLLM would stay in this one, 600 MB of it.
    task: Any = ray.remote(num_cpus=0, max_calls=1, max_retries=0)(_run_models)
    try:
        ray.get(task.remote(models, bare_route))
    except RayTaskError as error:
        raise Unavailable(f"a model did not start: {error.cause}; see `mirix doctor`") from error
    except RayError as error:
        raise Unavailable(f"the process that starts the models died: {error}") from error
    log.info("models_deployed", models=[model.served_name for model in models])


def withdraw_models(*models: VllmSettings) -> None:
    """Stop serving models; returns when their replicas are gone."""
    for model in models:
        serve.delete(model.application)


def missing_packages() -> tuple[str, ...]:
    """Return the packages that serving a model needs and that are not installed."""
    return tuple(name for name in ("vllm", "pandas", "pyarrow", "jsonref") if not find_spec(name))


def check_installed() -> None:
    """See that what serves a model is installed.

    Raises:
        Misconfigured: it is not; it says what is missing and how to get it.
    """
    missing = missing_packages()
    if missing:
        raise Misconfigured(
            f"vLLM cannot run: {', '.join(missing)} missing; install mirix-ray[gpu], or on a"
            " machine without a GPU mirix-ray[cpu-llm] (`make setup-llm`)"
        )


def _check(models: Sequence[VllmSettings]) -> None:
    check_installed()
    names = [model.application for model in models]
    if len(set(names)) < len(names):
        raise Misconfigured("two models have the same name; give each a name of its own")
    for model in models:
        model.check_directory()


def _serve_runs() -> bool:
    actors = ray.util.list_named_actors(all_namespaces=True)
    return any(actor["name"] == _CONTROLLER for actor in actors)


def _run_models(models: Sequence[VllmSettings], bare_route: str) -> None:
    from serve.vllm_replica import run_models  # in its own process: see `deploy_models`

    run_models(models, bare_route)
