"""Make tiny language models with random weights: real files, real architectures, words of noise.

    python -m cluster.tiny_model DIRECTORY

makes DIRECTORY/chat (a Qwen3 of 0.4 million parameters), DIRECTORY/adapter (a LoRA for it) and
DIRECTORY/embedding (an XLM-RoBERTa, the architecture of bge-m3). They are what the tests, the demo
and the benchmark serve where no trained model can be had. Needs neither vLLM nor PyTorch nor a
network; equal seeds make equal files.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

CHAT, ADAPTER, EMBEDDING = "chat", "adapter", "embedding"
#: Below `<s>`, `<pad>` and `</s>` stand as XLM-RoBERTa numbers them.
_SPECIAL = ("<s>", "<pad>", "</s>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>")
_START, _PAD, _STOP, _END_OF_TURN = 0, 1, 2, 4
_VOCABULARY, _LARGE_VOCABULARY = 512, 151_936
_CONTEXT = 2048
_HIDDEN, _LAYERS = 128, 2
_TEXTS = (
    "The user went hiking in the mountains with a friend and had dinner by the lake.",
    "Remember that the meeting is on Monday at ten, in the room next to the library.",
    '{"memories": [{"kind": "event", "summary": "hiking", "details": "with a friend"}]}',
    "You are an assistant who remembers. What did the user do last weekend?",
    "用户上周末和朋友去山里徒步，然后在湖边吃了晚饭。记住会议在星期一上午十点。",
)
_TEMPLATE = """{%- if tools %}<|im_start|>system
Tools:{% for tool in tools %}
{{ tool | tojson }}{% endfor %}<|im_end|>
{% endif %}
{%- for message in messages %}<|im_start|>{{ message.role }}
{{ message.content or '' }}<|im_end|>
{% endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def make_models(directory: Path, *, seed: int = 0) -> None:
    """Write the models below a directory."""
    make_chat_model(directory / CHAT, seed=seed)
    make_adapter(directory / ADAPTER, seed=seed)
    make_embedding_model(directory / EMBEDDING, seed=seed)


def make_chat_model(
    directory: Path, *, seed: int = 0, context: int = _CONTEXT, words_only: bool = False
) -> None:
    """Write a Qwen3 with random weights and a byte-level tokenizer; it never ends by itself.

    Args:
        directory: where its files go.
        seed: of the weights.
        context: how many tokens it takes in.
        words_only: let no token be the likeliest but pieces of English words, so that each token
            of an answer shows as text at once. All others mean nothing to such a model.
    """
    hidden, inner, layers, heads, key_heads, head = _HIDDEN, 256, _LAYERS, 4, 2, 32
    random = _Random(seed)
    weights = {"model.embed_tokens.weight": random.normal(_VOCABULARY, hidden)}
    # Their logits are always zero, and some other is larger: an answer is as long as was asked for,
    # and all of it is text.
    weights["model.embed_tokens.weight"][_mute(words_only=words_only)] = 0
    for layer in range(layers):
        at = f"model.layers.{layer}"
        for name, rows, columns in (
            ("self_attn.q_proj", heads * head, hidden),
            ("self_attn.k_proj", key_heads * head, hidden),
            ("self_attn.v_proj", key_heads * head, hidden),
            ("self_attn.o_proj", hidden, heads * head),
            ("mlp.gate_proj", inner, hidden),
            ("mlp.up_proj", inner, hidden),
            ("mlp.down_proj", hidden, inner),
        ):
            weights[f"{at}.{name}.weight"] = random.normal(rows, columns)
        for name, width in (
            ("self_attn.q_norm", head),
            ("self_attn.k_norm", head),
            ("input_layernorm", hidden),
            ("post_attention_layernorm", hidden),
        ):
            weights[f"{at}.{name}.weight"] = np.ones(width, np.float32)
    weights["model.norm.weight"] = np.ones(hidden, np.float32)
    config = {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "vocab_size": _VOCABULARY,
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": key_heads,
        "head_dim": head,
        "max_position_embeddings": context,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "tie_word_embeddings": True,
        "bos_token_id": _START,
        "eos_token_id": _END_OF_TURN,
        "pad_token_id": _PAD,
        "torch_dtype": "float32",
    }
    _write(directory, config, weights, {"chat_template": _TEMPLATE, "eos_token": "<|im_end|>"})


def make_large_configuration(directory: Path) -> None:
    """Write a configuration as large as Qwen3-14B's, and a tokenizer for it, but no weights.

    An engine that makes up the weights itself (`VllmSettings.dummy_weights`) runs it. Whichever
    token it says shows as a word, but for the few hundred of the tiny tokenizer.
    """
    config = {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "vocab_size": _LARGE_VOCABULARY,
        "hidden_size": 5120,
        "intermediate_size": 17_408,
        "num_hidden_layers": 40,
        "num_attention_heads": 40,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "max_position_embeddings": 40_960,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "rope_theta": 1_000_000.0,
        "tie_word_embeddings": False,
        "bos_token_id": _START,
        "eos_token_id": _END_OF_TURN,
        "torch_dtype": "bfloat16",
    }
    _write(directory, config, {}, {"chat_template": _TEMPLATE, "eos_token": "<|im_end|>"})
    tokenizer = msgspec.json.decode((directory / "tokenizer.json").read_bytes())
    words = tokenizer["model"]["vocab"]
    # No merge leads to them: texts are read as by the tiny tokenizer.
    words |= {f"word{number}": number for number in range(len(words), _LARGE_VOCABULARY)}
    (directory / "tokenizer.json").write_bytes(msgspec.json.encode(tokenizer))


def make_adapter(directory: Path, *, seed: int = 0) -> None:
    """Write a LoRA adapter for the chat model, large enough that it says something else."""
    rank = 8
    random = _Random(seed)
    weights = {}
    for layer in range(_LAYERS):
        at = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        weights[f"{at}.lora_A.weight"] = random.normal(rank, _HIDDEN)
        weights[f"{at}.lora_B.weight"] = random.normal(_HIDDEN, rank) * np.float32(8)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": rank,
        "lora_alpha": 2 * rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": ["q_proj"],
    }
    directory.mkdir(parents=True, exist_ok=True)
    save_file(weights, directory / "adapter_model.safetensors")
    _write_json(directory / "adapter_config.json", config)


