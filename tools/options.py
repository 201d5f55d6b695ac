"""Options that several subcommands share, each declared once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])

# So that shells complete names of files; whether there is such a file is said by whatever reads it.
FILE = click.Path(readable=False)


class Named(click.ParamType):
    """The name of a device profile or, if targets are allowed, of an instruction set. Only for shells to complete:
    whether there is such a name, or file of a profile, is said by whatever reads it."""

    name = "name"

    def __init__(self, targets: bool) -> None:
        self.targets = targets

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from ..device_profiles import names

        known = ["host", *names()]
        if self.targets:
            from ..runtime.targets.target import TARGETS

            known = ["host", "numpy", *TARGETS, *(name for name in names() if name not in TARGETS)]
        found = [CompletionItem(name) for name in known if name.startswith(incomplete)]
        return found or [CompletionItem(incomplete, type="file")]


PROFILE, TARGET = Named(targets=False), Named(targets=True)

model = click.argument("model", metavar="MODEL", type=FILE)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs instead of tables for people.")
threads = click.option(
    "--threads", type=click.IntRange(min=1), metavar="N", help="Use at most N threads (default: what the CPU grants)."
)
target = click.option(
    "--target",
    metavar="NAME",
    type=TARGET,
    help="Compile for this instruction set, or that of a device such as raspberry-pi-5, instead of the CPU's own; "
    "'numpy' uses no machine code at all.",
)
kernels = click.option(
    "--kernels",
    metavar="FILE.mjk",
    type=FILE,
    help="Take the kernels from a file that `mj compile` wrote; nothing is compiled.",
)
shapes = click.option(
    "--shape",
    "shapes",
    multiple=True,
    metavar="NAME=1,3,224,224",
    help="The shape of an input whose dimensions are symbolic, also what images are resized to; NAME= may be left out "
    "where there is one input.",
)
inputs = click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME=FILE",
    type=FILE,
    help="What to feed: a .npy file, an .npz file (of which the array NAME is taken) or an image. NAME= may be left "
    "out where the model has one input.",
)
post_check = click.option(
    "--post-check/--no-post-check",
    default=None,
    help="Where a stage is unsure, the surest answer so far counts, instead of the next stage's (default: what "
    "serves the goal better on the samples).",
)
root = click.option(
    "--root",
    metavar="DIR",
    type=FILE,
    help="Look for sensors, clocks and temperatures in DIR/sys, DIR/proc and DIR/usr, such "
    "as where a container has its host's.",
)
accuracy = click.option(
    "--accuracy",
    metavar="METRIC=VALUE",
    help="The model's accuracy as you know it, for the run file: top-1=0.902.",
)
run_output = click.option(
    "-o",
    "--output",
    metavar="RUN.json",
    type=FILE,
    help="Also write everything into a file, for `mj report` and for your own programs.",
)


def tolerance(default: float) -> Callable[[F], F]:
    """--tolerance, of commands that hold outputs against others."""
    return click.option(
        "--tolerance",
        default=default,
        show_default=True,
        type=click.FloatRange(min=0),
        help="How far an output of real numbers may be off, as a share of its largest magnitude.",
    )


seed = click.option("--seed", default=0, show_default=True, help="Seed of the random numbers that are fed otherwise.")


def host(function: F) -> F:
    """--host and --host-python, of commands that are a HostCommand."""
    here = click.option(
        "--host",
        metavar="USER@BOARD",
        help="Run on this board over ssh: files are copied there, kernels compiled here, results brought back.",
    )
    python = click.option(
        "--host-python",
        metavar="PYTHON",
        default="python3",
        show_default=True,
        envvar="MILLIJOULE_HOST_PYTHON",
        show_envvar=True,
        help="With --host: the Python there that has millijoule, such as ~/venv/bin/python.",
    )
    return here(python(function))


def running(function: F) -> F:
    """--threads, --target and --kernels."""
    return threads(target(kernels(function)))
