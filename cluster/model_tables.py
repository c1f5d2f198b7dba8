"""Tables of mirix.toml about language models, as the file has them: keys known, values typed.

`[[models]]` describes providers, `[vllm]` and `[vllm_embeddings]` what runs on the system's own
Ray. What they mean together with the other settings is said by `model_settings`, `vllm_models`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import urlsplit

import msgspec

from actors.models.settings import ProviderSettings
from events.errors import Misconfigured
from events.hints import hint

#: What the tables about vLLM are not for: the simple settings say it, and agents ask by it.
_SAID_ELSEWHERE = ("model", "name", "kind")
_KEY_FILE = "api_key_file"
_KEY_BYTES_MAX = 4096
_FIELDS = tuple(ProviderSettings.__struct_fields__)
_TYPES = get_type_hints(ProviderSettings, include_extras=True)


def provider_tables(tables: Any, file: Path) -> tuple[ProviderSettings, ...]:
    """Return the providers that the tables `[[models]]` of a file describe.

    Raises:
        Misconfigured: one of them is wrong; the line says the file, which table and which key.
    """
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise Misconfigured(f"{file}: models is no list of tables; begin each with [[models]]")
    return tuple(_provider(table, file, number) for number, table in enumerate(tables, 1))


def _provider(table: dict[str, Any], file: Path, number: int) -> ProviderSettings:
    where = f"{file}: [[models]] {number}"
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key == _KEY_FILE:
            values["api_key"] = key_from(Path(str(value)), file.parent, f"{where}: {key}")
        elif key in _TYPES:
            values[key] = _value(key, value, f"{where}: {key}")
        else:
            raise Misconfigured(f"{where}: {key} is not a setting; {hint(key, _FIELDS)}")
    for key in ("name", "kind"):
        if key not in values:
            raise Misconfigured(f"{where}: {key} is missing")
    if _KEY_FILE in table and "api_key" in table:
        raise Misconfigured(f"{where}: api_key and {_KEY_FILE} are both there; keep one")
    if values.get("base_url"):
        check_address(values["base_url"], f"{where}: base_url")
    try:
        return ProviderSettings(**values)
    except Misconfigured as error:
        raise Misconfigured(f"{where}: {error.message}") from error


def _value(key: str, value: Any, where: str) -> Any:
    try:
        return msgspec.convert(value, _TYPES[key])
    except msgspec.ValidationError as error:
        shown = "(not shown)" if key == "api_key" else repr(value)
        raise Misconfigured(f"{where} is {shown}: {error}") from error


def key_from(path: Path, folder: Path, where: str) -> str:
    """Return the key that a file holds; a relative path is below `folder`.

    Raises:
        Misconfigured: it cannot be read, or holds no key.
    """
    chosen = folder / path.expanduser()
    try:
        with chosen.open(encoding="utf-8") as file:
            key = file.read(_KEY_BYTES_MAX + 1).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise Misconfigured(f"{where}: {chosen} cannot be read ({reason})") from error
    if not key or len(key) > _KEY_BYTES_MAX or len(key.split()) != 1:
        raise Misconfigured(f"{where}: {chosen} does not hold one key")
    return key


def check_address(address: str, where: str) -> None:
    """See that an address is one and shows no secret: addresses are told and logged.

    Raises:
        Misconfigured: it is none, or it holds more than scheme, host and path.
    """
    try:
        parts = urlsplit(address)
        there = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        there = False
    if not there:
        raise Misconfigured(f"{where} is no address; expected http(s)://HOST[:PORT]/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise Misconfigured(
            f"{where} holds more than scheme, host and path; a key goes into llm_api_key_file, "
            "MIRIX_LLM_API_KEY or api_key_file of a [[models]] table"
        )


def vllm_table(table: Any, where: str) -> dict[str, Any]:
    """Return the values of a table about a model on vLLM, each of its type.

    Raises:
        Misconfigured: a key or a value is wrong; the line begins with `where`.
    """
    from serve.vllm_settings import VllmSettings

    types = get_type_hints(VllmSettings, include_extras=True)
    known = tuple(name for name in types if name not in _SAID_ELSEWHERE)
    if not isinstance(table, dict):
        raise Misconfigured(f"{where} is no table")
    values = {}
    for key, value in table.items():
        if key not in known:
            raise Misconfigured(f"{where}: {key} is not a setting; {hint(key, known)}")
        try:
            values[key] = msgspec.convert(value, types[key])
        except msgspec.ValidationError as error:
            raise Misconfigured(f"{where}: {key} is {value!r}: {error}") from error
    return values
