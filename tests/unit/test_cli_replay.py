"""`mirix replay`: a plain run that prints and ends, and the commands on a terminal."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from actors.past.breakpoints import parse_break
from actors.past.stepping import Stepper, open_stepper
from cluster.cli import main
from cluster.cli_replay_shell import ReplayShell
from events.exported import ExportedEvents, write_events
from tests.unit.fakes.remembered import LINES, SECRET, remembered_log

ROOT = Path(__file__).parents[2]
ANSWER_S_MAX = 60.0


async def _export(path: Path, user: str) -> int:
    journal = await remembered_log()
    with path.open("wb") as file:
        await write_events(journal, file, user=user)
    return await journal.last_position()


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A file of one person's events, and where the log ended."""
    path = tmp_path_factory.mktemp("exported") / "ann.jsonl"
    return path, asyncio.run(_export(path, "usr_ann"))


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[Any]:
    assert main(["replay", "--json", *arguments]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_plain_run_prints_the_state_at_the_end(
    events: tuple[Path, int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal it shows what is held at `--to`, and ends."""
    path, end = events

    (now,) = run_json(capsys, "--from-file", str(path))
    (then,) = run_json(capsys, "--from-file", str(path), "--to", "1", "--projection", "core")
    assert main(["replay", "--from-file", str(path)]) == 0
    shown = capsys.readouterr().out

    assert now["position"] == end
    assert len(now["state"]["conversations"]) == len(LINES)
    assert {one["status"] for one in now["state"]["core"].values()} == {"active", "superseded"}
    assert then == {"position": 1, "state": {"core": {}}}
    assert "I moved to Porto." in shown
    assert SECRET not in shown + json.dumps(now)


def test_user_is_named_when_nothing_is_held(
    events: tuple[Path, int], capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt name has no past; who is known may not have had one then."""
    asked = ["replay", "--from-file", str(events[0]), "--user", "usr_ann", "--to", "2020-01-01"]

    assert main(asked) == 0

    told = capsys.readouterr().err
    assert "nothing is held for user usr_ann; --user says whose memory" in " ".join(told.split())


def test_breaks_are_shown_one_by_one_between_two_moments(
    events: tuple[Path, int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each hit has its event and what it changed; the moments bound them."""
    path, end = events
    where = ("--from-file", str(path), "--user", "usr_ann")
    wanted = ("--break", "type=MemorySuperseded", "--break", 'tier == "episodic"')

    hits = run_json(capsys, *where, *wanted)
    superseded = next(one for one in hits if one["break"] == "type=MemorySuperseded")
    at = superseded["position"]
    later = run_json(capsys, *where, *wanted, "--from", str(at), "--to", str(end))
    none = run_json(capsys, *where, *wanted, "--to", "2020-01-01")
    assert main(["replay", *where, *wanted]) == 0
    shown = capsys.readouterr().out

    assert superseded["event"]["type"] == "MemorySuperseded"
    (change,) = [one for one in superseded["changes"] if one["projection"] == "core"]
    assert (change["before"]["status"], change["after"]["status"]) == ("active", "superseded")
    assert {one["break"] for one in later} == {'tier == "episodic"'}
    assert none == []
    assert "status: active → superseded" in shown
    assert f"{len(hits)} hits up to position {end}" in shown


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--to", "99999"], "there is no position 99999"),
        (["--from", "99999"], "there is no position 99999"),
        (["--from", "50", "--to", "3"], "--from is position 50, after --to at 3"),
        (["--to", "soon"], "is no moment"),
        (["--from", "-1"], "is no moment"),
        (["--user", "bob"], "there is nothing of user bob"),
        (["--user", "usr_bob"], "there is nothing of user usr_bob"),
        (["--break", "type=MemorySupersede"], "did you mean MemorySuperseded?"),
        (["--break", "__import__('os')"], "nothing is called here"),
        (["--break", "tier == "], "column 9: invalid syntax"),
        (["--break", ""], "a break is empty"),
        (["--projection", "dreams"], "dreams is no projection"),
        (["--keys-from", "keys"], "keys are for a backup"),
        (["--from-backup", "nowhere"], "one of them is enough"),
    ],
)
@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_wrong_use_is_one_line(
    events: tuple[Path, int],
    arguments: list[str],
    told: str,
    as_json: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit status 2, nothing on stdout, and the line says what is wrong."""
    assert main(["replay", "--from-file", str(events[0]), *arguments, *as_json]) == 2

    printed = capsys.readouterr()
    assert told in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_damaged_file_is_told_with_its_line(
    events: tuple[Path, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be read is not the fault of the command: exit status 1."""
    lines = events[0].read_bytes().splitlines(keepends=True)
    lines[5] = lines[5][:40] + b"\n"
    damaged = tmp_path / "damaged.jsonl"
    damaged.write_bytes(b"".join(lines))
    damaged_before = damaged.read_bytes()

    assert main(["replay", "--from-file", str(damaged)]) == 1
    assert "damaged.jsonl line 6: not an event" in capsys.readouterr().err
    assert damaged.read_bytes() == damaged_before
    assert main(["replay", "--from-file", str(tmp_path / "none")]) == 2


def shell_over(path: Path, *breaks: str) -> tuple[ReplayShell, Stepper]:
    def wait(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run(work)

    stepper = wait(open_stepper(ExportedEvents.open(path), "usr_ann"))
    shell = ReplayShell(
        stepper, [parse_break(text) for text in breaks], wait, stdin=io.StringIO("")
    )
    return shell, stepper


def test_empty_line_repeats_no_unknown_command(
    events: tuple[Path, int], capsys: pytest.CaptureFixture[str]
) -> None:
    """It would be told a second time that there is none."""
    shell, stepper = shell_over(events[0])

    for line in ("next", "", "nxt", ""):
        shell.onecmd(line)

    assert stepper.position == 2
    assert capsys.readouterr().err.count("nxt is no command") == 1


def test_shell_names_whose_past_it_is(
    events: tuple[Path, int], capsys: pytest.CaptureFixture[str]
) -> None:
    """As the client does; the opaque id where nothing else is known."""
    shell, stepper = shell_over(events[0])

    shell.preloop()
    ReplayShell(stepper, [], shell._wait, "ann").preloop()

    opaque, named = capsys.readouterr().out.splitlines()
    assert opaque.startswith("the past of usr_ann, position 0 of ")
    assert named.startswith("the past of ann, position 0 of ")


def test_commands_walk_the_past(
    events: tuple[Path, int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Forward, back, goto, continue, and what each shows."""
    shell, stepper = shell_over(events[0], "type=MemorySuperseded")

    for line, position, told in (
        ("next", 1, "+ conversations msg_0  I live in Lisbon.  added"),
        ("back", 0, "nothing has happened yet"),
        ("back", 0, "nothing has happened yet"),
        ("c", None, "status: active → superseded"),
    ):
        assert not shell.onecmd(line)
        assert told in capsys.readouterr().out
        assert position in (None, stepper.position)
    at = stepper.position
    for line, told in (
        ("diff", "superseded_by: nothing →"),
        ("event", '"type": "MemorySuperseded"'),
        ("state core", "superseded"),
        ("n 3", ""),
        ("b 3", "MemorySuperseded by core_memory"),
        ("goto 1", "MessageReceived"),
        (f"g {at}", "status: active → superseded"),
        ("breaks", "1  type=MemorySuperseded"),
        ("break tier=episodic", "2  tier=episodic"),
        ("c", "[tier=episodic]"),
        ("unbreak 2", "1 break"),
        ("goto 2020-01-01T00:00:00Z", "nothing has happened yet"),
        ("n 100000", f"the end, position {stepper.end}"),
        ("c", "no further break"),
        ("help", "go on to the next break"),
    ):
        assert not shell.onecmd(line)
        assert told in capsys.readouterr().out, line
    assert shell.onecmd("quit")
    assert shell.onecmd("EOF")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("nxt", "did you mean next?"),
        ("import os", "help lists them"),
        ("!ls", "help lists them"),
        ("next x", "no number"),
        ("next 0", "no number"),
        ("back 99999999999999", "no number"),
        ("goto", "needs a position"),
        ("goto 99999", "ends at"),
        ("goto soon", "is no moment"),
        ("break tier=cores", "did you mean core?"),
        ("break", "a break is empty"),
        ("unbreak 3", "there is no break 3"),
        ("state dreams", "no projection here"),
    ],
)
def test_wrong_command_is_told_and_the_next_one_works(
    events: tuple[Path, int], line: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on stderr; nobody is thrown out."""
    shell, stepper = shell_over(events[0])
    shell.onecmd("next")
    capsys.readouterr()

    assert not shell.onecmd(line)

    printed = capsys.readouterr()
    assert told in printed.err
    assert printed.err.count("\n") == 1
    assert stepper.position == 1


def test_interrupt_ends_the_command_alone(
    events: tuple[Path, int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Ctrl-C in a long walk leaves one where the walk has come to."""
    shell, _ = shell_over(events[0])

    def interrupted(work: Coroutine[Any, Any, Any]) -> Any:
        work.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(shell, "_wait", interrupted)
    assert not shell.onecmd("continue")
    assert "interrupted at position 0" in capsys.readouterr().err


class Terminal:
    """A terminal with `mirix replay` on it."""

    def __init__(self, *arguments: str) -> None:
        self._own, theirs = pty.openpty()
        command = [sys.executable, "-m", "cluster.cli", "replay", *arguments]
        environment = {**os.environ, "TERM": "dumb", "COLUMNS": "200"}
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, env=environment
        )
        os.close(theirs)
        self._shown = b""

    def shows(self, text: str) -> bool:
        """Wait until a text has been shown; what came before it is forgotten."""
        wanted, end_s = text.encode(), time.monotonic() + ANSWER_S_MAX
        while wanted not in self._shown and time.monotonic() < end_s:
            if select.select([self._own], [], [], 0.1)[0]:
                try:
                    self._shown += os.read(self._own, 65536)
                except OSError:  # they have closed their side
                    break
        found = wanted in self._shown
        self._shown = self._shown.partition(wanted)[2]
        return found

    def type(self, line: str) -> None:
        os.write(self._own, line.encode())


def test_terminal_takes_commands(events: tuple[Path, int]) -> None:
    """The whole of it: a prompt, commands, Ctrl-C, the end of input, exit status 0."""
    terminal = Terminal("--from-file", str(events[0]), "--from", "1")
    try:
        assert terminal.shows("position 1 of")
        assert terminal.shows("replay> ")
        terminal.type("break type=MemorySuperseded\n")
        assert terminal.shows("1 break")
        terminal.type("continue\n")
        assert terminal.shows("status: active → superseded")
        terminal.type("back\n")
        assert terminal.shows("MemoryEmbedded")
        # Before the prompt is back the terminal edits lines itself, and Ctrl-D would be lost.
        assert terminal.shows("replay> ")
        terminal.type("\x04")
        assert terminal.process.wait(ANSWER_S_MAX) == 0
    finally:
        terminal.process.kill()


def test_terminal_is_told_what_was_asked_wrongly(events: tuple[Path, int]) -> None:
    """What cannot be opened ends the command before it takes any."""
    terminal = Terminal("--from-file", str(events[0]), "--user", "bob")
    try:
        assert terminal.shows("there is nothing of user bob")
        assert terminal.process.wait(ANSWER_S_MAX) == 2
    finally:
        terminal.process.kill()
