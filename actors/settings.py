"""What the operator sets about the agents; composed in `cluster.settings`, never read from here."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from actors.models.settings import ModelSettings
from events.connection import LogSettings
from events.errors import Misconfigured


class RankingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How memories are searched, now and as of any moment.

    `weights` has one for each signal of the ranking; empty: those set by hand. Up to `exact_max`
    passages of a person every score is computed, beyond those of a short list
    (`docs/retrieval.md`).
    """

    weights: dict[str, float] = {}
    exact_max: int = 4096


class ActorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where log, keys, snapshots and models are, and how the agents work; times in seconds.

    `embedding_model` is the name of a model of vectors on Ray Serve; empty: the local embedder.
    `give_way_s` is how much later the memory agents take up a message that wants an answer, so that
    the answer has the cores.
    """

    log: LogSettings
    keys_file: Path
    master_key_file: Path
    snapshots_dir: Path
    models_dir: Path
    embedding_model: str = ""
    embedder_precision: Literal["int8", "fp32"] = "int8"
    embedder_threads: int = 2
    snapshot_every_events: int = 20_000
    snapshot_every_s: float = 3600.0
    snapshots_kept: int = 8
    retry_wait_s: float = 0.2
    give_way_s: float = 0.05
    start_timeout_s: float = 120.0
    log_level: str = "info"
    models: ModelSettings = ModelSettings()
    ranking: RankingSettings = RankingSettings()

    def __post_init__(self) -> None:
        """Refuse values that no agent can work with.

        Raises:
            Misconfigured: a count or a time that is not positive.
        """
        for name in (
            "embedder_threads",
            "snapshot_every_events",
            "snapshot_every_s",
            "retry_wait_s",
        ):
            if getattr(self, name) <= 0:
                raise Misconfigured(f"{name} must be greater than 0, not {getattr(self, name)}")
