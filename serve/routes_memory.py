"""The six tiers: list, show, make, change, forget, and reveal a secret of the vault.

A tier's owner is the only writer of its memories. The gateway appends what was asked for, waits
until the agents have handled it, and answers with the tier as it then is.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

from fastapi import Path, Query, Request, Response
from msgspec import UNSET

from actors.names import OWNER_OF
from actors.queries import (
    CoreBlockView,
    GetCoreBlocks,
    GetMemory,
    ListMemories,
    MemoryView,
    Page,
    RevealSecret,
)
from events.catalogue import (
    MemoryChangeRejected,
    MemoryChangeRequested,
    MemoryRestored,
    MemoryRevised,
    SecretRevealed,
)
from events.envelope import NewEvent
from events.errors import CommandRejected, NotFound, VersionConflict
from events.ids import random_id
from events.memory import TIERS, Tier, VaultContent
from serve.answers import CoreBlockShown, CoreBlocksShown, SecretShown
from serve.backend import Caused
from serve.context import GatewayContext, caller_of, context_of, new_event
from serve.edge import (
    AskedPerson,
    Json,
    Limit,
    ReadAt,
    person_named,
    protected_router,
    read_json,
    written,
)
from serve.identity import Person
from serve.memory_forms import (
    CHANGE_FORMS,
    MAKE_FORMS,
    VIEWS,
    PageShown,
    changed,
    content_of,
    shown,
    tier_named,
)
from serve.openapi import (
    BODY_PROBLEMS,
    MISSING,
    at_moment,
    gives,
    gives_any,
    problem,
    takes,
    takes_one_of,
)
from serve.problems import POSITION_HEADER, invalid
from serve.reading import NOW, Reading, When, read
from serve.requests import RevealForm

router = protected_router("memory")

TierName = Annotated[
    str, Path(description="Which tier.", json_schema_extra={"enum": list[str | int](TIERS)})
]
Cursor = Annotated[
    str,
    Query(
        max_length=512,
        pattern=r"^[\w.:=+/-]*$",
        description="`next_cursor` of the page before.",
    ),
]
#: How often a change is merged anew when somebody else's comes first.
CHANGE_ATTEMPTS_MAX = 8
MAKE_EXAMPLE = {"user_id": "alice", "name": "Lisbon", "summary": "Alice lives in Lisbon."}


@router.get(
    "/memory/core/blocks",
    response_class=Json,
    summary="Show the persona and human blocks",
    responses={
        200: at_moment(gives(CoreBlocksShown, "The blocks, as they are put in front of a model."))
    },
)
async def show_blocks(request: Request, person: AskedPerson, when: ReadAt) -> Response:
    """Show the core blocks of a user."""
    query = GetCoreBlocks(user=person.id)
    found = await read(context_of(request), person.shard, "core_memory", query, when)
    blocks: tuple[CoreBlockView, ...] = found.answer
    shown_blocks = CoreBlocksShown(blocks=tuple(map(CoreBlockShown.of, blocks)))
    return Json(shown_blocks, headers=found.headers)


@router.get(
    "/memory/{tier}",
    response_class=Json,
    summary="List the memories of a tier",
    responses={200: at_moment(gives(PageShown, "Oldest first.")), **MISSING},
)
async def list_memories(
    request: Request,
    tier: TierName,
    person: AskedPerson,
    when: ReadAt,
    limit: Limit = 50,
    cursor: Cursor = "",
    ended: Annotated[bool, Query(description="Also those that no longer hold.")] = False,
) -> Response:
    """List a user's memories of one tier, a page at a time."""
    query = ListMemories(user=person.id, limit=limit, cursor=cursor, ended=ended)
    owner = OWNER_OF[tier_named(tier)]
    found = await read(context_of(request), person.shard, owner, query, when)
    page: Page = found.answer
    items = tuple(map(shown, page.items))
    return Json(PageShown(items=items, next_cursor=page.next_cursor), headers=found.headers)


