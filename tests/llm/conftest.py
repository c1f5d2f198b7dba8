"""One Ray cluster with two tiny models on real vLLM, on the CPU, for all tests of this folder.

The chat model comes from a directory, the embedding model from an object store. Both take a minute
or two to start, so nothing here starts them again. Ray reads its switches when it is imported:
nothing here imports it before the cluster is started.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import psutil
import pytest

from actors.embedding_models import OneModel
from actors.models.port import GenerationRequest, LanguageModel, Turn
from actors.models.settings import ProviderSettings
from cluster import processes, ray_host, tiny_model
from cluster.data_dir import DataDir
from serve.settings import ServeSettings
from serve.vllm_settings import LoraAdapter, VllmSettings
from tests.unit.fakes.object_server import ObjectServer, object_server

#: Long enough for a replica to start on a busy machine.
START_S_MAX = 300.0


class Models:
    """The served models, and the eyes of an operator on them."""

    def __init__(self, chat: VllmSettings, embedding: VllmSettings, objects: ObjectServer) -> None:
        self.chat = chat
        self.embedding = embedding
        self.objects = objects

    def model(self, model: str = "tiny", handle: Any = None) -> LanguageModel:
        """Return the chat model as an agent sees it, patient enough for a busy machine."""
        from actors.models.serve_handle import ServeModel

        settings = ProviderSettings(
            name="local",
            kind="vllm",
            model=model,
            deadline_s=START_S_MAX,
            first_token_s=START_S_MAX,
        )
        return ServeModel(settings, handle)

    def vectors(self, model: str = "") -> OneModel:
        """Return the embedding model as an agent sees it."""
        from actors.models.serve_handle import ServeEmbedding

        return ServeEmbedding(model or self.embedding.served_name)

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of what the chat model's engine told Prometheus in the last ten seconds.

        Before it told anything of this, -1.
        """
        import ray

        port = ray.nodes()[0]["MetricsExportPort"]
        wanted = [f'{label}="{value}"' for label, value in {**labels, "model_name": "tiny"}.items()]
        lines = httpx2.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text.splitlines()
        found = [
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith(f"{name}{{") and all(label in line for label in wanted)
        ]
        return sum(found) if found else -1.0

    def replica(self) -> psutil.Process:
        """Return the process of the chat model's replica."""
        title = f"ray::ServeReplica:{self.chat.application}:"
        (found,) = [
            process
            for process in psutil.Process().children(recursive=True)
            if " ".join(process.cmdline()).startswith(title)
        ]
        return found


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Models]:
    """Serve the models; take them off and leave no process behind."""
    if not find_spec("vllm"):
        pytest.skip("vLLM is not installed here; `make test-llm` runs this in its environment")
    directory = tmp_path_factory.mktemp("llm")
    tiny_model.make_models(directory)
    data = DataDir(directory / "data")
    data.prepare()
    run_id = uuid4().hex
    with pytest.MonkeyPatch.context() as environment, object_server() as objects:
        for name, value in {
            "AWS_ENDPOINT_URL": objects.url,
            "AWS_DEFAULT_REGION": "eu-test-1",
            "AWS_ACCESS_KEY_ID": "AKIATEST",
            "AWS_SECRET_ACCESS_KEY": "a-secret-for-tests",
            # What is fetched lands below it.
            "HF_HOME": str(directory / "fetched"),
        }.items():
            environment.setenv(name, value)
        upload(directory / tiny_model.EMBEDDING, objects, "models/tiny-embedding")
        small: dict[str, Any] = {
            "gpus": 0,
            "cpus": 0.1,
            "cpu_threads": 1,
            "kv_cache_gib": 1,
            "dtype": "float32",
        }
        chat = VllmSettings(
            model=str(directory / tiny_model.CHAT),
            name="tiny",
            lora=(LoraAdapter(name="other", path=str(directory / tiny_model.ADAPTER)),),
            **small,
        )
        embedding = VllmSettings(model="s3://models/tiny-embedding", kind="embedding", **small)
        processes.mark_children(run_id)
        try:
            ray_host.start_ray(data, run_id, ServeSettings())
            from serve.vllm_app import deploy_models, withdraw_models

            deploy_models(chat, embedding)
            yield Models(chat, embedding, objects)
            withdraw_models(chat, embedding)
        finally:
            ray_host.stop_ray(run_id)
            left = processes.end(processes.members(run_id), grace_s=10.0)
            assert not left


def upload(directory: Path, objects: ObjectServer, prefix: str) -> None:
    """Put a directory's files into an object store."""
    for file in directory.iterdir():
        objects.objects[f"{prefix}/{file.name}"] = file.read_bytes()


def request(
    text: str = "What did I do last weekend? 我做了什么？", **fields: Any
) -> GenerationRequest:
    """Return a question to the model."""
    return GenerationRequest(
        **{
            "turns": (Turn(role="user", content=text),),
            "purpose": "answer",
            "user": "somebody",
            "generation_id": "g1",
            "max_tokens": 32,
            **fields,
        }
    )


async def until(holds: Callable[[], bool], seconds: float = 90.0) -> None:
    """Wait until something holds, or fail."""
    ends_at = time.monotonic() + seconds
    while not await asyncio.to_thread(holds):
        assert time.monotonic() < ends_at, "it never came true"
        await asyncio.sleep(0.5)
