"""What is set about one model that vLLM serves on Ray Serve; composed in `cluster.settings`.

Nothing of vLLM is imported here: a system without it can read, check and show these settings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from actors.models.serve_names import model_application
from events.errors import Misconfigured

#: Object stores that a model is fetched from, file by file, without any hub.
_STORES = ("s3://", "gs://", "abfss://", "azure://")
#: The part of a GPU's memory that one engine may take at most; the rest is for CUDA itself.
_GPU_MEMORY_MAX = 0.9
#: Prompts are cached in blocks of so many tokens on a CPU, whose kernel wants a multiple of 32;
#: its own default of 128 would cache nothing of a short prompt.
_CPU_BLOCK_TOKENS = 32

Count = Annotated[int, msgspec.Meta(ge=1)]
Amount = Annotated[float, msgspec.Meta(ge=0)]


class LoraAdapter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Weights that change a model; asked for as `<model's name>:<adapter's name>`."""

    name: str
    path: str


class VllmSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model, how it is run, and on how much of the cluster.

    `model` is a directory, an address in an object store (`s3://`, `gs://`, `abfss://`,
    `azure://`) or, for machines that reach it, a model's id at the Hugging Face hub; only for an
    id is the hub ever asked. `name` is what agents ask for; empty: the last part of `model`.

    A replica takes `gpus` for each of its `tensor_parallel_size` workers; less than one shares a
    GPU with other models, and takes that part of its memory; 0 runs on the CPU, with `cpu_threads`
    (0: every core but one) and `kv_cache_gib` of memory. `replicas_max` above `replicas_min` lets
    Ray Serve add replicas when each has more than `target_requests` to do.

    `quantization` is for weights that don't say it themselves; `context_tokens` 0 is all that the
    model can take; `tool_parser` reads the tool calls of this family of models; `thinking` lets
    models that reason aloud do so. `dummy_weights` makes random weights for a directory that has
    only a configuration and a tokenizer.
    """

    model: str = "Qwen/Qwen3-14B"
    name: str = ""
    kind: Literal["chat", "embedding"] = "chat"
    tensor_parallel_size: Count = 1
    quantization: str = ""
    lora: tuple[LoraAdapter, ...] = ()
    prefix_caching: bool = True
    structured_outputs: Literal["auto", "xgrammar", "guidance", "outlines"] = "xgrammar"
    tool_parser: str = "hermes"
    thinking: bool = False
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    context_tokens: Annotated[int, msgspec.Meta(ge=0)] = 0
    dummy_weights: bool = False
    eager: bool = False
    gpus: Amount = 1.0
    cpus: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    cpu_threads: Annotated[int, msgspec.Meta(ge=0)] = 0
    kv_cache_gib: Count = 4
    replicas_min: Count = 1
    replicas_max: Count = 1
    target_requests: Count = 32
    requests_max: Count = 256
    queued_requests_max: Count = 1024

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            Misconfigured: settings that contradict each other; it says which.
        """
        if not self.model:
            raise Misconfigured("vLLM: model is missing; give a directory, an address or an id")
        if ":" in self.served_name or "/" in self.name:
            raise Misconfigured(f"vLLM: {self.served_name!r} is no name; give one without : and /")
        if self.replicas_max < self.replicas_min:
            raise Misconfigured(
                f"{self.served_name}: replicas_max {self.replicas_max} is below replicas_min"
                f" {self.replicas_min}"
            )
        if self.gpus > 1 or (self.gpus not in (0, 1) and self.tensor_parallel_size > 1):
            raise Misconfigured(
                f"{self.served_name}: gpus is for each of the tensor_parallel_size workers: 1, or"
                " less for a single worker that shares one, or 0"
            )
        if self.kind == "embedding" and self.lora:
            raise Misconfigured(f"{self.served_name}: LoRA adapters are for chat models")

    @property
    def served_name(self) -> str:
        """What agents ask for."""
        return self.name or self.model.rstrip("/").rpartition("/")[2]

    @property
    def application(self) -> str:
        """The Ray Serve application that this model is."""
        return model_application(self.served_name)

    @property
    def on_cpu(self) -> bool:
        """Whether it runs without a GPU."""
        return self.gpus == 0

    @property
    def source(self) -> str:
        """Where the model comes from: an absolute directory, an address or an id."""
        directory = Path(self.model).expanduser()
        return str(directory.resolve()) if directory.is_dir() else self.model

    def check_directory(self) -> None:
        """Refuse, before anything is started, a directory that holds no model.

        Raises:
            Misconfigured: it is missing or has no `config.json`.
        """
        if not self.source.startswith(("/", "./", "../", "~")):
            return
        if not (Path(self.source) / "config.json").is_file():
            raise Misconfigured(
                f"{self.model} holds no model: there is no config.json in it; give the directory"
                " of a model as transformers saves it"
            )

    def environment(self) -> dict[str, str]:
        """Return the switches that vLLM and what it loads with read from the environment."""
        switches = {
            # Neither vLLM nor the hub's client may tell anybody what runs here.
            "VLLM_NO_USAGE_STATS": "1",
            "DO_NOT_TRACK": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "VLLM_LOGGING_LEVEL": "WARNING",
        }
        if self.source.startswith(("/", *_STORES)):
            switches |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        if self.on_cpu:
            switches["VLLM_CPU_KVCACHE_SPACE"] = str(self.kv_cache_gib)
        if self.on_cpu and self.cpu_threads:
            # Bound to cores by itself, each of several engines would take the same first one.
            switches["VLLM_CPU_OMP_THREADS_BIND"] = "nobind"
            switches["OMP_NUM_THREADS"] = str(self.cpu_threads)
        return switches

    def engine_arguments(self) -> dict[str, Any]:
        """Return the arguments of vLLM's engine, but for the model's name and source."""
        arguments: dict[str, Any] = {
            "dtype": self.dtype,
            "tensor_parallel_size": self.tensor_parallel_size,
        }
        if self.context_tokens:
            arguments["max_model_len"] = self.context_tokens
        if self.quantization:
            arguments["quantization"] = self.quantization
        if self.dummy_weights:
            arguments["load_format"] = "dummy"
        if self.on_cpu:
            # Compiling takes longer there than most models run.
            arguments |= {"enforce_eager": True, "block_size": _CPU_BLOCK_TOKENS}
        else:
            arguments["gpu_memory_utilization"] = min(self.gpus, _GPU_MEMORY_MAX)
            arguments["enforce_eager"] = self.eager
        if self.kind == "embedding":
            return arguments | {"runner": "pooling"}
        arguments |= {
            "enable_prefix_caching": self.prefix_caching,
            "structured_outputs_config": {
                "backend": self.structured_outputs,
                # Left to itself, a grammar lets a model write blanks until its tokens are spent.
                "disable_any_whitespace": self.structured_outputs in ("xgrammar", "guidance"),
            },
        }
        if self.lora:
            arguments |= {"enable_lora": True, "max_loras": len(self.lora)}
        return arguments

    def frontend_arguments(self) -> dict[str, Any]:
        """Return the arguments of what stands before the engine: templates, tools, adapters."""
        if self.kind == "embedding":
            return {}
        return {
            "enable_auto_tool_choice": True,
            "tool_call_parser": self.tool_parser,
            "default_chat_template_kwargs": {"enable_thinking": self.thinking},
            "enable_prompt_tokens_details": True,
            "lora_modules": [
                {"name": f"{self.served_name}:{adapter.name}", "path": adapter.path}
                for adapter in self.lora
            ],
        }


#: Both fit one GPU of 48 GB or more together: most of it writes, a tenth makes vectors.
CHAT = VllmSettings(model="Qwen/Qwen3-14B", gpus=0.8, context_tokens=16_384)
EMBEDDING = VllmSettings(model="BAAI/bge-m3", kind="embedding", gpus=0.1, context_tokens=8192)
