"""What an operator says of a model on vLLM, and what vLLM and its environment are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actors.models.serve_names import model_application
from events.errors import Misconfigured
from serve.vllm_settings import CHAT, EMBEDDING, LoraAdapter, VllmSettings


def test_defaults_fit_two_models_on_one_gpu() -> None:
    """Together they take less than one GPU; prefixes are cached and thinking is off."""
    chat, vectors = CHAT.engine_arguments(), EMBEDDING.engine_arguments()

    assert (CHAT.served_name, EMBEDDING.served_name) == ("Qwen3-14B", "bge-m3")
    assert CHAT.gpus + EMBEDDING.gpus <= 1
    assert chat["gpu_memory_utilization"] + vectors["gpu_memory_utilization"] <= 0.9001
    assert chat["enable_prefix_caching"] is True
    assert CHAT.frontend_arguments()["default_chat_template_kwargs"] == {"enable_thinking": False}
    assert vectors["runner"] == "pooling"


def test_hub_is_asked_for_an_id_alone(tmp_path: Path) -> None:
    """A directory, or an address in an object store, never needs the hub; nothing tells on us."""
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}

    assert not offline.items() <= CHAT.environment().items()
    for model in (str(tmp_path), "s3://models/qwen", "azure://models@account/qwen"):
        assert offline.items() <= VllmSettings(model=model).environment().items()
    assert CHAT.environment()["VLLM_NO_USAGE_STATS"] == "1"


def test_source_is_absolute_when_the_model_is_a_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replicas are started somewhere else."""
    (tmp_path / "qwen").mkdir()
    monkeypatch.chdir(tmp_path)

    assert VllmSettings(model="qwen").source == str(tmp_path / "qwen")
    assert VllmSettings(model="./qwen/").served_name == "qwen"
    assert CHAT.source == "Qwen/Qwen3-14B"


def test_processor_gets_memory_and_threads_instead_of_a_gpu() -> None:
    """Without a GPU nothing of one is asked for."""
    settings = VllmSettings(gpus=0, kv_cache_gib=2, cpu_threads=1)

    assert settings.environment()["VLLM_CPU_KVCACHE_SPACE"] == "2"
    assert settings.environment()["OMP_NUM_THREADS"] == "1"
    assert "gpu_memory_utilization" not in settings.engine_arguments()
    assert settings.engine_arguments()["enforce_eager"] is True


def test_engine_is_told_what_is_set() -> None:
    """Each setting reaches the argument that it is for."""
    settings = VllmSettings(
        tensor_parallel_size=2,
        quantization="awq",
        context_tokens=4096,
        dummy_weights=True,
        structured_outputs="outlines",
        lora=(LoraAdapter(name="law", path="/adapters/law"),),
    )

    arguments = settings.engine_arguments()

    assert arguments["tensor_parallel_size"] == 2
    assert arguments["quantization"] == "awq"
    assert arguments["max_model_len"] == 4096
    assert arguments["load_format"] == "dummy"
    assert arguments["structured_outputs_config"]["backend"] == "outlines"
    assert arguments["enable_lora"] is True
    assert settings.frontend_arguments()["lora_modules"] == [
        {"name": "Qwen3-14B:law", "path": "/adapters/law"}
    ]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"model": ""}, "missing"),
        ({"name": "a:b"}, "no name"),
        ({"replicas_min": 3, "replicas_max": 2}, "replicas_max"),
        ({"gpus": 2.0}, "tensor_parallel_size"),
        ({"gpus": 0.5, "tensor_parallel_size": 2}, "tensor_parallel_size"),
        ({"kind": "embedding", "lora": (LoraAdapter(name="a", path="b"),)}, "LoRA"),
    ],
)
def test_settings_are_refused_when_they_contradict_each_other(
    fields: dict[str, Any], told: str
) -> None:
    """Before anything is started, with the reason."""
    with pytest.raises(Misconfigured, match=told):
        VllmSettings(**fields)


def test_directory_is_refused_when_it_holds_no_model(tmp_path: Path) -> None:
    """The operator is told before a replica fails on it; ids and addresses are not looked at."""
    with pytest.raises(Misconfigured, match=r"config\.json"):
        VllmSettings(model=str(tmp_path)).check_directory()
    with pytest.raises(Misconfigured, match=r"config\.json"):
        VllmSettings(model="/no/such/directory").check_directory()
    (tmp_path / "config.json").write_text("{}")
    VllmSettings(model=str(tmp_path)).check_directory()
    CHAT.check_directory()


def test_application_is_the_same_for_a_model_and_its_adapters() -> None:
    """Both are served by one deployment."""
    assert model_application("Qwen3-14B:law") == CHAT.application == "llm-qwen3-14b"
