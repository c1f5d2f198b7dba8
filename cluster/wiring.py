"""The joints between this package and the ones to its left: one small function a joint.

Nothing else in `cluster/` knows how agents are hosted or how the gateway is deployed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.settings import ActorSettings, RankingSettings
from cluster.data_dir import DataDir, SystemRecord
from cluster.model_settings import VLLM, model_settings, served_name
from cluster.settings import Settings
from cluster.vllm_models import vllm_models
from events.codec import Codec
from events.connection import LogSettings
from events.errors import Misconfigured
from events.journal import Journal
from events.sealing import KeyRing
from events.sqlite_keystore import SqliteKeyStore
from serve.access import bootstrap, pepper_of
from serve.settings import ServeSettings

if TYPE_CHECKING:
    from serve.vllm_settings import VllmSettings


def keystore(directory: DataDir) -> SqliteKeyStore:
    """Open the key store of a data directory."""
    return SqliteKeyStore(directory.keys_file, directory.master_key)


def log_settings(record: SystemRecord) -> LogSettings:
    """Return how to reach the log of a running system.

    Raises:
        Misconfigured: it has no log yet, or its password cannot be read.
    """
    if not record.nats_url:
        raise Misconfigured("the system has no log yet; it is still starting")
    try:
        password = Path(record.nats_password_file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Misconfigured(
            f"{record.nats_password_file} cannot be read: {error.strerror}"
        ) from error
    return LogSettings(
        url=record.nats_url,
        monitor_url=record.nats_monitor_url,
        user=record.nats_user,
        password=password,
        shards=record.shards,
    )


def actor_settings(settings: Settings, log: LogSettings) -> ActorSettings:
    """Return what the agents (and the backend of the gateway) need."""
    directory = DataDir(settings.data_dir)
    return ActorSettings(
        log=log,
        keys_file=directory.keys_file,
        master_key_file=directory.master_key,
        snapshots_dir=directory.snapshots,
        models_dir=directory.models,
        embedder_precision=settings.embedder_precision,
        embedder_threads=settings.embedder_threads,
        snapshot_every_events=settings.snapshot_every_events,
        snapshot_every_s=settings.snapshot_every_s,
        snapshots_kept=settings.snapshots_kept,
        start_timeout_s=settings.ready_timeout_s,
        log_level=settings.log_level,
        models=model_settings(settings),
        embedding_model=embedding_model(settings),
        ranking=RankingSettings(weights=ranker_of(settings), exact_max=settings.search_exact_max),
    )


def ranker_of(settings: Settings) -> dict[str, float]:
    """Return the weights of the ranker that the operator chose; empty: those set by hand.

    Raises:
        Misconfigured: its file cannot be read, or is no ranker of this version.
    """
    file = ranker_file(settings)
    if file is None:
        return {}
    from projections.retrieval.ranker import read_ranker  # with numpy: most commands need neither

    return read_ranker(file).signals


def ranker_file(settings: Settings) -> Path | None:
    """Return the file of the ranker that was chosen; a relative one is in the data directory."""
    if not settings.ranker:
        return None
    return settings.data_dir / Path(settings.ranker).expanduser()


def serve_settings(settings: Settings) -> ServeSettings:
    """Return what the gateway needs."""
    providers = sorted(model_settings(settings).providers, key=lambda provider: provider.rank)
    return ServeSettings(
        host=settings.host,
        port=settings.port,
        models=tuple(provider.name for provider in providers),
        model_kinds=tuple(provider.kind for provider in providers),
    )


def embedding_model(settings: Settings) -> str:
    """Return the name of the model of vectors on this system's Ray Serve; empty: there is none."""
    return served_name(settings.llm_embedding_model) if runs_models(settings) else ""


def start_agents(
    settings: Settings, log: LogSettings, tell: Callable[[Sequence[str], int, int], None]
) -> None:
    """Start the nine agents of every shard and return when they are ready; Ray is there.

    `tell` hears which came up just now, how many are up and how many there will be.
    """
    from actors import fleet  # imports Ray, whose switches must be set before that

    fleet.start_agents(actor_settings(settings, log), tell)


def stop_agents(settings: Settings) -> None:
    """Let every agent finish what it has begun and write its snapshot, then end it."""
    from actors import fleet

    fleet.stop_agents(settings.shards)


def start_gateway(settings: Settings, log: LogSettings) -> None:
    """Deploy the gateway on Ray Serve and return when it serves."""
    from actors.remote_backend import open_backend
    from serve import deployment

    actors = actor_settings(settings, log)
    deployment.deploy_gateway(serve_settings(settings), partial(open_backend, actors))


def stop_gateway(settings: Settings) -> None:
    """Take the gateway down; requests in flight are answered first."""
    from serve import deployment

    deployment.withdraw_gateway(leave_serve=runs_models(settings))


def runs_models(settings: Settings) -> bool:
    """Say whether models run on this system's own Ray."""
    return settings.llm == VLLM


def begin_serving(settings: Settings) -> None:
    """Start Ray Serve itself: the first application there is finds its address settled."""
    from serve import deployment

    deployment.begin_serving(serve_settings(settings))


def start_models(settings: Settings) -> None:
    """Load the models and return when they answer; `begin_serving` was before.

    Raises:
        Misconfigured: they cannot be run as they are set up.
        Unavailable: a model cannot be loaded.
    """
    from serve import vllm_app

    vllm_app.deploy_models(*_models_here(settings))


def stop_models(settings: Settings) -> None:
    """Unload the models, and end Ray Serve."""
    from serve import deployment, vllm_app

    try:
        vllm_app.withdraw_models(*_models_here(settings))
    finally:
        deployment.end_serving()


def _models_here(settings: Settings) -> tuple[VllmSettings, ...]:
    import ray

    cluster: Any = ray
    return vllm_models(settings, cluster.cluster_resources().get("GPU", 0.0))


async def keep_consolidating(settings: Settings, log: LogSettings) -> None:
    """Ask for everybody's consolidation as often as the settings say, until cancelled."""
    from actors.connecting import connected
    from cluster.scheduling import ConsolidationSchedule

    async with AsyncExitStack() as stack:
        connection = await connected(stack, actor_settings(settings, log))
        codec = Codec(KeyRing(keystore(DataDir(settings.data_dir))))
        journals = [Journal(connection.log(shard), codec) for shard in range(settings.shards)]
        every = timedelta(hours=settings.consolidate_every_h)
        await ConsolidationSchedule(journals, every).run()


async def put_keys_in_use(settings: Settings, log: LogSettings, operator_key: str) -> str | None:
    """See that there is a service key and that the operator's own is known.

    Returns:
        The first service key when it was made just now, to be shown once.
    """
    from actors.remote_backend import open_backend

    async with open_backend(actor_settings(settings, log)) as (backend, store):
        pepper = pepper_of(store)
        # First: with the operator's key in use, no first key for everybody else would be made.
        key = await bootstrap(backend, pepper, settings.bootstrap_key or None)
        await bootstrap(backend, pepper, operator_key)
        return key
