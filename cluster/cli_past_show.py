"""How the past looks on a terminal: events, memories, changes and chains of causes as lines.

Takes what the HTTP API answers, plain JSON values; what comes from a log directly is put into the
same shape first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.text import Text
from rich.tree import Tree

from cluster.cli_output import one_line

_MARKS = {
    "added": ("+", "green"),
    "changed": ("~", "yellow"),
    "superseded": ("»", "magenta"),
    "merged": ("»", "cyan"),
    "forgotten": ("-", "red"),
    "restored": ("+", "cyan"),
    "removed": ("-", "red"),
}
#: Where the words of a payload, a memory or a message stand, the first that is there.
_WORDS = ("text", "summary", "description", "title", "caption", "content", "query", "output")
_OTHER_WORDS = ("name", "external_id", "reason", "error", "tool", "agent", "job_id")
_IDS = ("message_id", "memory_id")


#: The status of a memory that holds.
ACTIVE = "active"
#: Readings that the tree of `mirix why` shows.
READERS_MAX = 10


def gist(values: Mapping[str, Any]) -> str:
    """Return the words of a payload or an item, on one line; empty when it has none."""
    for inner in ("memory", "profile", "content"):
        if isinstance(values.get(inner), Mapping):
            return gist(values[inner])
    for name in (*_WORDS, *_OTHER_WORDS, *_IDS):
        words = values.get(name)
        if isinstance(words, str) and words:
            subject = values.get("name") if name == "summary" else None
            known = not subject or str(subject) in words
            return one_line(words if known else f"{subject}: {words}")
    return ""


def when(event: Mapping[str, Any]) -> str:
    """Return when an event was recorded, to the second."""
    return str(event["recorded_at"])[:19].replace("T", " ")


def event_text(event: Mapping[str, Any]) -> Text:
    """Return an event on one line: position, time, type, who appended it, its words."""
    return Text.assemble(
        (f"{event['position']}", "bold"),
        (f"  {when(event)}  ", "dim"),
        (str(event["type"]), "cyan"),
        (f" by {event['producer']}", "dim"),
        f"  {gist(event['payload'])}",
    )


def change_lines(change: Mapping[str, Any], where: str) -> list[Text]:
    """Return a change as lines: what and which, then each field that differs."""
    mark, style = _MARKS[change["kind"]]
    before, after = change.get("before") or {}, change.get("after") or {}
    kind, status = change["kind"], after.get("status", ACTIVE)
    # Made and ended between the two moments: it is new, and does not hold any more.
    told = f"{kind}, {status} since" if kind == "added" and status != ACTIVE else kind
    head = Text.assemble(
        (f"{mark} {where} {change['id']}", style),
        f"  {gist(after or before)}",
        (f"  {told}", "dim"),
    )
    if not before or not after:
        return [head]
    fields = change.get("fields") or ()
    return [head, *(_field_line(one, before.get(one), after.get(one)) for one in fields)]


def _field_line(name: str, before: Any, after: Any) -> Text:
    shown = (f"    {name}: ", "dim"), (_shown(before), "red"), " → ", (_shown(after), "green")
    return Text.assemble(*shown)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return gist(value) or one_line(str(dict(value)), 60)
    return "nothing" if value in (None, "", [], {}) else one_line(str(value), 60)


def why_tree(why: Mapping[str, Any]) -> Tree:
    """Return why a memory is there: its first causes, what made it of them, who read it since."""
    memory = why["memory"]
    tree = Tree(
        Text.assemble(
            (f"{memory['tier']} {memory['id']}", "bold"),
            (f" {why['status']}", _status_style(why["status"])),
            f"  {gist(memory)}",
        )
    )
    causes = tree.add(Text("because of", "bold"))
    for node in why["causes"]:
        _add_node(causes, node, memory["id"])
    made = tree.add(Text.assemble(("made by ", "bold"), _maker(why)))
    if why.get("generation"):
        _add_generation(made, why["generation"])
    if why["superseded"]:
        taken = tree.add(Text("in the place of", "bold"))
        for id_ in why["superseded"]:
            taken.add(Text(id_))
    if memory.get("superseded_by"):
        tree.add(Text.assemble(("its place was taken by ", "bold"), memory["superseded_by"]))
    _add_readers(tree, why["read_by"])
    return tree


def _maker(why: Mapping[str, Any]) -> str:
    drawn = {"rules": "by its rules", "client": "as a client asked"}
    how = drawn.get(why["extractor"], f"with {why['extractor']}")
    return f"{why['producer']}, {how}"


def _add_generation(made: Tree, generation: Mapping[str, Any]) -> None:
    payload = generation["payload"]
    made.add(
        Text.assemble(
            (f"{generation['position']} ", "bold"),
            ("generation ", "cyan"),
            f"of {payload.get('model')}, prompt {str(payload.get('prompt_hash'))[:16]}: "
            f"{one_line(str(payload.get('output')))}",
        )
    )


def _add_readers(tree: Tree, entries: Iterable[Mapping[str, Any]]) -> None:
    entries = list(entries)
    if not entries:
        tree.add(Text("nobody has read it since", "dim"))
        return
    told = f"read since, {len(entries)} times" if len(entries) > READERS_MAX else "read since"
    readers = tree.add(Text(told, "bold"))
    if len(entries) > READERS_MAX:
        readers.add(Text(f"the last {READERS_MAX} (--json has all)", "dim"))
    for entry in entries[-READERS_MAX:]:
        line = event_text(entry["event"])
        readers.add(Text.assemble((f"{entry['kind']} ", "green"), line))


def event_trees(nodes: Iterable[Mapping[str, Any]], title: str) -> Tree:
    """Return events and what followed from each, under a title."""
    tree = Tree(Text(title, "bold"))
    for node in nodes:
        _add_node(tree, node, "")
    return tree


def _add_node(parent: Tree, node: Mapping[str, Any], about: str) -> None:
    event = node["event"]
    line = event_text(event)
    if about and about in (event["entity"], _subject(event)):
        line.append("  ←", "bold green")
    branch = parent.add(line)
    for child in node["children"]:
        _add_node(branch, child, about)


def _subject(event: Mapping[str, Any]) -> Any:
    payload = event["payload"]
    return payload.get("memory_id") or (payload.get("memory") or {}).get("id")


def _status_style(status: str) -> str:
    return {"active": "green", "superseded": "magenta", "merged": "cyan"}.get(status, "red")
