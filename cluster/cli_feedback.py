"""`mirix memory feedback`: which hits of a search helped, for a ranker to learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli_consolidate import memories
from cluster.cli_output import (
    AsJson,
    Data,
    Url,
    User,
    WrongUse,
    open_client,
    out,
    reached,
    refusal_is_wrong_use,
    run,
    show_json,
)

if TYPE_CHECKING:
    from cluster.api_client import ApiClient
    from cluster.feedback import Verdict

Ids = list[str] | None


def register(app: typer.Typer) -> None:
    """Add this family's command to those of single memories."""
    memories.command()(feedback)


def feedback(
    search_id: Annotated[
        str, typer.Argument(metavar="SEARCH", help="As `mirix search --json` tells it.")
    ],
    answered: Annotated[
        Ids, typer.Option("--answered", metavar="ID", help="A hit that answered; repeatable.")
    ] = None,
    helpful: Annotated[
        Ids, typer.Option("--helpful", metavar="ID", help="A hit that helped; repeatable.")
    ] = None,
    not_helpful: Annotated[
        Ids, typer.Option("--not-helpful", metavar="ID", help="One that did not; repeatable.")
    ] = None,
    note: Annotated[str, typer.Option("--note", help="Kept with it.")] = "",
    user: User = "default",
    data: Data = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Judge what a search found; `mirix job submit train-ranker` learns from it.

    Example: `mirix memory feedback search_abc --answered mem_1 --not-helpful msg_2 --user alice`
    """
    both = sorted({*(helpful or ())}.intersection(not_helpful or ()))
    if both:
        raise WrongUse(f"{both[0]} cannot be helpful and not helpful; say one of the two")
    judgements: dict[str, Verdict] = dict.fromkeys(helpful or (), "helpful")
    judgements |= dict.fromkeys(not_helpful or (), "not_helpful")
    if not judgements and not answered:
        raise WrongUse(
            "it judges nothing; name hits with --answered, --helpful or --not-helpful, by their ids"
        )
    client = open_client(data, url)
    with refusal_is_wrong_use():
        position = run(_judged(client, search_id, user, judgements, answered or [], note))
    if as_json:
        show_json({"search_id": search_id, "position": position})
    else:
        out.print(f"recorded at position {position}", highlight=False)


async def _judged(
    client: ApiClient,
    search_id: str,
    user: str,
    judgements: dict[str, Verdict],
    answered: list[str],
    note: str,
) -> int:
    from cluster.feedback import judge_search

    async with reached(client):
        return await judge_search(
            client,
            search_id,
            user_id=user,
            judgements=judgements,
            answered_by=answered,
            note=note,
        )
