"""A command whose --host sends it to a board: its files are copied there, its kernels compiled here, and what it gives
is brought back."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from .. import options

if TYPE_CHECKING:
    from .board import Board

HERE: Final = ("host", "host_python")
OUTPUT: Final = "output"
RUN: Final = ".run.json"
"""The run file's name there, which no file that is sent gets: theirs begin with no dot."""
THERE: Final = ("root",)
"""Options that name what is on the board."""
MODELS: Final = ("model", "models")


class HostCommand(click.Command):
    """A command with the options of `options.host`."""

    def invoke(self, ctx: click.Context) -> Any:
        host, python = (ctx.params.pop(name) for name in HERE)
        if host is None:
            return super().invoke(ctx)
        status = _run_there(ctx, host, python)
        if status:
            ctx.exit(status)
        return None


def _run_there(ctx: click.Context, host: str, python: str) -> int:
    from ..report.display import emit
    from ..report.output import check_output
    from .board import connected

    output = ctx.params.get(OUTPUT)
    with tempfile.TemporaryDirectory() as folder:
        parcel = Parcel(Path(folder))
        if output is not None:
            check_output(output, [file for _, _, value in _given(ctx) for file in _files(value)])
        _check(ctx)
        with connected(host, python) as board:
            words = [ctx.command.name or "", *_words(ctx, parcel, board)]
            if parcel.files:
                board.ssh.send(parcel.files, board.folder)
            status, said = board.mj(words)
            if said:
                emit(said.rstrip("\n"))
            if status == 0 and output is not None:
                _bring_back(board, output)
    return status


class Parcel:
    """Files for the board, each under a name of its own, in a folder here until they are sent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[str, str] = {}

    @property
    def files(self) -> list[str]:
        return [str(self._folder / name) for name in self._names.values()]

    def new(self, name: str) -> tuple[Path, str]:
        """Where to write a file here, and its name there."""
        taken = set(self._names.values())
        free = next(each for each in _alternatives(name) if each not in taken)
        self._names[f"\0{free}"] = free
        return self._folder / free, free

    def add(self, file: str) -> str:
        """Its name there. InputError where it cannot be read."""
        from ...runtime.errors import InputError

        if file not in self._names:
            path, name = self.new(os.path.basename(file))
            try:
                shutil.copyfile(file, path)
            except OSError as error:
                raise InputError(f"cannot read {file}: {error.strerror}") from None
            del self._names[f"\0{name}"]
            self._names[file] = name
        return self._names[file]


def _alternatives(name: str) -> Iterator[str]:
    # What begins with a dash would be an option there.
    plain = name if name[:1] not in "-." else f"_{name}"
    yield plain
    number = 2
    while True:
        yield f"{number}-{plain}"
        number += 1


def _check(ctx: click.Context) -> None:
    from ...runtime.errors import InputError

    for path in _paths(ctx):
        if os.path.isdir(path):
            raise InputError(f"{path} is a folder: name its models one by one with --host")


def _words(ctx: click.Context, parcel: Parcel, board: Board) -> list[str]:
    """The command line for the board: what was given here, with files by their names there."""
    models = {path: _model(path, parcel) for path in _paths(ctx)}
    words: list[str] = []
    for parameter, name, value in _given(ctx):
        option = parameter.opts[-1]
        if name in MODELS:
            continue
        if name == OUTPUT:
            words += [option, RUN]
        elif isinstance(value, bool):
            words.append(option)
        else:
            reads = parameter.type is options.FILE and name not in THERE
            for each in value if isinstance(value, tuple) else (value,):
                words += [option, _sent(str(each), parcel) if reads else str(each)]
    if (ctx.params.get("peers") or ctx.params.get("chosen")) and ctx.params.get("source") is None:
        _send_sources(models, parcel)
    if models and not _without_kernels(ctx):
        words += _kernels(ctx, models, parcel, board)
    return [*words, "--", *models.values()] if models else words


def _kernels(ctx: click.Context, models: dict[str, str], parcel: Parcel, board: Board) -> list[str]:
    """--kernels with a file of what the models need on the board, unless it runs them in NumPy anyway."""
    from ...runtime.engine.engine import NUMPY
    from ..models.cascades import one_row
    from ..models.feeds import chosen_inputs
    from ..models.kernels import needed_anywhere, write_kernels
    from ..models.plans import any_target
    from ..models.sources import open_model

    name = ctx.params.get("target") or board.target
    target = None if name in (None, NUMPY) else any_target(name)
    if target is None:
        return []
    needed: dict[str, Any] = {}
    for path in models:
        model = open_model(path)
        feeds = chosen_inputs(model, ctx.params["inputs"], ctx.params["shapes"], ctx.params["seed"])
        sets = [{name: array.shape for name, array in each.items()} for each in (feeds, one_row(feeds, model))]
        needed |= needed_anywhere(model, sets, target)
    if not needed:
        return []
    file, name = parcel.new("kernels.mjk")
    write_kernels({target: needed}, str(file))
    return ["--kernels", name]


def _model(path: str, parcel: Parcel) -> str:
    """Its name there; a source is converted here, as a board may lack what reads it."""
    from ...loading import is_source
    from ..models.sources import open_model

    if not is_source(path):
        return parcel.add(path)
    file, name = parcel.new(f"{Path(path).stem}.mj")
    open_model(path).save(file)
    return name


def _send_sources(models: Iterable[str], parcel: Parcel) -> None:
    """What the other engines run; it is found there beside its model."""
    from ..models.sources import find_source, open_model

    for path in models:
        parcel.add(find_source(path, None, open_model(path), "name it with --source SRC"))


def _sent(text: str, parcel: Parcel) -> str:
    """FILE or NAME=FILE, with the file's name there."""
    if not os.path.exists(text):
        name, equals, file = text.partition("=")
        if equals and os.path.exists(file):
            return f"{name}={parcel.add(file)}"
    return parcel.add(text)


def _bring_back(board: Board, output: str) -> None:
    """The run file, with the command line of here."""
    import msgspec

    from ..report.provenance import command_line
    from ..report.run_file import read_run, write_run

    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/run.json"
        board.ssh.fetch(f"{board.folder}/{RUN}", file)
        write_run(msgspec.structs.replace(read_run(file), command=command_line()), output)


def _without_kernels(ctx: click.Context) -> bool:
    """Whether kernels are given, or nothing is run."""
    from ..energy.modelled import is_modelled

    return ctx.params.get("kernels") is not None or (
        ctx.command.name == "energy" and is_modelled(ctx.params.get("source"))
    )


def _paths(ctx: click.Context) -> list[str]:
    found = [ctx.params[name] for name in MODELS if ctx.params.get(name)]
    return [path for value in found for path in (value if isinstance(value, tuple) else (value,))]


def _given(ctx: click.Context) -> Iterator[tuple[click.Parameter, str, Any]]:
    """What the command line itself says."""
    for parameter in ctx.command.params:
        name = parameter.name or ""
        if name in ctx.params and ctx.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE:
            yield parameter, name, ctx.params[name]


def _files(value: Any) -> Sequence[str]:
    return [each for each in (value if isinstance(value, tuple) else (value,)) if isinstance(each, str)]