@router.post(
    "/memory/{tier}",
    status_code=201,
    response_class=Json,
    summary="Make a memory",
    openapi_extra=takes_one_of(tuple(MAKE_FORMS.values()), MAKE_EXAMPLE),
    responses={
        201: gives_any(tuple(VIEWS.values()), "The memory, as its tier holds it."),
        **MISSING,
        **BODY_PROBLEMS,
    },
)
async def make_memory(request: Request, tier: TierName) -> Response:
    """Ask the tier's owner to record a memory, and wait for it."""
    named = tier_named(tier)
    form = await read_json(request, MAKE_FORMS[named])
    person = person_named(request, getattr(form, "user_id", None))
    wanted = MemoryChangeRequested(
        tier=named,
        change="record",
        memory_id=random_id("mem"),
        content=content_of(named, form),
        tags=None if form.tags is UNSET else form.tags,
        reason=form.reason,
    )
    asked = await _ask_owner(request, person, wanted)
    view = await _find(context_of(request), person, named, wanted.memory_id, asked.reached)
    if view is None:
        why = await asked.why_not(context_of(request), person)
        raise CommandRejected(f"the owner of {named} did not record this memory{why}")
    return written(shown(view), asked.position, 201)


@router.get(
    "/memory/{tier}/{memory_id}",
    response_class=Json,
    summary="Show a memory",
    responses={200: at_moment(gives_any(tuple(VIEWS.values()), "The memory.")), **MISSING},
)
async def show_memory(
    request: Request, tier: TierName, memory_id: str, person: AskedPerson, when: ReadAt
) -> Response:
    """Show a memory; a superseded one too, with when it held."""
    found = await _read(context_of(request), person, tier_named(tier), memory_id, when)
    return Json(shown(found.answer), headers=found.headers)


@router.patch(
    "/memory/{tier}/{memory_id}",
    response_class=Json,
    summary="Change a memory",
    openapi_extra=takes_one_of(tuple(CHANGE_FORMS.values()), {"summary": "She lives in Porto."}),
    responses={
        200: gives_any(tuple(VIEWS.values()), "The memory, as it now reads."),
        409: problem("Others changed it again and again meanwhile."),
        **MISSING,
        **BODY_PROBLEMS,
    },
)
async def change_memory(
    request: Request, tier: TierName, memory_id: str, person: AskedPerson
) -> Response:
    """Ask the tier's owner to change the fields that are given, and wait for it."""
    named = tier_named(tier)
    form = await read_json(request, CHANGE_FORMS[named])
    context = context_of(request)
    # In turn within a replica: of changes at once all but one would be rejected and tried again.
    async with context.turn(person, memory_id):
        view = await _get(request, person, named, memory_id)
        for _ in range(CHANGE_ATTEMPTS_MAX):
            if view.status != "active":
                what = f"this memory is {view.status}; only active ones change"
                raise invalid("path.memory_id", what)
            wanted = MemoryChangeRequested(
                tier=named,
                change="revise",
                memory_id=memory_id,
                content=changed(view.content, form),
                tags=None if form.tags is UNSET else form.tags,
                reason=form.reason,
                expected_revision=view.revision,
            )
            asked = await _ask_owner(request, person, wanted)
            now = await _find(context, person, named, memory_id, asked.reached)
            revised = await asked.brought_about(context, person, MemoryRevised)
            if revised is not None and now is not None:
                return written(shown(now), asked.position)
            if now is None or now.revision == view.revision:
                why = await asked.why_not(context, person)
                raise CommandRejected(
                    f"the owner of {named} did not change memory {memory_id}{why}"
                )
            view = now  # somebody else changed it first: merge into what they made of it
    raise VersionConflict(
        f"memory {memory_id} was changed by others {CHANGE_ATTEMPTS_MAX} times meanwhile; "
        "read it and send the change again"
    )


@router.delete(
    "/memory/{tier}/{memory_id}",
    status_code=204,
    response_class=Response,
    summary="Forget a memory",
    responses={204: {"description": "It is out of its tier."}, **MISSING},
)
async def forget_memory(
    request: Request, tier: TierName, memory_id: str, person: AskedPerson
) -> Response:
    """Ask the tier's owner to take a memory out of the tier, and wait for it."""
    named = tier_named(tier)
    await _get(request, person, named, memory_id)
    wanted = MemoryChangeRequested(tier=named, change="forget", memory_id=memory_id)
    asked = await _ask_owner(request, person, wanted)
    context = context_of(request)
    if await _find(context, person, named, memory_id, asked.reached) is not None:
        why = await asked.why_not(context, person)
        raise CommandRejected(f"the owner of {named} did not forget memory {memory_id}{why}")
    return Response(status_code=204, headers={POSITION_HEADER: str(asked.position)})


