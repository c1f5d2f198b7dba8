"""The summary of what no prompt has room for any more: when it is due, of what, how it is asked.

A conversation grows until it passes the window, by count or by size. Then everything but the newer
half of the window goes into the summary, in one go, so that not every answer brings a summary with
it. Until it is there nothing is missing: the window still shows what is about to fall out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from actors.chatting.recalled import fenced
from actors.chatting.tokens import TURN_TOKENS, cut_to, tokens_of
from actors.chatting.wishes import context_tokens, quotes_only
from actors.effects import Generate
from actors.models.port import Turn
from actors.models.settings import ModelSettings
from actors.prompts import conversation_text, prompt
from events.memory import Value
from projections.conversations import Message, Summary

SUMMARY_PROMPT = "chat/summary@1"
#: Tokens that a summary may be; the prompt asks for fewer.
SUMMARY_TOKENS_MAX = 512
#: Of one message, so much is summarised.
MESSAGE_TOKENS_MAX = 500
#: Messages that are looked at; those before them are found by searching alone.
LOOKED_AT_MAX = 400


class SummarySettings(Value, frozen=True, kw_only=True):
    """The window of a conversation, in messages and in tokens, and what a model takes in."""

    window_messages: int
    window_tokens: int
    prompt_tokens: int


def summary_settings(models: ModelSettings) -> SummarySettings | None:
    """Return how conversations are summarised; None: not at all, for want of a model or window."""
    if quotes_only(models) or not models.window_messages:
        return None
    context = context_tokens(models, "")
    return SummarySettings(
        window_messages=models.window_messages,
        window_tokens=context // 4,
        prompt_tokens=context // 2,
    )


class Falling(Value, frozen=True, kw_only=True):
    """The messages that go into the next summary, oldest first, behind the summary before."""

    before: str
    messages: tuple[Message, ...]


def falling(
    latest_first: Iterable[Message], summary: Summary | None, settings: SummarySettings
) -> Falling | None:
    """Return what goes into the next summary; None: the conversation fits into its window.

    Args:
        latest_first: the messages of one conversation, the newest first.
        summary: what was said before them, if that was summarised.
        settings: how large the window is.
    """
    through = summary.through if summary else 0
    open_ = []
    for message in islice(latest_first, LOOKED_AT_MAX):
        if message.position <= through:
            break
        open_.append(message)
    sizes = [_size(message) for message in open_]
    if len(open_) <= settings.window_messages and sum(sizes) <= settings.window_tokens:
        return None
    kept = _kept(sizes, settings)
    messages = _fitting(open_[kept:][::-1], settings.prompt_tokens)
    return Falling(before=summary.text if summary else "", messages=messages) if messages else None


def _kept(sizes: Sequence[int], settings: SummarySettings) -> int:
    """Return how many of the newest stay: half a window, by count and by size, at least one."""
    kept = tokens = 0
    for size in sizes[: max(settings.window_messages // 2, 1)]:
        tokens += size
        if kept and tokens > settings.window_tokens // 2:
            break
        kept += 1
    return kept


def _fitting(messages: Sequence[Message], tokens: int) -> tuple[Message, ...]:
    """Return the oldest that one prompt has room for; the others have their turn next time."""
    fitting: list[Message] = []
    for message in messages:
        tokens -= min(_size(message), MESSAGE_TOKENS_MAX)
        if tokens < 0 and fitting:
            break
        fitting.append(message)
    return tuple(fitting)


def _size(message: Message) -> int:
    return TURN_TOKENS + tokens_of(message.content)


def summary_asked(fallen: Falling) -> Generate:
    """Return the request for a summary."""
    lines = (cut_to(conversation_text((one,)), MESSAGE_TOKENS_MAX) for one in fallen.messages)
    told = fenced("\n".join(lines))
    before = fenced(fallen.before) or "(none yet)"
    return Generate(
        purpose="summary",
        prompt=SUMMARY_PROMPT,
        turns=(
            Turn(role="system", content=prompt(SUMMARY_PROMPT).text),
            Turn(
                role="user",
                content=f"<earlier>\n{before}\n</earlier>\n\n<messages>\n{told}\n</messages>",
            ),
        ),
        max_tokens=SUMMARY_TOKENS_MAX,
    )
