"""vLLM behind Ray Serve: the only module that imports `vllm` and `ray.serve.llm`.

A replica is Ray's `LLMServer` with two methods more, which take and give plain JSON, so that who
asks needs nothing of vLLM. Their shapes are OpenAI's: `chat.completion.chunk`s and embeddings.
A refused request is a value, `{"error": {...}}`; exceptions are for replicas that broke.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import uuid4

import msgspec
from pydantic import TypeAdapter, ValidationError
from ray import serve
from ray.serve.llm import LLMConfig, build_llm_deployment, build_openai_app
from ray.serve.llm.deployment import LLMServer
from ray.serve.llm.openai_api_models import ChatCompletionRequest, EmbeddingRequest
from ray.serve.schema import LoggingConfig

from actors.models.serve_names import MODEL_DEPLOYMENT
from serve.vllm_settings import VllmSettings

_DATA, _END = "data: ", "[DONE]"
_EMBEDDING = TypeAdapter(EmbeddingRequest)
#: A model that cannot start is told of after so many tries, not after Serve's twenty.
_STARTS_MAX = 2


class ServedModel(LLMServer):
    """One replica: an engine, asked and answering in plain JSON."""

    async def ask(self, body: dict[str, Any]) -> AsyncGenerator[str, None]:
        """Yield the answer to a chat completion as JSON texts: chunks, usage last, or an error.

        When the caller cancels or goes away, Serve cancels this, and the engine drops the request.
        """
        try:
            request = ChatCompletionRequest.model_validate(
                {**body, "stream": True, "stream_options": {"include_usage": True}}
            )
        except ValidationError as error:
            yield _refusal(error)
            return
        async for batch in await self.chat(request):
            for piece in batch:
                if not isinstance(piece, str):
                    yield piece.model_dump_json()
                    continue
                for line in piece.splitlines():
                    if line.startswith(_DATA) and line != _DATA + _END:
                        yield line.removeprefix(_DATA)

    async def embed(self, body: dict[str, Any]) -> str:
        """Return the embeddings of a request, or an error, as JSON."""
        try:
            request = _EMBEDDING.validate_python(body)
        except ValidationError as error:
            return _refusal(error)
        answers: list[Any] = [answer async for answer in await self.embeddings(request)]
        return cast(str, answers[0].model_dump_json())


def run_models(models: Sequence[VllmSettings], bare_route: str = "") -> None:
    """Deploy models on the Ray Serve of this cluster; return when each has a replica that serves.

    With `bare_route`, the same replicas answer there to Ray's own OpenAI-compatible ingress, too.

    Raises:
        RuntimeError: one of them did not start.
    """
    targets = [
        serve.RunTarget(
            target=_with_ingress(model) if bare_route else build_llm_deployment(_config(model)),
            name=model.application,
            route_prefix=bare_route or None,
            logging_config=LoggingConfig(log_level="WARNING", enable_access_log=False),
        )
        for model in models
    ]
    try:
        serve.run_many(targets)
    except RuntimeError as error:
        reasons = [f"{model.served_name}: {_why(model.application)}" for model in models]
        for model in models:
            serve.delete(model.application)
        raise RuntimeError("; ".join(reasons)) from error


def _why(application: str) -> str:
    """Return what Serve says of an application's replicas, last line first: the error itself."""
    found = serve.status().applications.get(application)
    if found is None:
        return "not deployed"
    said = [one.message.strip() for one in found.deployments.values() if one.message.strip()]
    lines = [line for message in said for line in message.splitlines()]
    return f"{found.status.value} {lines[-1] if lines else ''}".strip()


def _with_ingress(model: VllmSettings) -> Any:
    return build_openai_app(
        {
            "llm_configs": [_config(model)],
            "ingress_deployment_config": {
                "num_replicas": 1,
                "autoscaling_config": None,
                "ray_actor_options": {"num_cpus": 0},
            },
        }
    )


def _config(model: VllmSettings) -> LLMConfig:
    worker = {"CPU": model.cpus} if model.on_cpu else {"CPU": model.cpus, "GPU": model.gpus}
    options: dict[str, Any] = {
        # With the class's name before it, this is MODEL_DEPLOYMENT.
        "name": MODEL_DEPLOYMENT.rpartition(":")[2],
        # What a replica takes is in its workers' bundles.
        "ray_actor_options": {"num_cpus": 0},
        "max_ongoing_requests": model.requests_max,
        "max_queued_requests": model.queued_requests_max,
        "max_constructor_retry_count": _STARTS_MAX,
        "health_check_period_s": 2.0,
        "health_check_timeout_s": 30.0,
        "graceful_shutdown_timeout_s": 10.0,
        "graceful_shutdown_wait_loop_s": 0.2,
    }
    if model.replicas_max > model.replicas_min:
        options["autoscaling_config"] = {
            "min_replicas": model.replicas_min,
            "max_replicas": model.replicas_max,
            "target_ongoing_requests": model.target_requests,
        }
    else:
        options |= {"num_replicas": model.replicas_min, "autoscaling_config": None}
    return LLMConfig(
        model_loading_config={"model_id": model.served_name, "model_source": model.source},
        engine_kwargs={**model.engine_arguments(), **model.frontend_arguments()},
        placement_group_config={"bundle_per_worker": worker},
        deployment_config=options,
        runtime_env={"env_vars": model.environment()},
        # A token is told when it is there, not when fifty milliseconds are over.
        experimental_configs={"stream_batching_interval_ms": 0},
        server_cls=ServedModel,
    )


def _refusal(error: ValidationError) -> str:
    # Not what was sent: it is somebody's words.
    said = "; ".join(
        f"{'.'.join(map(str, one['loc']))}: {one['msg']}"
        for one in error.errors(include_input=False, include_url=False)
    )
    refusal = {"error": {"message": said, "type": "BadRequestError", "code": 400}}
    return msgspec.json.encode(refusal).decode()


class BareEngine:
    """vLLM's engine in this process, with nothing around it: what the rest is measured against."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    async def generate(self, prompt: Sequence[int], tokens: int) -> AsyncGenerator[int, None]:
        """Yield how many tokens came, whenever some came, to the asked-for length."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        sampling = SamplingParams(
            max_tokens=tokens, temperature=0.0, ignore_eos=True, output_kind=RequestOutputKind.DELTA
        )
        outputs = self._engine.generate(
            {"prompt_token_ids": list(prompt)}, sampling, request_id=uuid4().hex
        )
        async for output in outputs:
            yield len(output.outputs[0].token_ids)


@asynccontextmanager
async def bare_engine(model: VllmSettings) -> AsyncIterator[BareEngine]:
    """Start an engine for a while, set up as a replica's would be."""
    os.environ.update(model.environment())
    from vllm.engine.arg_utils import AsyncEngineArgs  # after its switches are set
    from vllm.v1.engine.async_llm import AsyncLLM

    arguments = AsyncEngineArgs(model=model.source, **model.engine_arguments())
    engine = AsyncLLM.from_engine_args(arguments)
    try:
        yield BareEngine(engine)
    finally:
        engine.shutdown()
