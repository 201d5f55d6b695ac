"""Labelled samples: arrays in an .npz file, or images in one folder for each class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...runtime.engine.feeds import check_array
from ...runtime.errors import InputError
from ...runtime.model import TensorInfo
from ...runtime.system.hashing import blake2b
from ...runtime.vision.preprocess import image_input, takes_image

if TYPE_CHECKING:
    from ...runtime.model import Model

LABELS, IMAGES = "labels", "images"
SUFFIXES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"))
DIGEST_BYTES, CHUNK = 16, 1 << 20
Row = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Samples:
    """source: the file or folder. labels: the classes in truth, (samples,) int64. digest: of all bytes that there are.
    arrays: by name, a row for each sample. images: what is prepared for each model in its own way: paths, or uint8
    pixels (samples, height, width[, 1 or 3]). folders: how a folder's classes were told apart, in words.
    """

    source: str
    labels: np.ndarray
    digest: bytes
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    images: Sequence[Path] | np.ndarray = ()
    folders: str = ""

    def __len__(self) -> int:
        return len(self.labels)

    def feeder(self, model: Model, what: str, names: Mapping[str, str] | None = None) -> Callable[[int], Row]:
        """What to feed a model for a sample, given its number. what: how errors call the model. names: other names that
        its inputs may have here.

        Arrays under an input's name or alias are fed as they are, images are prepared. InputError where there is
        nothing for an input, or the first row does not fit.
        """
        sources = {name: self._source(model, name, what, (names or {}).get(name)) for name in model.inputs}

        def feed(index: int) -> Row:
            return {
                name: image_input(model, name, self.images[index]) if array is None else array[index : index + 1]
                for name, array in sources.items()
            }

        for name, array in sources.items():
            if array is not None:
                self._check(model.inputs[name], array, what)
        return feed

    def check_labels(self, classes: int, what: str) -> None:
        """InputError where there is a label that is no class of the model."""
        wrong = self.labels[(self.labels < 0) | (self.labels >= classes)]
        if wrong.size:
            raise InputError(
                f"{self.source}: label {wrong[0]} is none of the {classes} classes of {what}, 0 to {classes - 1}"
            )

    def _source(self, model: Model, name: str, what: str, other: str | None) -> np.ndarray | None:
        """The array for an input; None where images are prepared for it."""
        aliases = [alias for alias, known in model.metadata.input_aliases.items() if known == name]
        for candidate in (name, *aliases, *([other] if other else [])):
            if candidate in self.arrays:
                return self.arrays[candidate]
        if len(self.images) and takes_image(model.inputs[name]):
            return None
        if len(self.arrays) == len(model.inputs) == 1:
            return next(iter(self.arrays.values()))
        holds = ", ".join(self.arrays) or (IMAGES if len(self.images) else "nothing else")
        raise InputError(
            f"{self.source} has nothing for input {model.inputs[name]} of {what}: it holds {holds}; wanted is an array "
            f"'{other or name}' with a row for each sample, or uint8 pixels as '{IMAGES}', which each model prepares"
        )

    def _check(self, info: TensorInfo, array: np.ndarray, what: str) -> None:
        if info.shape is None or not info.shape or (info.shape[0] != 1 and not isinstance(info.shape[0], str)):
            raise InputError(f"{what}: input {info} does not take one sample at a time, with a first dimension of 1")
        try:
            check_array(TensorInfo(info.name, (1, *info.shape[1:]), info.dtype, info.quant), array[:1])
        except InputError as problem:
            raise InputError(f"{self.source}, one row for {what}: {problem}") from None


def read_labelled(path: str, labels: Sequence[str] = (), classes: int = 0) -> Samples:
    """An .npz file with `labels` and arrays by input name, or uint8 pixels as `images`; or a folder with one folder of
    images for each class. labels, classes: what the models call their classes, and how many they know, to tell which
    folder is which. InputError where it is neither."""
    return _of_folder(Path(path), labels, classes) if Path(path).is_dir() else _of_file(path)


def _of_file(path: str) -> Samples:
    from zipfile import BadZipFile
    from zlib import error as DamagedData

    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive}
        digest = blake2b(digest_size=DIGEST_BYTES)
        with open(path, "rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    except OSError as problem:
        raise InputError(f"cannot read {path}: {problem.strerror or problem}") from None
    except (ValueError, EOFError, BadZipFile, DamagedData, AttributeError, TypeError) as problem:
        raise InputError(f"cannot read {path} as an .npz file: {problem}") from None
    labels = arrays.pop(LABELS, np.zeros(0)).reshape(-1)
    if labels.dtype.kind not in "iu" or not labels.size:
        raise InputError(f"{path} has no array '{LABELS}' with the class of each sample, as integers from 0 on")
    wrong = next((name for name, array in arrays.items() if array.shape[:1] != labels.shape), None)
    if wrong is not None:
        raise InputError(f"{path}: '{wrong}' of shape {arrays[wrong].shape} is not one row for each of {labels.size}")
    pixels = arrays.get(IMAGES)
    if pixels is None or pixels.dtype != np.uint8 or pixels.ndim not in (3, 4):
        pixels = np.zeros(0, np.uint8)
    return Samples(path, labels.astype(np.int64), digest.digest(), arrays, pixels)


def _of_folder(path: Path, labels: Sequence[str], classes: int) -> Samples:
    try:
        folders = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        found = [(folder, _images(folder)) for folder in folders]
    except OSError as problem:
        raise InputError(f"cannot read {path}: {problem.strerror or problem}") from None
    empty = next((folder for folder, files in found if not files), None)
    if not found or empty is not None:
        which = "has no folders" if empty is None else f"holds no image in {empty.name}"
        raise InputError(f"{path} {which}: wanted is one folder of images for each class")
    numbers, how = _numbers([folder.name for folder, _ in found], labels, classes, path)
    digest = blake2b(digest_size=DIGEST_BYTES)
    images, truth = [], []
    for number, (folder, files) in zip(numbers, found, strict=True):
        for file in files:
            try:
                data = file.read_bytes()
            except OSError as problem:
                raise InputError(f"cannot read {file}: {problem.strerror or problem}") from None
            digest.update(f"{number} {folder.name}/{file.name} {len(data)} ".encode(errors="surrogateescape") + data)
            images.append(file)
            truth.append(number)
    return Samples(str(path), np.array(truth, np.int64), digest.digest(), images=images, folders=how)


def _images(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())


def _numbers(names: Sequence[str], labels: Sequence[str], classes: int, path: Path) -> tuple[list[int], str]:
    """The class of each folder, and how it is known."""
    known = {label: number for number, label in enumerate(labels)}
    if all(name in known for name in names):
        return [known[name] for name in names], "the folders are named as the models' labels"
    if all(name.isdecimal() for name in names):
        return [int(name) for name in names], "the folders are named by the numbers of the classes"
    if labels:
        stranger = next(name for name in names if name not in known)
        raise InputError(
            f"{path}: folder '{stranger}' is none of the models' labels: name the folders by label, or by number"
        )
    if len(names) != classes:
        raise InputError(
            f"{path} has {len(names)} folders and the models {classes} classes: name the folders by the classes' "
            "numbers, or convert the models with --labels"
        )
    return list(range(classes)), "the folders are the classes in the order of their names"
