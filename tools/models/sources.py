"""Models as the command line names them: a .mj file, or a source that is converted on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from ...loading import is_source
from ...loading import open_model as open_model
from ...runtime.errors import InputError, ModelError

if TYPE_CHECKING:
    from ...runtime.model import Model
    from ...runtime.session import Session

Shapes = dict[str, tuple[int, ...]]
MOST_ELEMENTS = 1 << 40


def load(model: Model, threads: int | None = None, target: str | None = None, kernels: str | None = None) -> Session:
    """A session whose compilation shows its progress on standard error."""
    from ...runtime.session import load as load_session
    from ..report.progress import CompileProgress

    return load_session(model, threads=threads, target=target, kernels=kernels, progress=CompileProgress())


def parse_named(model: Model, texts: Sequence[str], option: str) -> dict[str, str]:
    """NAME=VALUE options by the graph's name of the input; NAME= may be missing where there is one input, and of a
    cascade, all of whose inputs then get the value."""
    if len(texts) == 1 and len(model.parts) > 1 and len(model.inputs) > 1 and not _is_named(model, texts[0]):
        return dict.fromkeys(model.inputs, texts[0])
    found = _parse_repeated(model, texts, option)
    twice = next((name for name, values in found.items() if len(values) > 1), None)
    if twice is not None:
        raise InputError(f"{option} is given twice for input '{twice}'")
    return {name: value for name, (value,) in found.items()}


def _parse_repeated(model: Model, texts: Sequence[str], option: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in texts:
        name, value = _split(model, text, option)
        found.setdefault(name, []).append(value)
    return found


def parse_shapes(model: Model, texts: Sequence[str]) -> Shapes:
    """--shape options; InputError where one is not a list of sizes."""
    return {name: _shape(name, value) for name, value in parse_named(model, texts, "--shape").items()}


def parse_shape_sets(model: Model, texts: Sequence[str]) -> list[Shapes]:
    """--shape options that may be repeated: the first shape of every input belongs together, so does the second, and an
    input with fewer of them keeps its last. One set at least; InputError as `parse_shapes`."""
    repeated = _parse_repeated(model, texts, "--shape")
    given = {name: [_shape(name, value) for value in values] for name, values in repeated.items()}
    count = max(map(len, given.values()), default=1)
    return [{name: shapes[min(index, len(shapes) - 1)] for name, shapes in given.items()} for index in range(count)]


def _shape(name: str, value: str) -> tuple[int, ...]:
    sizes = value.replace("x", ",").split(",")
    if not all(size.strip().isdecimal() for size in sizes):
        raise InputError(f"--shape {name}={value}: sizes separated by commas are wanted, as in {name}=1,3,224,224")
    shape = tuple(int(size) for size in sizes)
    if prod(shape) > MOST_ELEMENTS:
        raise InputError(f"--shape {name}={value}: more than {MOST_ELEMENTS} elements")
    return shape


def concrete_shapes(model: Model, given: Mapping[str, tuple[int, ...]]) -> Shapes:
    """A shape for every input: as given, else the model's with its default sizes, and 1 for another symbolic first
    dimension (the batch).

    InputError where another dimension is symbolic and no shape is given.
    """
    found: Shapes = {}
    for name, shape in model.input_shapes(given).items():
        if shape is not None and shape and isinstance(shape[0], str):
            shape = (1, *shape[1:])
        if shape is None and model.inputs[name].dtype.names is not None:
            raise InputError(f"input {model.inputs[name]} has to be given, with --input: nothing says what is in it")
        if shape is None or any(isinstance(size, str) for size in shape):
            declared = "any shape" if shape is None else f"({', '.join(map(str, shape))})"
            raise InputError(f"input '{name}' is declared {declared}: give its sizes with --shape {name}=...")
        found[name] = tuple(int(size) for size in shape)
    return found


def _is_named(model: Model, text: str) -> bool:
    return any(text.startswith(f"{name}=") for name in (*model.inputs, *model.metadata.input_aliases))


def _split(model: Model, text: str, option: str) -> tuple[str, str]:
    # Names may hold '=' themselves, and so may files.
    for at in (index for index, letter in enumerate(text) if letter == "="):
        name = text[:at]
        if name in model.inputs or name in model.metadata.input_aliases:
            return model.input_name(name), text[at + 1 :]
    if len(model.inputs) == 1 and ("=" not in text or Path(text).exists()):
        return next(iter(model.inputs)), text
    listed = ", ".join(f"'{name}'" for name in model.inputs)
    raise InputError(f"{option} {text}: NAME=VALUE is wanted, with one of the model's inputs: {listed}")


def find_source(path: str, given: str | None, model: Model, way_out: str) -> str:
    """The file that peers run: the one given, the model itself where it is a source, or the one it was made from
    beside it. ModelError where there is none; way_out: how the user names it."""
    if given is not None:
        if not Path(given).is_file():
            raise ModelError(f"{given}: no such file")
        if not is_source(given):
            raise ModelError(f"{given}: not an .onnx or .tflite file, which other engines run; {way_out}")
        return given
    if is_source(path):
        return path
    beside = Path(path).with_name(model.metadata.source.name or "-")
    if beside.is_file():
        return str(beside)
    raise ModelError(f"{path}: the file it was converted from is not beside it; {way_out}")
