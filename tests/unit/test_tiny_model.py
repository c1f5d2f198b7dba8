"""The tiny models are whole: whoever reads such files finds what belongs in them."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.numpy import load_file
from tokenizers import Tokenizer

from cluster.tiny_model import (
    ADAPTER,
    CHAT,
    EMBEDDING,
    make_chat_model,
    make_large_configuration,
    make_models,
)


def test_models_are_equal_when_their_seeds_are(tmp_path: Path) -> None:
    """Two makings differ in no byte; another seed makes other weights."""
    make_models(tmp_path / "one")
    make_models(tmp_path / "two")
    make_models(tmp_path / "other", seed=1)

    files = sorted(file.relative_to(tmp_path / "one") for file in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 10
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    weights = Path(CHAT) / "model.safetensors"
    assert (tmp_path / "one" / weights).read_bytes() != (tmp_path / "other" / weights).read_bytes()


def test_chat_model_has_the_size_that_it_says(tmp_path: Path) -> None:
    """About 0.4 million parameters; the adapter fits its layers."""
    make_models(tmp_path)
    weights = load_file(tmp_path / CHAT / "model.safetensors")
    config = json.loads((tmp_path / CHAT / "config.json").read_bytes())
    adapter = load_file(tmp_path / ADAPTER / "adapter_model.safetensors")

    assert 300_000 < sum(weight.size for weight in weights.values()) < 500_000
    assert weights["model.embed_tokens.weight"].shape == (
        config["vocab_size"],
        config["hidden_size"],
    )
    assert len(adapter) == 2 * config["num_hidden_layers"]


def test_tokenizer_gives_back_any_text(tmp_path: Path) -> None:
    """Byte by byte, Chinese and emoji too; texts for vectors are framed."""
    make_models(tmp_path)
    chat = Tokenizer.from_file(str(tmp_path / CHAT / "tokenizer.json"))
    vectors = Tokenizer.from_file(str(tmp_path / EMBEDDING / "tokenizer.json"))

    for text in ("The user went hiking.", "用户去徒步了 🏔️", "{}\n\t"):
        assert chat.decode(chat.encode(text).ids) == text
    assert len(chat.encode("<|im_end|>").ids) == 1
    assert vectors.encode("").tokens == ["<s>", "</s>"]


def test_model_that_says_words_only_has_no_other_likely_token(tmp_path: Path) -> None:
    """Every other token's logit is zero; pieces of words keep theirs, and texts their tokens."""
    make_chat_model(tmp_path / "any")
    make_chat_model(tmp_path / "words", context=8192, words_only=True)
    weights = load_file(tmp_path / "words" / "model.safetensors")["model.embed_tokens.weight"]
    tokenizer = Tokenizer.from_file(str(tmp_path / "words" / "tokenizer.json"))

    said = [tokenizer.decode([token]) for token in weights.any(axis=1).nonzero()[0].tolist()]

    assert " the" in said
    assert len(said) > 100
    assert all(text.isascii() and text.strip().isalpha() for text in said)
    config = json.loads((tmp_path / "words" / "config.json").read_bytes())
    assert config["max_position_embeddings"] == 8192
    read, other = (tmp_path / one / "tokenizer.json" for one in ("words", "any"))
    assert read.read_bytes() == other.read_bytes()


def test_large_models_tokens_are_words(tmp_path: Path) -> None:
    """As many as it has, whatever one of random weights says."""
    make_large_configuration(tmp_path)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    config = json.loads((tmp_path / "config.json").read_bytes())

    assert tokenizer.get_vocab_size() == config["vocab_size"]
    assert tokenizer.decode([600, 151_935]) == "word600word151935"
    assert tokenizer.decode(tokenizer.encode("用户 hiking").ids) == "用户 hiking"