@router.post(
    "/memory/{tier}/{memory_id}/restore",
    response_class=Json,
    summary="Restore a memory",
    responses={
        200: gives_any(tuple(VIEWS.values()), "The memory, which holds again."),
        409: problem("Somebody else changed it at this moment."),
        **MISSING,
    },
)
async def restore_memory(
    request: Request, tier: TierName, memory_id: str, person: AskedPerson
) -> Response:
    """Ask the tier's owner to let a superseded, merged or faded memory hold again; wait for it.

    What somebody asked to forget is not there any more: only the log has it.
    """
    named = tier_named(tier)
    view = await _get(request, person, named, memory_id)
    if view.status == "active":
        raise invalid("path.memory_id", "this memory holds; there is nothing to restore")
    wanted = MemoryChangeRequested(
        tier=named, change="restore", memory_id=memory_id, expected_revision=view.revision
    )
    asked = await _ask_owner(request, person, wanted)
    context = context_of(request)
    now = await _find(context, person, named, memory_id, asked.reached)
    restored = await asked.brought_about(context, person, MemoryRestored)
    if now is None or restored is None:
        why = await asked.why_not(context, person) or ": somebody else changed it at this moment"
        raise VersionConflict(f"memory {memory_id} was not restored{why}; look at it again")
    return written(shown(now), asked.position)


@router.post(
    "/memory/knowledge_vault/{memory_id}/reveal",
    response_class=Json,
    summary="Read a secret of the vault",
    openapi_extra=takes(RevealForm, {"reason": "Alice asked for her router's password."}),
    responses={200: gives(SecretShown, "The secret, in clear."), **MISSING, **BODY_PROBLEMS},
)
async def reveal_secret(request: Request, memory_id: str, person: AskedPerson) -> Response:
    """Record that the secret is read, by which key and why; then answer it."""
    context, caller = context_of(request), caller_of(request)
    form = await read_json(request, RevealForm, empty=RevealForm())
    held = await _get(request, person, "knowledge_vault", memory_id)
    if not (isinstance(held.content, VaultContent) and held.content.secret):
        raise NotFound(f"memory {memory_id} holds no secret")
    revealed = SecretRevealed(memory_id=memory_id, key_id=caller.key_id, reason=form.reason)
    event = new_event(caller, person, revealed, entity=memory_id)
    position = await context.record(caller, person, [event])
    secret: str = await context.backend.ask(
        person.shard,
        "knowledge_vault",
        RevealSecret(user=person.id, memory_id=memory_id),
        min_position=position,
        timeout_s=context.settings.read_timeout_s,
    )
    answer = written(SecretShown(id=memory_id, secret=secret, position=position), position)
    answer.headers["Cache-Control"] = "no-store"
    return answer


class _Asked(NamedTuple):
    """A request to an owner: where it is in the log, and how far the agents have come since."""

    event: NewEvent
    position: int
    reached: int

    async def brought_about(
        self, context: GatewayContext, person: Person, kind: type[Caused]
    ) -> Caused | None:
        """Return what the owner did: the memory's state alone may be somebody else's doing."""
        return await context.backend.brought_about(
            person.shard, self.event, kind, after=self.position, until=self.reached
        )

    async def why_not(self, context: GatewayContext, person: Person) -> str:
        """Return the owner's reason for doing nothing, as the end of a sentence; may be empty."""
        rejected = await self.brought_about(context, person, MemoryChangeRejected)
        return "" if rejected is None else f": {rejected.reason}"


async def _ask_owner(request: Request, person: Person, wanted: MemoryChangeRequested) -> _Asked:
    """Append what is wanted, and wait until it has been handled."""
    context, caller = context_of(request), caller_of(request)
    event = new_event(caller, person, wanted, entity=wanted.memory_id)
    position = await context.record(caller, person, [event])
    return _Asked(event, position, await context.handled(person, position))


async def _read(
    context: GatewayContext, person: Person, tier: Tier, memory_id: str, when: When
) -> Reading:
    """Return a memory's view; one that is forgotten for good is not there.

    Raises:
        NotFound: it is not there.
    """
    query = GetMemory(user=person.id, memory_id=memory_id)
    try:
        return await read(context, person.shard, OWNER_OF[tier], query, when)
    except NotFound as error:
        raise NotFound(f"there is no {tier} memory {memory_id[:100]!r} of this user") from error


async def _get(request: Request, person: Person, tier: Tier, memory_id: str) -> MemoryView:
    view: MemoryView = (await _read(context_of(request), person, tier, memory_id, NOW)).answer
    return view


async def _find(
    context: GatewayContext, person: Person, tier: Tier, memory_id: str, min_position: int
) -> MemoryView | None:
    when = When(min_position=min_position)
    try:
        view: MemoryView = (await _read(context, person, tier, memory_id, when)).answer
    except NotFound:
        return None
    return view
