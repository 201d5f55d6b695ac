"""Reads a classifier's scores: the best classes and what they are called."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..arguments import whole
from ..errors import InputError, LabelsWarning, warn
from ..graph import Quantization
from ..model import Model
from ..ops import integer

NUMBERED = re.compile(r"(\d+)[\s:,]+(.*)")


@dataclass(frozen=True, slots=True)
class Ranked:
    """One class with its score, a real number where the model gives quantized integers."""

    index: int
    label: str
    score: float


def read_labels(path: str | os.PathLike[str]) -> list[str]:
    """The class names of a text file, one a line in the order of the scores.

    Lines that all begin with their own number, counted from 0, lose it. InputError where the file cannot be read.
    """
    try:
        lines = [line.strip() for line in Path(path).read_text(encoding="utf-8-sig").splitlines()]
    except OSError as error:
        raise InputError(f"cannot read the labels {os.fspath(path)}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"the labels {os.fspath(path)} are not UTF-8 text") from None
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise InputError(f"the labels {os.fspath(path)} are empty")
    found = [NUMBERED.fullmatch(line) for line in lines]
    if all(match is not None and int(match[1]) == index for index, match in enumerate(found)):
        return [match[2] for match in found if match is not None]
    return lines


def score_output(model: Model) -> str:
    """The name of the output that the labels are for: the first with a score for each of them, else the first.

    InputError where the model has no outputs.
    """
    count = len(model.metadata.labels)
    for name, info in model.outputs.items():
        if count and info.shape and info.shape[-1] in (count, count - 1, count + 1):
            return name
    if not model.outputs:
        raise InputError("the model has no outputs to rank")
    return next(iter(model.outputs))


def given_labels(labels: str | os.PathLike[str] | Iterable[str]) -> list[str]:
    """Labels as a caller gives them: the names, or the path of a text file. InputError where they are neither."""
    wanted = "labels are a list of names, or the path of a text file with one name a line"
    if isinstance(labels, (str, os.PathLike)):
        if not os.path.isfile(labels):
            missing = "a folder" if os.path.isdir(labels) else "no such file"
            raise InputError(f"labels={os.fspath(labels)!r}: {missing}; {wanted}")
        return read_labels(labels)
    # A set has no order of its own, and of a dict keys or values may be the names.
    if isinstance(labels, (bytes, Mapping, Set)) or not isinstance(labels, Iterable):
        raise InputError(f"labels of type {type(labels).__name__}: {wanted}, in the order of the scores")
    names = list(labels)
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"labels are names: {name!r} is none")
        if len(name.splitlines()) > 1 or name.endswith("\n"):
            raise InputError(f"labels are names of one line: {name!r} is none")
    return [str(name) for name in names]


def check_labels(model: Model) -> None:
    """Compares the labels with the scores of a model that gives one vector for an input and nothing else.

    LabelsWarning where one of the two counts a background class that the other does not. InputError where they do not
    belong together.
    """
    labels, counts = model.metadata.labels, _score_counts(model)
    if not labels or not counts or len(labels) in counts:
        return
    for count in counts:
        if label(count - 1, count, labels) != unnamed(count - 1):
            warn(difference(labels, count), LabelsWarning)
            return
    raise InputError(f"{difference(labels, counts[0])}: give as many labels as scores")


def difference(labels: Sequence[str], classes: int) -> str:
    """How labels and scores differ, and what is made of it."""
    text = f"{len(labels)} labels for {classes} scores"
    if label(classes - 1, classes, labels) == unnamed(classes - 1):
        return f"{text}, which do not belong together"
    more = "the first label" if len(labels) > classes else "the first score"
    return f"{text}: {more} is taken for a background class"


def _score_counts(model: Model) -> list[int]:
    """How many scores each output holds; none where an output is more than a vector, as a detector's are, or its
    length is not known."""
    counts = []
    for info in model.outputs.values():
        *leading, last = info.shape or ("",)
        if isinstance(last, str) or not all(isinstance(dim, str) or dim == 1 for dim in leading):
            return []
        counts.append(last)
    return counts


def classify(model: Model, outputs: Mapping[str, np.ndarray], top: int) -> list[Ranked]:
    """The best classes in what one run gave. LabelsWarning where the labels are not as many as the scores."""
    name, labels = score_output(model), model.metadata.labels
    scores = outputs[name]
    found = top_k(scores, top, labels, model.outputs[name].quant)
    if labels and len(labels) != scores.shape[-1]:
        warn(difference(labels, scores.shape[-1]), LabelsWarning)
    return found


def top_k(scores: np.ndarray, k: int, labels: Sequence[str] = (), quant: Quantization | None = None) -> list[Ranked]:
    """The k classes with the highest scores, the best first and the lower index first among equals; NaN comes last.

    scores: (classes,), or with leading dimensions of 1. quant: of integer scores. InputError on another shape.
    """
    classes = scores.shape[-1] if scores.ndim else 0
    if not classes or scores.size != classes or scores.dtype.kind not in "fiub":
        raise InputError(f"scores of shape {scores.shape} are not those of one input's classes")
    flat = scores.reshape(-1)
    reals = flat.astype(np.float64) if quant is None else integer.dequantize(flat, quant).astype(np.float64)
    order = np.argsort(-reals, kind="stable")[: whole("top", k, 0)]
    return [Ranked(int(index), label(int(index), classes, labels), float(reals[index])) for index in order]


def label(index: int, classes: int, labels: Sequence[str]) -> str:
    """The name of a class; "class N" where the labels are not for so many classes.

    ImageNet models have 1 000 classes or a background class before them, and so have its lists of labels.
    """
    if len(labels) == classes:
        return labels[index]
    if len(labels) == classes + 1 and labels[0].lower() == "background":
        return labels[index + 1]
    if len(labels) == classes - 1 == 1000:
        return labels[index - 1] if index else "background"
    return unnamed(index)


def unnamed(index: int) -> str:
    return f"class {index}"
