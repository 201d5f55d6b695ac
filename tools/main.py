"""The command `mj`: which subcommands there are, and how every one of them ends.

Exit status: 0 done, 1 a bug (with its traceback) or a comparison beyond its tolerance, 2 what the user can mend, 130
interrupted.
"""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from io import TextIOWrapper
from typing import Any, NoReturn

import click

from ..runtime.errors import Error

COMMANDS = (
    *("convert", "export", "debug", "run", "inspect", "compare", "verify", "bench"),
    *("energy", "report", "compile", "pair", "tune", "estimate", "profiles", "doctor"),
)
OBJECTS = 50_000
"""So many new ones are made before they are looked through."""
INTERRUPTED = 130
PIPE_CLOSED = 141
"""What a shell shows of a program that the system ends for writing to a closed pipe."""


class Commands(click.Group):
    """Subcommands in files of their own, imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f".commands.{name}", __package__).command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            said: list[str] = []
            ctx.obj = said
            with _plain_warnings(said):
                result = super().invoke(ctx)
                sys.stdout.flush()
        except Error as error:
            _say(f"{error}")
            ctx.exit(2)
        except BrokenPipeError:
            # What reads our output has seen enough.
            from .report.display import discard_output

            discard_output()
            ctx.exit(PIPE_CLOSED)
        except MemoryError as error:
            click.echo(f"mj: out of memory: {error}", file=sys.stderr)
            ctx.exit(2)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except EOFError as error:
            # Click would take it for the end of what a user types.
            raise RuntimeError("data ended too early") from error
        return result


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        from importlib.metadata import version

        click.echo(f"millijoule {version('millijoule')}")
        ctx.exit()


@click.group("mj", cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Say which version."
)
def cli() -> None:
    """Convert a trained model into one compact file and run it fast on this CPU.

    \b
    A first try:
      mj convert model.onnx -o model.mj
      mj run model.mj --input photo.jpg

    Every command that takes a MODEL takes a .mj file, or an .onnx or .tflite file straight. For completion with the
    tab key: eval "$(_MJ_COMPLETE=bash_source mj)", in zsh with zsh_source; the README says more.
    """


def main() -> NoReturn:
    """The console script."""
    # Importing makes objects that stay: looking through them for garbage takes a tenth of the time until the first run.
    gc.set_threshold(OBJECTS)
    if isinstance(sys.stdout, TextIOWrapper):
        # As standard error does by itself: a terminal that lacks a character gets another, not a traceback.
        sys.stdout.reconfigure(errors="replace")
    try:
        status = cli.main(prog_name="mj", standalone_mode=False)
    except click.Abort:
        status = INTERRUPTED
    except click.ClickException as error:
        error.show()
        # Click gives some of these 1, which is for bugs here.
        status = 2
    sys.exit(status if isinstance(status, int) else 0)


def _say(text: str) -> None:
    """On standard error, whatever names and answers of others are in the text, in its lines."""
    from .report.printable import printable

    click.echo("mj: " + printable(text, keep="\n"), file=sys.stderr)


@contextmanager
def _plain_warnings(said: list[str]) -> Iterator[None]:
    """Warnings as one line each, without the line of code that gave them, and each only once. said: gets them too."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        text = str(message)
        if text not in said:
            said.append(text)
            _say(f"warning: {' '.join(text.splitlines())}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
