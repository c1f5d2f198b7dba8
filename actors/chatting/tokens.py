"""How much of a model's context a text takes: an estimate that needs no tokenizer.

A third of the UTF-8 bytes, rounded up: a token for each Chinese character (tokenizers of today need
0.6 to 1.1), one for three letters of English (they need one for four or more), two for an emoji. So
an estimate is rather too large than too small, and no provider's tokenizer has to be at hand.
"""

from __future__ import annotations

from collections.abc import Iterable

from actors.models.port import ToolOffered, Turn

#: UTF-8 bytes to a token.
BYTES_A_TOKEN = 3
#: What a chat template puts around a turn.
TURN_TOKENS = 6


def tokens_of(text: str) -> int:
    """Return about how many tokens a text is."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    return -(-size // BYTES_A_TOKEN)


def tokens_of_turns(turns: Iterable[Turn]) -> int:
    """Return about how many tokens turns of a dialogue are."""
    return sum(
        TURN_TOKENS
        + tokens_of(turn.content)
        + sum(tokens_of(call.name) + tokens_of(call.arguments) for call in turn.tool_calls)
        for turn in turns
    )


def tokens_of_tools(tools: Iterable[ToolOffered]) -> int:
    """Return about how many tokens the descriptions of tools are."""
    return sum(
        TURN_TOKENS + tokens_of(tool.name + tool.description + repr(tool.input_schema))
        for tool in tools
    )


def cut_to(text: str, tokens: int) -> str:
    """Return the beginning of a text, with an ellipsis where something is left out.

    Args:
        text: what may be too long.
        tokens: what it may be at most; nothing is left of it when that is none.
    """
    if tokens_of(text) <= tokens:
        return text
    if tokens <= 1:
        return ""
    kept = text.encode("utf-8", "replace")[: (tokens - 1) * BYTES_A_TOKEN]
    return f"{kept.decode('utf-8', 'ignore').rstrip()}…"
