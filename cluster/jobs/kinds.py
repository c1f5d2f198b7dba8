"""The kinds of jobs there are. Each calls what the command of the same name calls."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from cluster.cli_output import WrongUse
from cluster.data_dir import DataDir
from cluster.jobs.consolidation import CONSOLIDATE
from cluster.jobs.evaluation import EVAL
from cluster.jobs.files import BACKUP, EXPORT, RESTORE
from cluster.jobs.replaying import REPLAY
from cluster.jobs.states import REBUILD, VERIFY
from cluster.jobs.training import TRAIN_RANKER
from cluster.jobs.work import Kind, Place
from cluster.presence import ready_system
from cluster.settings import from_environment
from events.errors import CommandRejected

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            REBUILD,
            REPLAY,
            VERIFY,
            EVAL,
            EXPORT,
            BACKUP,
            RESTORE,
            CONSOLIDATE,
            TRAIN_RANKER,
        )
    }
)


def kind_of(name: str) -> Kind:
    """Return a kind of job by its name.

    Raises:
        WrongUse: there is no such kind.
    """
    if name not in KINDS:
        raise WrongUse(f"{name} is no kind of job; choose from {', '.join(KINDS)}")
    return KINDS[name]


def place_of(kind: Kind, data: Path) -> Place:
    """Return where a job of this kind works.

    Raises:
        Unavailable: it needs a system that runs there, and none is ready.
        CommandRejected: it needs a directory on which none runs, and one does.
    """
    settings = from_environment(data)
    directory = DataDir(settings.data_dir)
    if not kind.offline:
        return Place(settings=settings, record=ready_system(directory))
    if directory.is_locked():
        raise CommandRejected(f"{directory.already_running()}; `{kind.name}` needs it stopped")
    return Place(settings=settings)
