"""`mirix reembed`: move people to another embedding model while the system runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from cluster.cli_output import (
    LONG_WORK_S,
    AsJson,
    Data,
    WrongUse,
    err,
    open_client,
    out,
    progress_bar,
    reached,
    run,
    show_json,
    system_here,
    table,
)

if TYPE_CHECKING:
    from actors.embedding_models import OneModel
    from actors.settings import ActorSettings
    from cluster.reembedding import Moved, Person


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    app.command()(reembed)


def reembed(
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="NAME|DIR",
            help="int8 or fp32 (all-MiniLM-L6-v2), or the model that this system serves.",
        ),
    ],
    users: Annotated[
        list[str] | None,
        typer.Option("--users", "--user", help="Only this person; repeatable (default: all)."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be embedded; change nothing.")
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Embed what people said by another model, and search by it from then on.

    Examples: `mirix reembed --model fp32 --users alice --dry-run` · `mirix reembed --model fp32` ·
    `mirix up --llm vllm --embeddings ~/models/bge-m3 --detach` and then
    `mirix reembed --model bge-m3`

    A person's questions are embedded by the old model until all their passages have a vector of
    the new one; then they are switched at once. So the old model has to be reachable meanwhile, or
    they are found by their words alone: int8 and fp32 always are, a model on Ray Serve while it is
    served. A new model on Ray Serve has to be the system's own (`--embeddings`).

    This can be stopped at any time and begun again: nothing is embedded twice.
    """
    moved, own, target = run(_reembed(data, model, users or [], dry_run))
    if as_json:
        show_json({"model": target, "people": moved})
        return
    rows = table("person", "shard", "passages", "to embed" if dry_run else "embedded", "model")
    for one in moved:
        told = f"{one.before} -> {one.model}" if one.is_switched else one.model
        rows.add_row(one.person, str(one.shard), str(one.passages), str(one.lacking), told)
    out.print(rows if moved else "nobody is known here")
    if dry_run:
        hint = f"nothing was changed; without --dry-run they go to {target}"
    elif own != target:
        hint = (
            f"The system itself embeds with {own}: new memories are embedded by both, until its"
            " settings name the new model and it is started again."
        )
    else:
        return
    err.print(hint, style="dim", highlight=False)


async def _reembed(
    data: Path | None, name: str, users: Sequence[str], dry_run: bool
) -> tuple[list[Moved], str, str]:
    """Return what became of whom, the system's own model, and the one that was moved to."""
    from cluster import wiring
    from cluster.reembedding import move_people, people_of
    from cluster.settings import from_environment
    from cluster.training.embedding_http import HttpEmbedding
    from events.codec import Codec
    from events.connection import connect
    from events.journal import Journal
    from events.sealing import KeyRing

    directory, record = system_here(data)
    log = wiring.log_settings(record)
    settings = wiring.actor_settings(from_environment(data), log)
    moved: list[Moved] = []
    system = open_client(data, None, patience_s=LONG_WORK_S)
    async with reached(system) as client, connect(log) as connection:
        served = HttpEmbedding(client)
        own = (await served.embed(["Which model is it?"])).model
        target, embedding = opened(name, settings, own, served)
        keys = KeyRing(wiring.keystore(directory))
        journals = [Journal(connection.log(shard), Codec(keys)) for shard in range(log.shards)]
        known = [await people_of(journal) for journal in journals]
        refuse_unknown(users, [person for people in known for person in people])
        for journal, people in zip(journals, known, strict=True):
            for person in people:
                if users and person.name not in users:
                    continue
                with progress_bar(f"passages of {person.name}") as progress:
                    moved += await move_people(
                        journal, [person], embedding, target, dry_run=dry_run, progress=progress
                    )
    return moved, own, target


def opened(name: str, settings: ActorSettings, own: str, served: OneModel) -> tuple[str, OneModel]:
    """Return what vectors of a model are recorded under, and the model.

    Args:
        name: what the operator calls it.
        settings: where the packaged models are kept.
        own: what the system's own is recorded under.
        served: the way to that.

    Raises:
        WrongUse: it is neither of the package nor the one that the system serves.
    """
    from actors.embedding_models import open_model
    from actors.onnx_graph import Precision, model_id
    from cluster.model_settings import served_name

    precisions: tuple[Precision, ...] = get_args(Precision)
    for precision in precisions:
        target = model_id(precision)
        if name in (precision, target):
            return target, open_model(settings, target)
    if served_name(name) != own:
        raise WrongUse(
            f"{name} is not what this system embeds with ({own}); start it with"
            f" `mirix up --llm vllm --embeddings {name}`, or name one of {', '.join(precisions)}"
        )
    return own, served


def refuse_unknown(users: Sequence[str], people: Sequence[Person]) -> None:
    """Refuse names of people who are not known here.

    Raises:
        WrongUse: there is one.
    """
    names = {person.name for person in people}
    unknown = [user for user in users if user not in names]
    if unknown:
        raise WrongUse(f"nobody here is called {', '.join(unknown)}; {len(names)} are known")
