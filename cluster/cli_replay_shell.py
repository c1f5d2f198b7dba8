"""The commands of `mirix replay` on a terminal: a line in, what the step shows out.

Lines are read on the main thread, so that Ctrl-C means what it does elsewhere; the log is read on a
thread of its own, whose event loop stays awake while somebody thinks.
"""

from __future__ import annotations

import asyncio
import cmd
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

from rich.text import Text

from actors.past.breakpoints import Break, parse_break
from actors.past.moments import Moments
from actors.past.stepping import Stepper
from cluster.cli_output import counted, err, out, quiet_logs
from cluster.cli_replay_show import show_changes, show_event, show_state, show_step
from events.errors import CommandRejected
from events.hints import hint
from events.moments import moment_of

Result = TypeVar("Result")
#: Runs a coroutine to its end and returns what it returned.
Wait = Callable[[Coroutine[Any, Any, Any]], Any]

STEPS_MAX = 1_000_000
#: How long the thread that reads gets to end, in seconds.
_END_S = 5.0
_SHORT = {
    "n": "next",
    "b": "back",
    "g": "goto",
    "c": "continue",
    "e": "event",
    "s": "state",
    "d": "diff",
    "q": "quit",
}
_LISTED = """\
next [N]      (n) go N steps on                 event     (e) the event here, whole
back [N]      (b) go N steps back               state [P] (s) what is held here (of projection P)
goto P        (g) go to a position or a time    diff      (d) what the last step changed
continue      (c) go on to the next break       breaks        the breaks
break EXPR        add a break                   unbreak N     drop the Nth break
quit          (q) end                           help          this
An empty line repeats the last command. A break: type=MemorySuperseded, tier == "core" and
position > 40, "lisbon" in payload.content."""


class ReplayShell(cmd.Cmd):
    """Takes commands about one stepper."""

    prompt = "replay> "

    def __init__(
        self, stepper: Stepper, breaks: Sequence[Break], wait: Wait, name: str = "", **streams: Any
    ):
        super().__init__(**streams)
        self._stepper = stepper
        self._name = name or stepper.user
        self._breaks = list(breaks)
        self._moments = Moments(stepper.reader)
        self._wait = wait

    def preloop(self) -> None:
        """Say where we are."""
        stepper = self._stepper
        at = f"position {stepper.position} of {stepper.end}"
        told = f"the past of {self._name}, {at}; help lists the commands"
        out.print(told, markup=False, highlight=False)

    def onecmd(self, line: str) -> bool:
        """Run a command; what goes wrong is told, and the next line is read."""
        first, _, rest = line.strip().partition(" ")
        try:
            return bool(super().onecmd(f"{_SHORT.get(first, first)} {rest}".rstrip()))
        except CommandRejected as error:
            self._tell(error.message)
        except KeyboardInterrupt:
            self._tell(f"interrupted at position {self._stepper.position}")
        return False

    def do_forward(self, line: str) -> None:
        """Go on, as `next` does."""
        self.do_next(line)

    def do_next(self, line: str) -> None:
        """Go on."""
        wanted = _count(line)
        done = self._wait(self._stepper.forward(wanted))
        if done:
            show_step(self._stepper)
        if done < wanted:
            out.print(f"the end, position {self._stepper.end}", highlight=False)

    def do_back(self, line: str) -> None:
        """Go back."""
        self._wait(self._stepper.back(_count(line)))
        show_step(self._stepper)

    def do_goto(self, line: str) -> None:
        """Go somewhere."""
        if not line:
            raise CommandRejected("goto needs a position or a time")
        self._wait(self._go(line))
        show_step(self._stepper)

    async def _go(self, line: str) -> None:
        await self._stepper.goto(await self._moments.position_at(moment_of(line)))

    def do_continue(self, _: str) -> None:
        """Go on to the next break, or to the end."""
        hit = self._wait(self._stepper.proceed(self._breaks))
        if hit is None:
            out.print(f"no further break; at the end, {self._stepper.end}", highlight=False)
        else:
            show_step(self._stepper, hit.text)

    def do_event(self, _: str) -> None:
        """Show the event here."""
        show_event(self._stepper)

    def do_state(self, line: str) -> None:
        """Show what is held here."""
        names = self._stepper.projection_names
        if line and line not in names:
            raise CommandRejected(f"{line} is no projection here; there are {', '.join(names)}")
        show_state(self._stepper, line)

    def do_diff(self, _: str) -> None:
        """Show what the last step changed."""
        if self._stepper.changes:
            show_changes(self._stepper)
        else:
            out.print("the last step changed nothing here")

    def do_break(self, line: str) -> None:
        """Add a break."""
        self._breaks.append(parse_break(line))
        self.do_breaks("")

    def do_unbreak(self, line: str) -> None:
        """Drop a break."""
        number = _count(line)
        if number > len(self._breaks):
            raise CommandRejected(f"there is no break {number}; {self._counted()}")
        del self._breaks[number - 1]
        self.do_breaks("")

    def do_breaks(self, _: str) -> None:
        """List the breaks."""
        out.print(self._counted(), highlight=False)
        for number, one in enumerate(self._breaks, 1):
            out.print(Text(f"  {number}  {one.text}"))

    def do_quit(self, _: str) -> bool:
        """End."""
        return True

    def do_EOF(self, _: str) -> bool:
        """End where the input ends."""
        out.print()
        return True

    def do_help(self, _: str) -> None:
        """List the commands."""
        out.print(Text(_LISTED))

    def default(self, line: str) -> None:
        """Tell that there is no such command, and which is near."""
        self.lastcmd = ""  # an empty line has nothing to repeat
        first = line.split(maxsplit=1)[0]
        commands = [name[3:] for name in self.get_names() if name.startswith("do_")]
        self._tell(f"{first} is no command; {hint(first, commands, 'help')}")

    def _counted(self) -> str:
        return counted(len(self._breaks), "break")

    def _tell(self, line: str) -> None:
        err.print(Text(line, "red"), soft_wrap=True)


