"""What is fed to a model: files that the user names, or random numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ...runtime.boxed import TEXT, is_boxed, is_sequence
from ...runtime.engine.feeds import check_array
from ...runtime.errors import InputError
from ...runtime.random_inputs import random_inputs as random_inputs
from .sources import concrete_shapes, parse_named, parse_shapes

if TYPE_CHECKING:
    from ...runtime.model import Model, TensorInfo

Arrays = dict[str, np.ndarray]
T = TypeVar("T")


def chosen_inputs(model: Model, files: Sequence[str], shapes: Sequence[str], seed: int) -> Arrays:
    """An array for every input, as the options --input, --shape and --seed say; InputError where they say nonsense."""
    sizes = parse_shapes(model, shapes)
    given = read_inputs(model, parse_named(model, files, "--input"), sizes)
    if len(given) == len(model.inputs):
        return given
    known = {**sizes, **{name: array.shape for name, array in given.items()}}
    return random_inputs(model, concrete_shapes(model, known), seed) | given


def read_inputs(model: Model, files: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]]) -> Arrays:
    """Arrays by input name from .npy, .npz and image files; InputError names the file that is at fault.

    shapes: those that the user asks for: images become such arrays, and other files have to hold such ones.
    """
    return {name: _read(model, name, file, shapes.get(name)) for name, file in files.items()}


def first_samples(model: Model, source: str, count: int) -> list[Arrays]:
    """The first of the samples that one calibrates with, too; InputError where there are fewer."""
    from ...converters.quantize.samples import read_samples

    found = list(islice(read_samples(model, source), count))
    if len(found) < count:
        raise InputError(f"{source}: {count} samples are wanted, and it has {len(found)}")
    return found


def _read(model: Model, name: str, file: str, shape: tuple[int, ...] | None) -> np.ndarray:
    suffix, info = Path(file).suffix.lower(), model.inputs[name]
    if is_boxed(info.dtype):
        return _read_boxed(model, info, file, suffix)
    if suffix not in (".npy", ".npz"):
        from ...runtime.vision.preprocess import image_input

        return image_input(model, name, file, shape)
    array = _load(model, name, file, suffix)
    if shape is not None and array.shape != shape:
        raise InputError(f"{file} holds an array of shape {array.shape}, but --shape says {shape} for input '{name}'")
    return array


def _read_boxed(model: Model, info: TensorInfo, file: str, suffix: str) -> np.ndarray:
    """Text from arrays of characters or a text file with one a line; a sequence's tensors from an .npz file, in its
    order."""
    if info.dtype == TEXT and suffix not in (".npy", ".npz"):
        lines = np.array(_lines(file), TEXT)
        return check_array(info, lines[:, None] if info.shape is not None and len(info.shape) == 2 else lines)
    if not is_sequence(info.dtype):
        return check_array(info, _load(model, info.name, file, suffix))
    if suffix != ".npz":
        raise InputError(f"input {info} takes an .npz file with the tensors in their order, not {file}")
    return check_array(info, _sound(file, suffix, lambda: _every(file)))


def _lines(file: str) -> list[str]:
    try:
        return Path(file).read_text("utf-8").splitlines()
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"{file} is no text file in UTF-8") from None


def _every(file: str) -> list[np.ndarray]:
    with np.load(file, allow_pickle=False) as arrays:
        return [arrays[name] for name in arrays.files]


def _load(model: Model, name: str, file: str, suffix: str) -> np.ndarray:
    def load() -> np.ndarray:
        array: np.ndarray = np.load(file, allow_pickle=False)
        return array

    return _sound(file, suffix, load if suffix == ".npy" else lambda: _from_archive(model, name, file))


def _sound(file: str, suffix: str, load: Callable[[], T]) -> T:
    from zipfile import BadZipFile
    from zlib import error as DamagedData

    try:
        return load()
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}") from None
    except (ValueError, EOFError, BadZipFile, DamagedData) as error:
        reason = str(error).splitlines()[0] if str(error) else "it ends too early"
        raise InputError(f"{file} is not a sound {suffix} file: {reason}") from None


def _from_archive(model: Model, name: str, file: str) -> np.ndarray:
    with np.load(file, allow_pickle=False) as arrays:
        return _pick(model, name, file, arrays)


def _pick(model: Model, name: str, file: str, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    names = [name, *(alias for alias, known in model.metadata.input_aliases.items() if known == name)]
    for candidate in names:
        if candidate in arrays:
            return arrays[candidate]
    listed = list(arrays)
    if len(listed) == 1 and len(model.inputs) == 1:
        return arrays[listed[0]]
    raise InputError(f"{file} has no array '{name}'; it has {', '.join(listed) or 'none'}")
