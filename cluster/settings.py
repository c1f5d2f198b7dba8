"""All settings of a system, composed once: defaults, then `mirix.toml`, then MIRIX_*, then flags.

The only module that reads the environment. A bad value is one error that names where it came from,
the key, the value and what was expected.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from actors.models.settings import ProviderSettings
from cluster.model_tables import provider_tables, vllm_table
from events.errors import Misconfigured

PREFIX = "MIRIX_"
FILE_NAME = "mirix.toml"
DEFAULT_DATA = Path("data")
DEFAULT_PORT = 47283

Port = Annotated[
    int, msgspec.Meta(ge=1, le=65535, description="a port, a whole number from 1 to 65535")
]
Count = Annotated[int, msgspec.Meta(ge=1, le=1024, description="a whole number from 1 to 1024")]
Events = Annotated[
    int, msgspec.Meta(ge=1, le=10_000_000, description="a whole number from 1 to 10000000")
]
Exact = Annotated[
    int, msgspec.Meta(ge=1, le=10_000_000, description="a whole number from 1 to 10000000")
]
Kept = Annotated[int, msgspec.Meta(ge=2, le=1000, description="a whole number from 2 to 1000")]
Seconds = Annotated[
    float, msgspec.Meta(gt=0, le=86_400, description="a number of seconds above 0, at most 86400")
]
Hours = Annotated[
    float, msgspec.Meta(ge=0, le=8760, description="a number of hours from 0 (never) to 8760")
]
#: The lengths that the gateway takes (`serve.access`), checked here before anything is started.
BOOTSTRAP_CHARS_MIN, BOOTSTRAP_CHARS_MAX = 8, 512
BootstrapKey = Annotated[
    str,
    msgspec.Meta(
        min_length=BOOTSTRAP_CHARS_MIN,
        max_length=BOOTSTRAP_CHARS_MAX,
        description=f"{BOOTSTRAP_CHARS_MIN} to {BOOTSTRAP_CHARS_MAX} random characters",
    ),
]
Tokens = Annotated[
    int, msgspec.Meta(ge=0, le=10**15, description="a whole number of tokens; 0 is no limit")
]
Context = Annotated[
    int,
    msgspec.Meta(
        ge=0, le=10_000_000, description="a whole number of tokens; 0: as the model has it, or 8192"
    ),
]
AtOnce = Annotated[int, msgspec.Meta(ge=1, le=1000, description="a whole number from 1 to 1000")]
Precision = Literal["fp32", "int8"]
LogLevel = Literal["debug", "info", "warning", "error"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may decide; each package's own settings are made from it.

    `url` and `api_key` reach a system elsewhere; `bootstrap_key` presets the first service key.
    `ranker` is the file of a trained one (docs/ranker.md); empty: the weights set by hand. Up to
    `search_exact_max` passages of a person a search computes every score (docs/retrieval.md).
    `llm` and what begins so is one language model, `models` are the tables of several
    (`cluster.model_settings`, docs/models.md).
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: Port = DEFAULT_PORT
    shards: Count = 1
    url: str = ""
    api_key: str = ""
    bootstrap_key: BootstrapKey = ""
    embedder_precision: Precision = "int8"
    embedder_threads: Count = 2
    snapshot_every_events: Events = 20_000
    snapshot_every_s: Seconds = 3600.0
    snapshots_kept: Kept = 8
    consolidate_every_h: Hours = 0.0
    ranker: str = ""
    search_exact_max: Exact = 4096
    ready_timeout_s: Seconds = 120.0
    stop_timeout_s: Seconds = 60.0
    log_level: LogLevel = "info"
    llm: str = ""
    llm_model: str = ""
    llm_api_key: str = ""
    llm_api_key_file: str = ""
    llm_embedding_model: str = ""
    llm_context_tokens: Context = 0
    llm_ready_timeout_s: Seconds = 600.0
    extraction: Literal["rules", "model"] = "rules"
    extraction_model: str = ""
    topic: Literal["words", "model"] = "words"
    answers_at_once: AtOnce = 64
    breaker_failures: AtOnce = 5
    breaker_s: Seconds = 30.0
    user_tokens_a_day: Tokens = 0
    tokens_a_day: Tokens = 0
    answer_without_model: bool = True
    models: tuple[ProviderSettings, ...] = ()
    vllm: dict[str, Any] = {}
    vllm_embeddings: dict[str, Any] = {}

    def __repr__(self) -> str:
        """Show everything but keys."""
        shown = {name: getattr(self, name) for name in self.__struct_fields__}
        for name in _KEYS:
            shown[name] = "***" if shown[name] else ""
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


_TYPES = get_type_hints(Settings, include_extras=True)
_KEYS = ("api_key", "bootstrap_key", "llm_api_key")
#: What only the file can say, in tables.
_TABLES = ("models", "vllm", "vllm_embeddings")


def from_environment(data: Path | None = None, **flags: Any) -> Settings:
    """Compose the settings from this process's environment; flags that are None are not given.

    Raises:
        Misconfigured: a value or a name is wrong.
    """
    return compose(os.environ, data=data, flags=flags)


def ray_address() -> str:
    """Return the address of the Ray cluster below whose Jobs API this process runs, or nothing."""
    return os.environ.get("RAY_ADDRESS", "")


def compose(
    environ: Mapping[str, str], *, data: Path | None = None, flags: Mapping[str, Any] | None = None
) -> Settings:
    """Return the settings that defaults, file, environment and flags give, later ones winning.

    Raises:
        Misconfigured: a value or a name is wrong.
    """
    variables = {
        name: value for name, value in environ.items() if name.startswith(PREFIX) and value != ""
    }
    data_dir = _data_dir(data, variables.pop(f"{PREFIX}DATA", None))
    values: dict[str, Any] = {}
    file = data_dir / FILE_NAME
    said = _read_file(file)
    if "models" in said:
        values["models"] = provider_tables(said.pop("models"), file)
    for name in ("vllm", "vllm_embeddings"):
        if name in said:
            values[name] = vllm_table(said.pop(name), f"{file}: [{name}]")
    for key, value in said.items():
        known = _known(key, f"{file}: {key}", key)
        values[known] = _convert(known, value, f"{file}: {key}", True)
    for name, text in sorted(variables.items()):
        key = _known(name.removeprefix(PREFIX).lower(), f"environment variable {name}", name)
        values[key] = _convert(key, text, f"environment variable {name}", False)
    for key, value in (flags or {}).items():
        if value is not None:
            values[key] = _convert(key, value, f"option --{key.replace('_', '-')}", True)
    return Settings(data_dir=data_dir, **values)


def _data_dir(flag: Path | None, variable: str | None) -> Path:
    chosen = flag or (Path(variable) if variable else DEFAULT_DATA)
    directory = chosen.expanduser().resolve()
    try:
        there = next(path for path in (directory, *directory.parents) if path.exists())
    except OSError as error:
        raise Misconfigured(f"data directory {directory}: {error.strerror}") from error
    if there == directory and not there.is_dir():
        raise Misconfigured(f"data directory {directory} is a file; expected a directory")
    if not there.is_dir():
        raise Misconfigured(f"data directory {directory} cannot be: {there} is a file")
    return directory


def _read_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{file} is not TOML: {error}") from error
    except OSError as error:
        raise Misconfigured(f"{file} cannot be read: {error.strerror}") from error


def _known(key: str, where: str, written: str) -> str:
    known = [name for name in _TYPES if name != "data_dir" and name not in _TABLES]
    if key in known:
        return key
    near = get_close_matches(key, known, n=1)
    hint = near[0] if near else ""
    if hint and written.startswith(PREFIX):
        hint = PREFIX + hint.upper()
    raise Misconfigured(f"{where} is not a setting" + (f"; did you mean {hint}?" if hint else ""))


def _convert(key: str, value: Any, where: str, strict: bool) -> Any:
    try:
        return msgspec.convert(value, _TYPES[key], strict=strict)
    except msgspec.ValidationError as error:
        shown = "(not shown)" if key.endswith("_key") else repr(value)
        raise Misconfigured(f"{where} is {shown}; expected {_expected(_TYPES[key])}") from error


def _expected(kind: Any) -> str:
    for note in getattr(kind, "__metadata__", ()):
        if isinstance(note, msgspec.Meta) and note.description:
            return note.description
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(get_args(kind))
    return {str: "text", bool: "true or false"}.get(kind, str(kind))
