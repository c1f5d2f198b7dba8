"""What a fork is told on the command line: another extractor, other settings of the deciders."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from actors.deciders.settings import DeciderSettings
from actors.extraction.extractor import EXTRACTORS, Extractor
from events.errors import CommandRejected, Unavailable
from events.hints import hint

if TYPE_CHECKING:
    from cluster.fork_models import ForkModel

#: What the settings of the deciders may be, to show how it is written.
_EXAMPLES = {"importance_min": 0.6, "findings_max": 50, "core_block_chars": 1000}
_METHODS = ("from_message", "from_document")


def chosen_model(extractor: str, data: Path | None, *, reuse: bool) -> ForkModel:
    """Return who extracts in a fork, and whom that may ask: the providers of this system.

    A model on a system that is not running is not asked; with `reuse`, the log still answers.

    Raises:
        CommandRejected: there is no such extractor.
        Unavailable: it is to be asked anew, and runs on a system that is not there.
    """
    from cluster.fork_models import ForkModel, fork_model, means_model

    if not means_model(extractor):
        return ForkModel(extractor_named(extractor), None, "")
    from cluster.model_settings import model_settings
    from cluster.settings import from_environment

    settings = from_environment(data)
    chosen = fork_model(extractor, model_settings(settings))
    if chosen.needs_ray:
        from cluster import presence, ray_host
        from cluster.data_dir import DataDir

        directory = DataDir(settings.data_dir)
        try:
            record = presence.ready_system(directory)
        except Unavailable:
            if not reuse:
                raise
            return ForkModel(chosen.extractor, None, chosen.prefer)
        ray_host.join_ray(directory, record.ray_address)
    return chosen


def extractor_named(text: str) -> Extractor:
    """Return the extractor that `text` names: `rules`, `none` or `MODULE:NAME` of Python code.

    What is imported is the operator's own code, from the working directory or installed.

    Raises:
        CommandRejected: there is no such one, or it does not extract.
    """
    for known, extractor_type in EXTRACTORS.items():
        if text == known:
            return extractor_type()
    module_name, colon, name = text.partition(":")
    if not colon or not module_name or not name:
        raise CommandRejected(
            f"{text!r} is no extractor; expected {', '.join(EXTRACTORS)}, model, model:NAME or"
            " MODULE:NAME"
        )
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module_name), name)
        made = found() if isinstance(found, type) else found
    # Whatever the operator's module fails with while it is loaded, it is told in one line.
    except Exception as error:
        raise CommandRejected(f"extractor {text} cannot be loaded: {error!r}") from error
    missing = [method for method in _METHODS if not callable(getattr(made, method, None))]
    if missing or not isinstance(getattr(made, "name", None), str):
        raise CommandRejected(
            f"{text} is no extractor: it needs a text `name` and the methods {', '.join(_METHODS)}"
            " (actors/extraction/extractor.py)"
        )
    extractor: Extractor = made
    return extractor


def decider_settings(pairs: Sequence[str]) -> DeciderSettings:
    """Return the settings that `KEY=VALUE` pairs give.

    Raises:
        CommandRejected: a key is unknown or a value does not fit it.
    """
    known = DeciderSettings.__struct_fields__
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if key not in known:
            told = hint(key, known)
            raise CommandRejected(f"{pair!r} sets nothing: expected KEY=VALUE; {told}")
        if not equals or not value:
            example = f"{key}={_EXAMPLES[key]}"
            raise CommandRejected(f"{pair!r} sets nothing: give it a value, e.g. {example}")
        values[key] = value
    try:
        return msgspec.convert(values, DeciderSettings, strict=False)
    except msgspec.ValidationError as error:
        wrong, _, at = str(error).partition(" - at `$.")  # its word for a field
        said = f"{at.rstrip('`')}={values.get(at.rstrip('`'), '')}" if at else ", ".join(pairs)
        raise CommandRejected(f"{said}: {wrong[:1].lower()}{wrong[1:]}") from error
