"""Events of memory: what was recorded, revised, ended, put in order, revealed."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from events.memory import Content, MemoryDraft, Provenance, Tier, Value
from events.payload import Payload

# --- Memory ---------------------------------------------------------------------------------------


class MemoryRecorded(Payload, frozen=True, kw_only=True):
    """A tier has a new memory."""

    memory: MemoryDraft
    secret_span: tuple[int, int] = (0, 0)


class MemoryRevised(Payload, frozen=True, kw_only=True):
    """A memory now reads as given; it is about the same matter and holds since the same time."""

    tier: Tier
    memory_id: str
    content: Content
    tags: tuple[str, ...] | None = None
    reason: str = ""


class MemorySuperseded(Payload, frozen=True, kw_only=True):
    """A memory stopped holding, at `valid_to` in the world, because another took its place."""

    tier: Tier
    memory_id: str
    superseded_by: str
    valid_to: datetime
    reason: str = ""


class MemoryMerged(Payload, frozen=True, kw_only=True):
    """A memory said the same as another, which says it for both from now on.

    `provenance` is that of the merged one: the other is drawn from those sources, too, as long as
    the merged one is not restored.
    """

    tier: Tier
    memory_id: str
    into: str
    reason: str = ""
    provenance: Provenance = Provenance()


class MemoryRestored(Payload, frozen=True, kw_only=True):
    """A memory that was superseded, merged or forgotten holds again."""

    tier: Tier
    memory_id: str
    reason: str = ""


class MemoryForgotten(Payload, frozen=True, kw_only=True):
    """A memory was taken out of its tier; one that is `restorable` stays there out of sight."""

    tier: Tier
    memory_id: str
    reason: str = ""
    restorable: bool = False


class CoreBlockRewritten(Payload, frozen=True, kw_only=True):
    """A core block passed 90 % of its limit and now shows only these lines, in this order.

    The lines left out stay in the tier and can still be found.
    """

    block: str
    memory_ids: tuple[str, ...]


class MemoryEmbedded(Payload, frozen=True, kw_only=True):
    """A memory's passages got their vectors (float16, little endian), one each, from `model`.

    `vectors` are those of the passages from `first` on. `text_hash` says of which texts, where they
    were embedded later than they were written (`events.memory.texts_hash`): once the memory reads
    otherwise, the vectors are passed over. Empty: of those that the passages have.
    """

    tier: Tier
    memory_id: str
    model: str
    vectors: tuple[bytes, ...]
    first: int = 0
    text_hash: str = ""


class ReembeddingBegun(Payload, frozen=True, kw_only=True):
    """A person is being moved to another embedding model: passages get vectors of both from now on.

    Searches go on with the old ones.
    """

    model: str


class EmbeddingModelSwitched(Payload, frozen=True, kw_only=True):
    """From now on a person's questions are embedded by `model`; the vectors of `previous` are gone.

    Nothing changes where the person was not being moved to that model.
    """

    model: str
    previous: str


class MemoryChangeRequested(Payload, frozen=True, kw_only=True):
    """A client asked a tier's owner to record, revise, forget or restore a memory.

    The owning agent is the only writer of its tier; it answers with what it did or with
    `MemoryChangeRejected`. A revision rests on `expected_revision` and is rejected when the memory
    has another one by then; 0 stands for any.
    """

    tier: Tier
    change: Literal["record", "revise", "forget", "restore"]
    memory_id: str
    content: Content | None = None
    tags: tuple[str, ...] | None = None
    reason: str = ""
    expected_revision: int = 0


class MemoryChangeRejected(Payload, frozen=True, kw_only=True):
    """A requested change could not be made, and why."""

    tier: Tier
    memory_id: str
    request_id: str
    reason: str


class ConsolidationRequested(Payload, frozen=True, kw_only=True):
    """Somebody, or the clock, asked the owners of some tiers to put a person's memory in order.

    `at` is the time against which age is counted; a dry run changes nothing and tells what it
    would change. The limits are those of `actors.consolidation`.
    """

    consolidation_id: str
    tiers: tuple[Tier, ...]
    at: datetime
    dry_run: bool = False
    limits: dict[str, Any] = {}


class ConsolidationStep(Value, frozen=True, kw_only=True):
    """One thing that a consolidation did, or would do, to some memories."""

    change: Literal["merge", "supersede", "forget", "revise"]
    memory_ids: tuple[str, ...]
    into: str = ""
    reason: str = ""


class MemoryConsolidated(Payload, frozen=True, kw_only=True):
    """The owner of a tier put a person's memories in order, or on a dry run said how it would."""

    consolidation_id: str
    tier: Tier
    dry_run: bool
    looked_at: int
    steps: tuple[ConsolidationStep, ...] = ()


class SecretRevealed(Payload, frozen=True, kw_only=True):
    """Somebody read a secret of the vault in clear."""

    memory_id: str
    key_id: str
    reason: str = ""
