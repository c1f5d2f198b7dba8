"""What an operator says of models: composed, checked, and never with a key to be seen."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from actors.models.settings import ModelSettings
from cluster import wiring
from cluster.cli_up import _as_options
from cluster.model_settings import checked_models, model_settings
from cluster.settings import Settings, compose
from events.errors import Misconfigured

KEY = "sk-never-to-be-shown"
TABLES = f"""
llm = "http://127.0.0.1:8000/v1"
llm_model = "small"
extraction = "model"
extraction_model = "big"

[[models]]
name = "big"
kind = "openai"
model = "gpt"
api_key = "{KEY}"
rank = 2
weight = 3
"""


def settings(tmp_path: Path, toml: str = "", **environ: str) -> Settings:
    (tmp_path / "mirix.toml").write_text(toml)
    return compose({f"MIRIX_{name}": value for name, value in environ.items()}, data=tmp_path)


def names(found: ModelSettings) -> list[str]:
    return [provider.name for provider in found.providers]


def test_answers_are_quoted_when_no_model_is_set(tmp_path: Path) -> None:
    """A system needs no model, and then has only the extractive one."""
    found = model_settings(settings(tmp_path))

    assert names(found) == ["extractive"]
    assert not found.extraction


def test_simple_setting_comes_before_the_tables_and_quoting_last(tmp_path: Path) -> None:
    """By rank: what `llm` says, the tables as they say, the extractive one as a last resort."""
    chosen = settings(tmp_path, TABLES, USER_TOKENS_A_DAY="1000", TOPIC="model")
    found = model_settings(chosen)

    assert [(one.name, one.rank) for one in found.providers] == [
        ("endpoint", 0),
        ("big", 2),
        ("extractive", 100),
    ]
    assert (found.extraction, found.extraction_model) == (True, "big")
    assert (found.user_tokens_a_day, found.topic) == (1000, "model")
    assert wiring.serve_settings(chosen).models == ("endpoint", "big", "extractive")


def test_nobody_quotes_when_answers_need_a_model(tmp_path: Path) -> None:
    """The operator may rather have no answer than a quotation."""
    found = model_settings(settings(tmp_path, TABLES, ANSWER_WITHOUT_MODEL="false"))

    assert names(found) == ["endpoint", "big"]
    with pytest.raises(Misconfigured, match="there is no model"):
        model_settings(settings(tmp_path, ANSWER_WITHOUT_MODEL="false"))


def test_off_is_off_whatever_else_is_said(tmp_path: Path) -> None:
    """`--llm none` switches a configured model off for once."""
    assert names(model_settings(settings(tmp_path, TABLES, LLM="none"))) == ["big", "extractive"]


@pytest.mark.parametrize("llm", ["openai", "anthropic", "groq"])
def test_key_comes_from_a_file_or_the_environment(tmp_path: Path, llm: str) -> None:
    """A relative path is below the data directory."""
    (tmp_path / "key").write_text(f"{KEY}\n")
    by_file = settings(tmp_path, LLM=llm, LLM_MODEL="m", LLM_API_KEY_FILE="key")
    by_name = settings(tmp_path, LLM=llm, LLM_MODEL="m", LLM_API_KEY=KEY)

    assert model_settings(by_file) == model_settings(by_name)
    assert model_settings(by_file).providers[0].api_key == KEY


def test_model_of_our_own_says_how_much_it_takes_in(tmp_path: Path) -> None:
    """Agents call it by the last part of its path, and know the context of its configuration."""
    model = tmp_path / "Tiny-1"
    model.mkdir()
    (model / "config.json").write_text('{"max_position_embeddings": 2048}')
    provider = model_settings(settings(tmp_path, LLM="vllm", LLM_MODEL=f"{model}/")).providers[0]

    assert (provider.name, provider.kind, provider.model) == ("vllm", "vllm", "Tiny-1")
    assert provider.context_tokens == 2048


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("models = 3", "mirix.toml: models is no list of tables"),
        ("[[models]]\nkind = 'openai'", "mirix.toml: [[models]] 1: name is missing"),
        (
            "[[models]]\nname = 'a'\nkind = 'extractive'\n[[models]]\nmodle = 'x'",
            "mirix.toml: [[models]] 2: modle is not a setting; did you mean model?",
        ),
        ("[[models]]\nname = 'a'\nkind = 'gpt'", "mirix.toml: [[models]] 1: kind is 'gpt': "),
        ("[[models]]\nname = 'a'\nkind = 'openai'\nrank = 101", "[[models]] 1: rank is 101: "),
        (
            "[[models]]\nname = 'a'\nkind = 'openai'\nmodel = 'm'",
            "mirix.toml: [[models]] 1: model a: api_key is missing",
        ),
        (
            "[[models]]\nname = 'a'\nkind = 'openai'\nmodel = 'm'\napi_key_file = 'nowhere'",
            "[[models]] 1: api_key_file: ",
        ),
        (
            f"[[models]]\nname = 'a'\nkind = 'openai'\napi_key = ['{KEY}']",
            "[[models]] 1: api_key is (not shown): ",
        ),
        (
            f"[[models]]\nname='a'\nkind='openai_compatible'\nbase_url='http://u:{KEY}@h/v1'",
            "[[models]] 1: base_url holds more than scheme, host and path",
        ),
        ("[vllm]\ngpu = 1", "mirix.toml: [vllm]: gpu is not a setting; did you mean gpus?"),
        ("[vllm]\ngpus = -1", "mirix.toml: [vllm]: gpus is -1: "),
        ("[vllm]\nmodel = 'm'", "[vllm]: model is not a setting"),
        ("answer_without_model = 1", "answer_without_model is 1; expected true or false"),
    ],
)
def test_bad_table_is_one_line_with_file_number_and_key(
    tmp_path: Path, toml: str, told: str
) -> None:
    """The operator finds the place at once, and no key is told."""
    with pytest.raises(Misconfigured) as failure:
        settings(tmp_path, toml)

    assert told in failure.value.message
    assert "\n" not in failure.value.message
    assert KEY not in failure.value.message


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"LLM": "gpt"}, "llm is 'gpt'; expected one of none, vllm"),
        ({"LLM": "openai"}, "llm_model is missing"),
        ({"LLM": "openai", "LLM_MODEL": "m"}, "there is no key"),
        ({"LLM": f"http://u:{KEY}@h/v1"}, "llm holds more than scheme, host and path"),
        ({"LLM": f"http://h/v1?key={KEY}", "LLM_MODEL": "m"}, "llm holds more than"),
        ({"LLM": "http://", "LLM_MODEL": "m"}, "llm is no address"),
        ({"LLM_MODEL": "m"}, "llm_model is set, but llm is not"),
        ({"EXTRACTION": "model"}, "extraction is 'model', but there is none"),
        (
            {"LLM": "openai", "LLM_MODEL": "m", "LLM_API_KEY": KEY, "LLM_API_KEY_FILE": "x"},
            "llm_api_key and llm_api_key_file are both set",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path: Path, environ: dict[str, str], told: str) -> None:
    """Before anything is started, and without a key in it."""
    with pytest.raises(Misconfigured) as failure:
        model_settings(settings(tmp_path, **environ))

    assert told in failure.value.message
    assert KEY not in failure.value.message


def test_environment_cannot_say_tables(tmp_path: Path) -> None:
    """They are for the file."""
    with pytest.raises(Misconfigured, match="MIRIX_MODELS is not a setting"):
        settings(tmp_path, MODELS="[]")


def test_no_key_is_seen_in_what_is_shown_or_started(tmp_path: Path) -> None:
    """Not in representations, not among the options of the daemon; agents do get it."""
    (tmp_path / "mirix.toml").write_text(TABLES)
    chosen = checked_models(compose({"MIRIX_LLM_API_KEY": KEY}, data=tmp_path))
    found = model_settings(chosen)

    assert KEY not in f"{chosen!r} {chosen.models!r} {found!r} {wiring.serve_settings(chosen)!r}"
    assert KEY not in " ".join(_as_options(chosen))
    assert [one.api_key for one in pickle.loads(pickle.dumps(found)).providers[:2]] == [KEY, KEY]


def test_daemon_is_told_paths_that_hold_in_another_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs in the checkout, whatever directory it was started from."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    chosen = checked_models(settings(tmp_path, LLM="vllm", LLM_MODEL="./here"))
    options = _as_options(chosen)

    assert options[options.index("--model") + 1] == str(tmp_path / "here")
    assert options[options.index("--llm") + 1] == "vllm"


def test_nothing_of_a_model_is_imported_when_none_is_used() -> None:
    """Gateway, agents' host, supervisor and command line load no SDK and no engine."""
    code = (
        "import sys, actors.host, actors.fleet, serve.deployment, serve.gateway, cluster.system,"
        " cluster.cli, cluster.doctor\n"
        "from actors.models.build import build_model\n"
        "from actors.models.settings import ModelSettings\n"
        "build_model(ModelSettings())\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "print(sorted(loaded & {'vllm', 'openai', 'anthropic', 'torch', 'transformers'}))\n"
        "print([name for name in sys.modules if name.startswith(('ray.llm', 'ray.serve.llm'))])\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )

    assert ran.stdout.splitlines() == ["[]", "[]"]