def step_through(
    open_stepper: Callable[[], AbstractAsyncContextManager[Stepper]],
    breaks: Sequence[str],
    name: str,
) -> None:
    """Open a stepper and take commands about it until somebody ends it.

    `name` is what the client calls whose past it is; empty: only the opaque id is known.

    Raises:
        MirixError: it cannot be opened, or the log fails on the way.
    """
    quiet_logs()
    with _loop_beside() as loop, _held(loop, open_stepper()) as stepper:

        def wait(work: Coroutine[Any, Any, Result]) -> Result:
            future = asyncio.run_coroutine_threadsafe(work, loop)
            try:
                return future.result()
            except KeyboardInterrupt:
                future.cancel()
                raise

        ReplayShell(stepper, [parse_break(text) for text in breaks], wait, name).cmdloop()


@contextmanager
def _loop_beside() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop on another thread while the context lasts."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="replay", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_END_S)


@contextmanager
def _held(
    loop: asyncio.AbstractEventLoop, opening: AbstractAsyncContextManager[Stepper]
) -> Iterator[Stepper]:
    """Have a stepper that one task of another thread's loop opens, holds open and closes."""
    opened: Future[Stepper] = Future()
    closing = asyncio.Event()

    async def hold() -> None:
        async with opening as stepper:
            opened.set_result(stepper)
            await closing.wait()

    def tell_failure(done: Future[None]) -> None:
        if not opened.done():
            opened.set_exception(done.exception() or CommandRejected("nothing was opened"))

    holding = asyncio.run_coroutine_threadsafe(hold(), loop)
    holding.add_done_callback(tell_failure)
    try:
        yield opened.result()
    finally:
        loop.call_soon_threadsafe(closing.set)
        holding.result(_END_S)


def _count(line: str) -> int:
    """Return how many: 1 when it is not said.

    Raises:
        CommandRejected: it is no number of steps.
    """
    text = line.strip() or "1"
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:12]) <= STEPS_MAX:
        raise CommandRejected(f"{line[:30]!r} is no number from 1 to {STEPS_MAX}")
    return int(text)
