"""Step through one user's past: fold event by event, forward and back, and see what changed.

Nothing is written anywhere. Going back restores the nearest checkpoint (a snapshot of the
projections in memory) and folds the few events after it, not the log from its start.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Literal, NamedTuple

import msgspec

from actors.extraction import find_secrets
from actors.names import AGENTS, Agent
from actors.past.breakpoints import Break
from actors.rebuilding import empty_projection
from events.envelope import Event
from events.errors import CommandRejected
from events.journal import EventReader
from events.memory import Value
from projections.base import Projection, apply_or_skip
from projections.conversations import ConversationsProjection
from projections.plain import held, plain_item, plain_state
from projections.retrieval.passage import CONVERSATION, blotted
from projections.retrieval_projection import RetrievalProjection
from projections.tiers import TierProjection, concerned_tier

#: Events between two checkpoints at least, before any has been thinned out; a large state is kept
#: more rarely, so that keeping it costs no more than folding does.
CHECKPOINT_EVENTS = 64
_BYTES_AN_EVENT = 16 * 1024
#: Bounds on the checkpoints that are kept; past either, every second one is dropped.
CHECKPOINTS_MAX = 32
CHECKPOINT_BYTES_MAX = 256 * 1024 * 1024

#: What a projection holds of the user: its items by id, as plain JSON values.
Items = Mapping[str, dict[str, Any]]


class ItemChange(Value, frozen=True, kw_only=True):
    """An item of a projection that a step added, changed or removed; `fields` differ."""

    projection: str
    id: str
    kind: Literal["added", "changed", "removed"]
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    fields: tuple[str, ...] = ()


class _Checkpoint(NamedTuple):
    position: int
    parts: tuple[Mapping[str, bytes], ...]
    size_bytes: int


class Stepper:
    """Stands at a position of a user's past. Opened by `open_stepper`.

    A step is an event of the user; with a single projection, one that this projection folds in.
    """

    def __init__(
        self,
        reader: EventReader,
        user: str,
        projections: Sequence[Projection],
        *,
        end: int,
        checkpoint_events: int,
    ) -> None:
        self.reader = reader
        self.user = user
        self.end = end
        self.position = 0
        #: The last event of the user up to `position`, what it changed, and why it could not.
        self.event: Event | None = None
        self.changes: tuple[ItemChange, ...] = ()
        self.error = ""
        self._projections = tuple(projections)
        self._spacing = checkpoint_events
        self._checkpoints: list[_Checkpoint] = []
        self._due = checkpoint_events
        # Positions of the user's events, and of the steps among them, as far as they are known.
        self._events = array("Q")
        self._steps = array("Q")

    async def forward(self, count: int = 1) -> int:
        """Go `count` steps on, or to the end; return how many there were."""
        left = count

        def is_last(event: Event) -> bool:
            nonlocal left
            left -= self._is_step(event)
            return left <= 0

        await self._fold(self.end, is_last)
        return count - left

    async def back(self, count: int = 1) -> int:
        """Go `count` steps back, or to the beginning; return how many there were."""
        here = self.event.position if self.event else 0
        before = bisect_left(self._steps, here)
        await self.goto(self._steps[before - count] if before >= count else 0)
        # To leave the first step is a step too, to where there is nothing yet.
        return min(count, before + bool(here))

    async def goto(self, position: int) -> None:
        """Go to a position: the state is that after the event there.

        Raises:
            CommandRejected: the log has no such position.
        """
        if not 0 <= position <= self.end:
            raise CommandRejected(
                f"there is no position {position} in shard {self.reader.shard}; "
                f"it ends at {self.end}: go to 0 to {self.end}"
            )
        known = bisect_right(self._events, position)
        # From before the last event there, so that what it changed is seen.
        checkpoint = self._checkpoint_before(self._events[known - 1] if known else 0)
        if self.position > position or (checkpoint and checkpoint.position > self.position):
            self._restore(checkpoint)
        await self._fold(position, lambda event: False)

    async def proceed(self, breaks: Sequence[Break]) -> Break | None:
        """Go on to the next event at which a break holds, and return it; else to the end."""
        found: list[Break] = []

        def stops(event: Event) -> bool:
            found.extend(one for one in breaks if one.holds(event))
            return bool(found)

        await self._fold(self.end, stops)
        return found[0] if found else None

    @property
    def projection_names(self) -> tuple[str, ...]:
        """The projections that are folded, by name."""
        return tuple(one.name for one in self._projections)

    def state(self) -> dict[str, Items]:
        """Return what each projection holds of the user, by its name."""
        return {
            one.name: {
                id_: without_secrets(one, item) for id_, item in plain_state(one, self.user).items()
            }
            for one in self._projections
        }

    async def _fold(self, until: int, is_last: Callable[[Event], bool]) -> None:
        """Fold in the user's events after `position`, up to the last one or to `until`.

        Only of the event that it ends with is it worked out what changed.
        """
        pending: Event | None = None
        events = self.reader.read(after=self.position, until=until, user=self.user)
        async with aclosing(events):
            async for event in events:
                if pending is not None:
                    self._apply(pending)
                pending = event
                if is_last(event):
                    until = event.position
                    break
        if pending is not None:
            self._apply_and_compare(pending)
        self.position = until

    def _apply(self, event: Event) -> None:
        errors = [
            apply_or_skip(one, event)
            for one in self._projections
            if event.envelope.type in one.kinds
        ]
        self.error = "; ".join(str(error) for error in errors if error is not None)
        self.event, self.changes, self.position = event, (), event.position
        if not self._events or self._events[-1] < event.position:
            self._events.append(event.position)
            if self._is_step(event):
                self._steps.append(event.position)
        self._keep_checkpoint()

    def _apply_and_compare(self, event: Event) -> None:
        touched = [one for one in self._projections if event.envelope.type in one.kinds]
        before = [held(one, self.user) for one in touched]
        self._apply(event)
        self.changes = tuple(
            change
            for one, old in zip(touched, before, strict=True)
            for change in changed_items(one, old, held(one, self.user))
        )

    def _is_step(self, event: Event) -> bool:
        if len(self._projections) > 1:
            return True
        (only,) = self._projections
        if isinstance(only, TierProjection):
            return concerned_tier(event) == only.tier
        return event.envelope.type in only.kinds

    def _keep_checkpoint(self) -> None:
        at = bisect_right(self._events, self.position)
        if at < self._due:
            return
        parts = tuple(one.snapshot() for one in self._projections)
        size = sum(len(part) for one in parts for part in one.values())
        self._checkpoints.append(_Checkpoint(self.position, parts, size))
        while self._checkpoints and self._is_too_much():
            # Every second one, so that those that stay are spread over the whole way.
            self._checkpoints = self._checkpoints[1::2]
            self._spacing *= 2
        self._due = at + max(self._spacing, size // _BYTES_AN_EVENT)

    def _is_too_much(self) -> bool:
        size = sum(one.size_bytes for one in self._checkpoints)
        return len(self._checkpoints) > CHECKPOINTS_MAX or size > CHECKPOINT_BYTES_MAX

    def _checkpoint_before(self, position: int) -> _Checkpoint | None:
        at = bisect_left(self._checkpoints, position, key=lambda one: one.position)
        return self._checkpoints[at - 1] if at else None

    def _restore(self, checkpoint: _Checkpoint | None) -> None:
        """Go to a checkpoint, or to where there is nothing yet."""
        for number, projection in enumerate(self._projections):
            projection.restore(checkpoint.parts[number] if checkpoint else {})
        self.position = checkpoint.position if checkpoint else 0
        self.event, self.changes, self.error = None, (), ""


async def open_stepper(
    reader: EventReader,
    user: str,
    agents: Sequence[Agent] = AGENTS,
    *,
    end: int | None = None,
    checkpoint_events: int = CHECKPOINT_EVENTS,
) -> Stepper:
    """Return a stepper at the beginning of a user's past; it ends at `end` or where the log does.

    Args:
        reader: the log, a backup of it or an exported file.
        user: the opaque id.
        agents: those whose projections are folded.
        end: the last position to go to.
        checkpoint_events: events between two checkpoints, at least.
    """
    last = await reader.last_position()
    projections = [empty_projection(agent) for agent in agents]
    return Stepper(
        reader,
        user,
        projections,
        end=last if end is None else min(end, last),
        checkpoint_events=checkpoint_events,
    )


def changed_items(
    projection: Projection,
    before: Mapping[str, msgspec.Struct],
    after: Mapping[str, msgspec.Struct],
) -> list[ItemChange]:
    """Return what differs between what a projection held and holds, in the order of its items."""
    changes: list[ItemChange] = []
    for id_ in {**before, **after}:
        was, now = before.get(id_), after.get(id_)
        if was is now or was == now:
            continue
        kind: Literal["added", "changed", "removed"] = (
            "added" if was is None else "removed" if now is None else "changed"
        )
        old, new = (None if one is None else plain_item(one) for one in (was, now))
        changes.append(
            ItemChange(
                projection=projection.name,
                id=id_,
                kind=kind,
                before=old and without_secrets(projection, old),
                after=new and without_secrets(projection, new),
                fields=_differing(old, new) if old and new else (),
            )
        )
    return changes


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(name for name in {**old, **new} if old.get(name) != new.get(name))


def without_secrets(projection: Projection, item: dict[str, Any]) -> dict[str, Any]:
    """Return an item as it may be shown: what was said has its secrets blotted out.

    The index does so itself from the moment that a secret is in the vault, not before.
    """
    match projection:
        case ConversationsProjection():
            spans = tuple((start, end) for start, end in item.get("secret_spans", ()))
            words = {"content", "partial", "text"}  # of messages, broken answers, summaries
        case RetrievalProjection() if item.get("tier") == CONVERSATION:
            spans, words = (), {"text"}
        case _:
            return item
    said = {name: text for name, text in item.items() if name in words and text}
    return {
        **item,
        **{name: blotted(text, (*spans, *find_secrets(text))) for name, text in said.items()},
    }
