"""A language model that knows the answers: an OpenAI-compatible server over a file of gold cases.

It finds the case by the text in the prompt and answers the tier's schema with what the case expects
of that tier, so an extraction that goes through it scores 1.0 if everything between the message and
the memory is exact. Run it beside a system:

    python -m tests.scripted_model --gold cases.jsonl --port 8123
"""

from __future__ import annotations

import argparse
import json
import re
import threading
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from actors.extraction.finding import Utterance
from actors.extraction.language import sentences
from actors.extraction.masking import Masked, dotted
from actors.extraction.material import Material, cut
from actors.extraction.reading import Reading
from actors.extraction.steps import steps_of

MODEL = "scripted"
NOTHING = '{"memories":[]}'
#: What it says to whoever asks for no memories.
SMALL_TALK = "I only know what the gold cases expect."
_TEXT = re.compile(r"⟦text⟧\n(.*?)\n⟦end of text⟧", re.DOTALL)
_TIER = re.compile(r"^# Tier: (\w+)$", re.MULTILINE)
_LINK = re.compile(r"https?://[\w./?=&%#-]+")

Case = Mapping[str, Any]
Message = Mapping[str, Any]


def read_gold(path: Path) -> list[dict[str, Any]]:
    """Return the cases of a JSONL file (`extraction_format.md`)."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def material_of_case(case: Case) -> Material:
    """Return a case as it is said by a person."""
    said_at = datetime.fromisoformat(case["recorded_at"])
    return Material(text=case["message"], said_at=said_at, speaker="user", conversation="gold")


class Script:
    """What to say to which dialogue."""

    def __init__(self, cases: Iterable[Case]) -> None:
        self._cases: dict[str, tuple[Case, Masked]] = {}
        self._prefixes: set[str] = set()
        for case in cases:
            parts = cut(material_of_case(case))
            self._cases[parts.pieces[0]] = (case, parts.masked)

    def reply(self, messages: Sequence[Message]) -> str:
        """Return the answer to a dialogue of OpenAI's message objects."""
        turns = [str(message.get("content") or "") for message in messages]
        tier = _TIER.search(turns[-1]) if turns else None
        if tier is None:
            return SMALL_TALK
        text = _TEXT.search("\n".join(turns))
        case, masked = self._cases.get(text[1] if text else "", ({}, Masked(shown="")))
        items = [
            item_of(expected, case, masked)
            for expected in case.get("expect", ())
            if expected["tier"] == tier[1]
        ]
        return json.dumps({"memories": items}, ensure_ascii=False)

    def usage(self, messages: Sequence[Message], output: str) -> dict[str, Any]:
        """Return token counts, four characters a token; turns that it read before are cached."""
        turns = [str(message.get("content") or "") for message in messages]
        prefixes = ["\x1e".join(turns[:count]) for count in range(1, len(turns) + 1)]
        cached = max((tokens(one) for one in prefixes if one in self._prefixes), default=0)
        self._prefixes.update(prefixes)
        prompt, completion = tokens(prefixes[-1]), tokens(output)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": cached},
        }


def tokens(text: str) -> int:
    """Return a made-up count of tokens."""
    return (len(text) + 3) // 4


def item_of(expected: Mapping[str, Any], case: Case, masked: Masked) -> dict[str, Any]:
    """Return the memory that a case expects, as the tier's schema has it."""
    text = dotted(_told(masked.shown, expected["must"]))
    replaced = expected.get("replaces") or []
    old = [replaced] if isinstance(replaced, str) else list(replaced)
    item: dict[str, Any] = {
        "action": "add",
        "about": [],
        "reason": "",
        "key": "_".join(expected["must"]),
        "importance": 0.7,
        "since": "",
        "replaces": [_placeholder(masked, words) for words in old],
    }
    first, _, last = str(expected.get("occurred_at") or "").partition("/")
    match expected["tier"]:
        case "core":
            return item | {"block": "human", "text": text}
        case "episodic":
            return item | {
                "event_type": "event",
                "summary": text,
                "details": "",
                "actor": "user",
                "occurred_at": first,
                "occurred_until": last,
            }
        case "semantic":
            return item | {"name": expected["must"][0], "summary": text, "details": ""}
        case "procedural":
            steps = _steps(case, int(expected.get("steps") or 1))
            return item | {"entry_type": "guide", "description": text, "steps": steps}
        case "resource":
            link = _LINK.search(text)
            return item | {
                "title": expected["must"][0],
                "summary": text,
                "resource_type": "link" if link else "document",
                "uri": link[0] if link else "",
            }
        case _:
            return item | {
                "entry_type": "credential",
                "sensitivity": "high",
                "caption": text.replace(expected["secret"], "•••"),
                "secret": _placeholder(masked, expected["secret"]),
            }