def make_embedding_model(directory: Path, *, seed: int = 0) -> None:
    """Write an XLM-RoBERTa with random weights: vectors of 64 numbers that mean nothing."""
    hidden, inner, layers = 64, 128, 2
    random = _Random(seed)
    weights = {
        "embeddings.word_embeddings.weight": random.normal(_VOCABULARY, hidden),
        # Positions begin after the padding's number.
        "embeddings.position_embeddings.weight": random.normal(_CONTEXT + 2, hidden),
        "embeddings.token_type_embeddings.weight": random.normal(1, hidden),
        **_layer_norm("embeddings.LayerNorm", hidden),
    }
    for layer in range(layers):
        at = f"encoder.layer.{layer}"
        for name, rows, columns in (
            ("attention.self.query", hidden, hidden),
            ("attention.self.key", hidden, hidden),
            ("attention.self.value", hidden, hidden),
            ("attention.output.dense", hidden, hidden),
            ("intermediate.dense", inner, hidden),
            ("output.dense", hidden, inner),
        ):
            weights[f"{at}.{name}.weight"] = random.normal(rows, columns)
            weights[f"{at}.{name}.bias"] = np.zeros(rows, np.float32)
        weights |= _layer_norm(f"{at}.attention.output.LayerNorm", hidden)
        weights |= _layer_norm(f"{at}.output.LayerNorm", hidden)
    config = {
        "architectures": ["XLMRobertaModel"],
        "model_type": "xlm-roberta",
        "vocab_size": _VOCABULARY,
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        # Heads of 32: vLLM has no kernel for smaller ones on a CPU.
        "num_attention_heads": 2,
        "max_position_embeddings": _CONTEXT + 2,
        "type_vocab_size": 1,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-5,
        "position_embedding_type": "absolute",
        "bos_token_id": _START,
        "pad_token_id": _PAD,
        "eos_token_id": _STOP,
        "torch_dtype": "float32",
    }
    _write(directory, config, weights, {"eos_token": "</s>"})


class _Random:
    """Weights of the size that training starts from (fan-in), drawn in order from one seed."""

    def __init__(self, seed: int) -> None:
        self._numbers = np.random.default_rng(seed)

    def normal(self, rows: int, columns: int) -> npt.NDArray[np.float32]:
        drawn = self._numbers.standard_normal((rows, columns), np.float32)
        scaled: npt.NDArray[np.float32] = drawn / np.float32(columns**0.5)
        return scaled


def _layer_norm(at: str, width: int) -> dict[str, npt.NDArray[np.float32]]:
    return {f"{at}.weight": np.ones(width, np.float32), f"{at}.bias": np.zeros(width, np.float32)}


def _tokenizer(*, framed: bool) -> Tokenizer:
    """Train byte-level BPE on a few texts: any text in any language has tokens.

    `framed` puts every text between `<s>` and `</s>`, as models of vectors want it.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        _TEXTS,
        trainers.BpeTrainer(
            vocab_size=_VOCABULARY,
            special_tokens=list(_SPECIAL),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    if framed:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=[("<s>", _START), ("</s>", _STOP)]
        )
    return tokenizer


def _mute(*, words_only: bool) -> list[int]:
    """Return the tokens that are never to be the likeliest: special, unused, or no words."""
    tokenizer = _tokenizer(framed=False)
    mute = [*range(len(_SPECIAL)), *range(tokenizer.get_vocab_size(), _VOCABULARY)]
    if not words_only:
        return mute
    texts = ((token, tokenizer.decode([token])) for token in range(tokenizer.get_vocab_size()))
    others = {token for token, text in texts if not (text.isascii() and text.strip().isalpha())}
    return sorted(others | set(mute))


def _write(
    directory: Path,
    config: dict[str, Any],
    weights: dict[str, npt.NDArray[np.float32]],
    tokenizer: dict[str, str],
) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    if weights:
        save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    _tokenizer(framed="chat_template" not in tokenizer).save(str(directory / "tokenizer.json"))
    for name, content in (
        ("config.json", config),
        (
            "tokenizer_config.json",
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "model_max_length": _CONTEXT,
                "bos_token": "<s>",
                "pad_token": "<pad>",
                "unk_token": None,
                "clean_up_tokenization_spaces": False,
                **tokenizer,
            },
        ),
    ):
        _write_json(directory / name, content)


def _write_json(file: Path, content: dict[str, Any]) -> None:
    file.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2))


if __name__ == "__main__":
    make_models(Path(sys.argv[1]))
