"""How many tokens a text has, roughly: for budgets, before a provider has counted."""

from __future__ import annotations

import re

from actors.models.port import GenerationRequest
from events.catalogue import Usage

#: Tokens that a turn costs beside its text.
_TURN_TOKENS = 4
#: English has about four characters a token, Chinese about one.
_CHARACTERS_A_TOKEN = 4
_WIDE = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a text has."""
    wide = len(_WIDE.findall(text))
    return wide + -(-(len(text) - wide) // _CHARACTERS_A_TOKEN)


def estimated_usage(request: GenerationRequest, output: str) -> Usage:
    """Return about what a request and what came of it use."""
    texts = [turn.content for turn in request.turns]
    texts += [call.arguments for turn in request.turns for call in turn.tool_calls]
    prompt = sum(map(estimated_tokens, texts)) + _TURN_TOKENS * len(request.turns)
    return Usage(prompt_tokens=prompt, completion_tokens=estimated_tokens(output))


def spent(usage: Usage) -> int:
    """Return the tokens that count against a budget."""
    return usage.prompt_tokens + usage.completion_tokens
