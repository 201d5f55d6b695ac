"""What a model is calibrated and judged with: samples from a file, a folder, Python objects, one after another."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

import numpy as np

from ...runtime.errors import InputError
from ...runtime.model import Model, TensorInfo
from . import archive
from .spool import DiskFull, Spool

Feeds = dict[str, np.ndarray]
Source = Union[
    str,
    "os.PathLike[str]",
    Mapping[str, Any],
    Iterable[Mapping[str, Any]],
    Callable[[], Iterable[Mapping[str, Any]]],
]
"""An .npz file with an array for each input, first axis the samples; the same as a dict; a folder of images, prepared
as the model says; an iterable of dicts by input name, each one sample; or a callable that gives such an iterable."""

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
HELD_OUT = 5
"""Of so many samples one judges the result and is used for nothing else."""
FEWEST = 2


@dataclass(frozen=True, slots=True)
class Samples:
    """The same samples in the same order whenever they are gone through. what: as messages name them."""

    what: str
    opened: Callable[[], Iterator[Feeds]]

    def __iter__(self) -> Iterator[Feeds]:
        return self.opened()

    def where(self, chosen: Callable[[int], bool]) -> Samples:
        """Those whose place is chosen."""
        return Samples(self.what, lambda: (feeds for place, feeds in enumerate(self.opened()) if chosen(place)))


def held_out(samples: Samples) -> tuple[Samples, Samples]:
    """Those to calibrate with, and every fifth, which judges."""
    return samples.where(lambda place: place % HELD_OUT != HELD_OUT - 1), samples.where(
        lambda place: place % HELD_OUT == HELD_OUT - 1
    )


def read_samples(model: Model, source: Source) -> Samples:
    """InputError where there is nothing of the kind, or an array that the model needs is missing."""
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        if os.path.isdir(path):
            return _folder(model, path)
        if not os.path.isfile(path):
            raise InputError(f"{path}: no such file or folder of samples")
        return _archive(model, path)
    if isinstance(source, Mapping):
        return _table(model, source)
    what = "the samples"
    if callable(source):
        return Samples(what, lambda: _given(model, what, source()))
    if not isinstance(source, Iterable):
        raise InputError(
            f"samples are a file, a folder, an iterable of dicts or a callable, not {type(source).__name__}"
        )
    if iter(source) is source:
        return _spooled(model, what, source)
    return Samples(what, lambda: _given(model, what, source))


def _archive(model: Model, path: str) -> Samples:
    found = archive.headers(path)
    names = _named(model, path, list(found))
    _check_counts(path, {name: found[known].shape for name, known in names.items()})

    def opened() -> Iterator[Feeds]:
        for place, row in enumerate(archive.rows(path, list(names.values()))):
            yield {
                name: sample(model.inputs[name], row[known], f"{path}, sample {place}") for name, known in names.items()
            }

    return Samples(path, opened)


def _table(model: Model, arrays: Mapping[str, Any]) -> Samples:
    what = "the samples"
    names = _named(model, what, list(arrays))
    held = {name: np.asarray(arrays[known]) for name, known in names.items()}
    count = _check_counts(what, {name: array.shape for name, array in held.items()})

    def opened() -> Iterator[Feeds]:
        for place in range(count):
            yield {name: sample(model.inputs[name], array[place], f"sample {place}") for name, array in held.items()}

    return Samples(what, opened)


def _folder(model: Model, path: str) -> Samples:
    from ...runtime.vision.preprocess import image_input, image_name

    name = image_name(model)
    if len(model.inputs) > 1:
        raise InputError(f"{path}: a folder of images feeds one input, and the model has {len(model.inputs)}")
    files = sorted(file for file in Path(path).rglob("*") if file.suffix.lower() in IMAGES)
    if not files:
        raise InputError(f"{path}: no images in this folder (known are {', '.join(sorted(IMAGES))})")
    return Samples(path, lambda: ({name: image_input(model, name, str(file))} for file in files))


def _given(model: Model, what: str, source: Iterable[Mapping[str, Any]]) -> Iterator[Feeds]:
    for place, given in enumerate(source):
        where = f"sample {place}"
        if not isinstance(given, Mapping):
            raise InputError(f"{where} is {type(given).__name__}; a dict of arrays by input name is wanted")
        names = _named(model, where, list(given))
        yield {name: sample(model.inputs[name], given[known], where) for name, known in names.items()}


def _spooled(model: Model, what: str, source: Iterable[Mapping[str, Any]]) -> Samples:
    """What can be gone through once is written to a temporary file, as several passes need it."""
    try:
        return kept(Samples(what, lambda: _given(model, what, source)))
    except DiskFull as problem:
        raise DiskFull(f"{problem}; or give a callable that makes the iterable anew, which keeps nothing") from None


def kept(samples: Samples) -> Samples:
    """The same, in a temporary file, so that nobody has to read or make them again. DiskFull as `Spool` raises it."""
    spool, names = Spool("a sample"), list[str]()
    for feeds in samples:
        names = list(feeds)
        for array in feeds.values():
            spool.add(array)

    def opened() -> Iterator[Feeds]:
        arrays = iter(spool)
        for _ in range(len(spool) // max(len(names), 1)):
            yield {name: next(arrays) for name in names}

    return Samples(samples.what, opened)


def _named(model: Model, what: str, given: Sequence[str]) -> dict[str, str]:
    """The given name of each input's array."""
    found = {}
    for name in model.inputs:
        aliases = [alias for alias, known in model.metadata.input_aliases.items() if known == name]
        match = next((known for known in (name, *aliases) if known in given), None)
        if match is None:
            listed = ", ".join(f"'{known}'" for known in given) or "none"
            raise InputError(f"{what}: no array for input '{name}'; there are {listed}")
        found[name] = match
    return found


def _check_counts(what: str, shapes: Mapping[str, tuple[int, ...]]) -> int:
    for name, shape in shapes.items():
        if not shape:
            raise InputError(f"{what}: '{name}' is a single number; its first axis should be the samples")
    counts = {name: shape[0] for name, shape in shapes.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{count} of '{name}'" for name, count in counts.items())
        raise InputError(f"{what}: as many samples of every input are wanted, not {listed}")
    return next(iter(counts.values()))


def sample(info: TensorInfo, value: Any, where: str) -> np.ndarray:
    """The array to feed for one sample, which may lack the batch's axis of size 1; InputError, naming where, on another
    shape, another kind of numbers, NaN or infinity."""
    array = np.asarray(value)
    if array.dtype != info.dtype:
        if array.dtype.kind != "f" or info.dtype.kind != "f":
            raise InputError(f"{where}: input {info} expected, got {array.dtype}{_way_out(info, array)}")
        array = array.astype(info.dtype)
    shape = info.shape
    if shape is not None and array.ndim == len(shape) - 1 and (isinstance(shape[0], str) or shape[0] == 1):
        array = array[None]
    if shape is not None and (
        array.ndim != len(shape)
        or any(isinstance(dim, int) and dim != size for dim, size in zip(shape, array.shape, strict=True))
    ):
        raise InputError(f"{where}: input {info} expected, got shape {np.shape(value)}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        kind = "NaN" if np.isnan(array).any() else "infinity"
        raise InputError(f"{where}: input '{info.name}' holds {kind}")
    return array


def _way_out(info: TensorInfo, array: np.ndarray) -> str:
    if array.dtype == np.uint8 and info.dtype.kind == "f":
        return "; prepare the pixels as the model wants them (session.prepare does), or give a folder of images"
    return f"; convert it with .astype('{info.dtype}')" if array.dtype.kind in "iub" else ""
