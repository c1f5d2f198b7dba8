"""What an agent decides, as data: the shell runs it, tests read it.

`decide(event) -> list[Effect]` is pure; everything that needs a key, a model, the index or a tool
is an effect. The ids of what follows are derived from (agent, cause, ordinal), so that deciding the
same cause again gives the same effects.
"""

from __future__ import annotations

from typing import Any

from actors.models.port import OutputSchema, Purpose, Turn
from events.catalogue import MessageReceived, Payload
from events.envelope import Event
from events.ids import derived_id
from events.memory import Content, MemoryDraft, Tier, Value


class Append(Value, frozen=True, kw_only=True):
    """Append this payload as it is."""

    payload: Payload


class Keep(Value, frozen=True, kw_only=True):
    """Record a memory: seal its secret if it has one, embed its passages, append both.

    `secret_span` is where the secret stands in the message that it came from, in characters.
    """

    draft: MemoryDraft
    secret: str = ""
    secret_span: tuple[int, int] = (0, 0)


class Revise(Value, frozen=True, kw_only=True):
    """Give a memory new content, and new vectors. An empty `secret` leaves a vault secret as is."""

    tier: Tier
    memory_id: str
    content: Content
    tags: tuple[str, ...] | None = None
    secret: str = ""
    reason: str = ""


class EmbedMessage(Value, frozen=True, kw_only=True):
    """Give a message its vector of a model; an empty name is the system's own."""

    message_id: str
    text: str
    model: str = ""


class EmbedMemory(Value, frozen=True, kw_only=True):
    """Give passages of a memory, from `first` on, their vectors of a model as well."""

    tier: Tier
    memory_id: str
    texts: tuple[str, ...]
    first: int
    model: str


class Answer(Value, frozen=True, kw_only=True):
    """Answer a message from what the memory holds, telling the listeners while it is made."""

    message: MessageReceived


class CallTool(Value, frozen=True, kw_only=True):
    """Call a tool and record what came of it."""

    call_id: str
    tool: str
    arguments: dict[str, Any] = {}


class Generate(Value, frozen=True, kw_only=True):
    """Ask a language model; the decider goes on with what it said, or failed with, in `resume`.

    `prompt` names the file and version of the prompt. With a `window`, the shell puts a turn behind
    the first one: the last so many messages of `conversation` before the cause, and its summary.
    `attempt` counts the decider's own tries at one matter, from 1. Long texts are asked about in
    parts: `part` counts them from 0, `heard` holds the outputs of the parts before (empty where
    there was none that could be used). `about` are the memories that the dialogue shows, by their
    numbers from 1: so an output is understood as it was meant, whatever has changed meanwhile.
    """

    purpose: Purpose
    prompt: str
    turns: tuple[Turn, ...]
    conversation: str = ""
    window: int = 0
    output: OutputSchema | None = None
    max_tokens: int = 1024
    temperature: float = 0.0
    attempt: int = 1
    part: int = 0
    heard: tuple[str, ...] = ()
    about: tuple[tuple[str, ...], ...] = ()


Effect = Append | Keep | Revise | EmbedMessage | EmbedMemory | Answer | CallTool | Generate

#: Effects that may take long: nothing but their own lane waits for them.
Reaching = Answer | CallTool | Generate


def memory_id(agent: str, cause: Event, ordinal: int) -> str:
    """Return the id of the `ordinal`-th memory that `agent` draws from `cause`."""
    return derived_id("mem", agent, cause.id, ordinal)
