"""`mirix`: the command line, put together from one module a family of commands."""

from __future__ import annotations

import re
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from cluster import (
    VERSION,
    cli_backup,
    cli_bench,
    cli_consolidate,
    cli_eval,
    cli_events,
    cli_feedback,
    cli_fork,
    cli_jobs,
    cli_memory,
    cli_past,
    cli_rebuild,
    cli_reembed,
    cli_replay,
    cli_system,
)
from cluster.cli_output import OPERATIONAL_ERROR, USAGE_ERROR, err, exit_status, out
from events.errors import MirixError

INTERRUPTED = 130
#: What typer says of values comes from a library that checks them; here it is in our words.
_WORDS_OF_THE_CHECKER = {
    "Value error, ": "",
    "Input should be a valid integer.*": "expected a whole number",
    "Input should be a valid number.*": "expected a number",
    "Input should be ": "expected a value ",
}

app = typer.Typer(
    name="mirix",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
for family in (
    cli_system,
    cli_memory,
    cli_consolidate,
    cli_feedback,
    cli_past,
    cli_replay,
    cli_fork,
    cli_events,
    cli_rebuild,
    cli_reembed,
    cli_backup,
    cli_bench,
    cli_eval,
    cli_jobs,
):
    family.register(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        out.print(f"mirix {VERSION}", highlight=False)
        raise typer.Exit


@app.callback()
def _mirix(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    """Memory for AI assistants: nine agents, six tiers, one log."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0 on success, 1 when it failed, 2 when it was asked wrongly."""
    try:
        status = app(args=arguments, prog_name="mirix", standalone_mode=False)
    except TyperException as error:
        return _usage(error)
    except MirixError as error:
        _say(error.message)
        return exit_status(error)
    except (KeyboardInterrupt, typer.Abort):
        _say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone; there is nobody to tell
        return OPERATIONAL_ERROR
    return status if isinstance(status, int) else 0


def _usage(error: TyperException) -> int:
    told = getattr(error, "format_message", lambda: str(error))()
    if type(error).__name__ == "NoArgsIsHelpError":  # typer does not export it
        if told.strip():  # the help is on stdout already
            err.print(told.rstrip(), markup=False, highlight=False)
    else:
        context = getattr(error, "ctx", None)  # which command was at fault
        command = "mirix" if context is None else context.command_path
        _say(f"{_in_our_words(' '.join(told.split()))} (see `{command} --help`)")
    return USAGE_ERROR


def _in_our_words(told: str) -> str:
    for pattern, ours in _WORDS_OF_THE_CHECKER.items():
        told = re.sub(pattern, ours, told)
    return told


def _say(line: str) -> None:
    err.print(f"mirix: {line}", style="red", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