def _told(shown: str, musts: Sequence[str]) -> str:
    """Return the sentences that hold the words that a memory must contain."""
    pieces = [piece.text for piece in sentences(shown)]
    held = [text for text in pieces if any(must in text.lower() for must in musts)]
    told = " ".join(" ".join(held).split())
    whole = " ".join(shown.split())
    return told if all(must in told.lower() for must in musts) else whole


def _placeholder(masked: Masked, value: str) -> str:
    """Return the placeholder of a value; the value itself where nothing hides it."""
    hidden = (one for one in masked.hidden if one.value.lower() == value.lower())
    return next((one.placeholder for one in hidden), value)


def _steps(case: Case, count: int) -> list[str]:
    said_at = datetime.fromisoformat(case["recorded_at"])
    found = steps_of(Reading(Utterance(text=case["message"], said_at=said_at)))
    if found is not None and len(found.steps) == count:
        return [dotted(step) for step in found.steps]
    return [f"({number})" for number in range(1, count + 1)]


# --- Over HTTP ------------------------------------------------------------------------------------


def app_of(script: Script) -> Starlette:
    """Return the server's application."""

    async def complete(request: Request) -> Response:
        asked = await request.json()
        output = script.reply(asked["messages"])
        usage = script.usage(asked["messages"], output)
        if asked.get("stream"):
            wanted = (asked.get("stream_options") or {}).get("include_usage", False)
            told = _told_in_pieces(output, usage if wanted else None)
            return StreamingResponse(told, media_type="text/event-stream")
        message = {"role": "assistant", "content": output}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return JSONResponse(_envelope("chat.completion", [choice]) | {"usage": usage})

    async def models(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    return Starlette(
        routes=[
            Route("/v1/chat/completions", complete, methods=["POST"]),
            Route("/v1/models", models),
        ]
    )


async def _told_in_pieces(output: str, usage: Mapping[str, Any] | None) -> AsyncIterator[str]:
    pieces = [output[at : at + 40] for at in range(0, len(output), 40)]
    deltas: list[tuple[dict[str, str], str | None]] = [({"content": one}, None) for one in pieces]
    for delta, finish in [({"role": "assistant"}, None), *deltas, ({}, "stop")]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        yield _line(_envelope("chat.completion.chunk", [choice]))
    if usage is not None:
        yield _line(_envelope("chat.completion.chunk", []) | {"usage": usage})
    yield "data: [DONE]\n\n"


def _envelope(kind: str, choices: list[Any]) -> dict[str, Any]:
    return {"id": "gold", "object": kind, "created": 0, "model": MODEL, "choices": choices}


def _line(payload: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(payload, ensure_ascii=False)}\n\n"


class ScriptedServer(AbstractContextManager["ScriptedServer"]):
    """The server on a thread of its own, as long as the context lasts; `url` ends in /v1."""

    def __init__(self, cases: Iterable[Case], port: int = 0) -> None:
        config = uvicorn.Config(
            app_of(Script(cases)), host="127.0.0.1", port=port, log_level="warning"
        )
        self._server = uvicorn.Server(config)
        self._socket = config.bind_socket()
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)


def main() -> None:
    """Serve a gold file until interrupted."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--gold", type=Path, required=True)
    parser.add_argument("--port", type=int, default=8123)
    options = parser.parse_args()
    script = Script(read_gold(options.gold))
    uvicorn.run(app_of(script), host="127.0.0.1", port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
