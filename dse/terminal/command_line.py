"""What the commands of `cli.py` share: errors as messages and exit codes, and the options they have in common."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from dse.errors import InputError, RunError

MAX_SHOWN = 25  # problems printed; a file may have thousands

Command = TypeVar("Command", bound=Callable[..., Any])


class Commands(click.Group):
    """A group that keeps the order of its commands and turns errors into messages and exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of definition."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; every error that is not a bug ends in one message on stderr."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except InputError as error:
            for problem in error.problems[:MAX_SHOWN]:
                _complain(str(problem))
            if len(error.problems) > MAX_SHOWN:
                _complain(f"and {len(error.problems) - MAX_SHOWN} more problems")
            ctx.exit(2)
        except BrokenPipeError:
            raise  # click ends quietly when the reader of our output has gone
        except (RunError, OSError) as error:
            _complain(str(error))
            ctx.exit(1)
        except MemoryError:
            _complain("out of memory")
            ctx.exit(1)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(130)


def _complain(message: str) -> None:
    """One line on stderr; control characters, which may come from a file, are shown and not sent."""
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in message)
    click.echo(f"error: {shown}", err=True)


def form_option(*forms: str) -> Callable[[Command], Command]:
    """`--format`; the first form is the default."""
    return click.option("--format", "form", type=click.Choice(forms), default=forms[0], show_default=True,
                        help="Form of the output.")  # fmt: skip


def out_option(help_text: str) -> Callable[[Command], Command]:
    """`-o DIR`."""
    folder = click.Path(file_okay=False, path_type=Path)
    return click.option("-o", "--out", type=folder, metavar="DIR", help=help_text)


def jobs_option() -> Callable[[Command], Command]:
    """`--jobs N`, by default one per processor this process may use."""
    return click.option("--jobs", type=click.IntRange(1, 1024), default=_processors, metavar="N",
                        help="Processes to use.  [default: all processors]")  # fmt: skip


run_argument = click.argument("run", required=False, metavar="[RUN]")


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
