"""A look through all samples before anything is computed: too few, always the same, not prepared as the model wants."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from ...runtime.errors import InputError, PreprocessingWarning
from ...runtime.file.metadata import Preprocessing
from ...runtime.model import Model
from ...runtime.vision.preprocess import takes_image
from .samples import FEWEST, Samples

PIXEL = 255.0
RAW = 16.0
"""Whole numbers from 0 to 255 of which one is above this are taken for pixels that nobody prepared."""
SLACK = 1.5
"""How far beyond the range that the preprocessing gives numbers may lie, as a share of it."""


@dataclass(slots=True)
class _Seen:
    low: float = np.inf
    high: float = -np.inf
    whole: bool = True


def screen(model: Model, samples: Samples, least: int = FEWEST) -> int:
    """How many samples there are. InputError: fewer than `least`, or every input the same number throughout.
    PreprocessingWarning: numbers that look like pixels which were not prepared as the model wants them."""
    seen = {name: _Seen() for name, info in model.inputs.items() if info.dtype.kind == "f"}
    count = 0
    for feeds in samples:
        count += 1
        for name, found in seen.items():
            array = feeds[name]
            if not array.size:
                continue
            found.low, found.high = min(found.low, float(array.min())), max(found.high, float(array.max()))
            found.whole = found.whole and bool((array == np.rint(array)).all())
    if count < least:
        raise InputError(
            f"{samples.what}: {count} sample{'' if count == 1 else 's'}, and at least {least} are needed; "
            "a hundred that are typical of what the model will see are a good number"
        )
    constant = [name for name, found in seen.items() if found.low == found.high]
    if seen and len(constant) == len(seen):
        found = seen[constant[0]]
        raise InputError(
            f"{samples.what}: input '{constant[0]}' is {found.low:g} throughout: nothing can be calibrated"
        )
    for name, found in seen.items():
        _check_range(model, samples.what, name, found)
    return count


def _check_range(model: Model, what: str, name: str, found: _Seen) -> None:
    if not takes_image(model.inputs[name]):
        return
    preprocessing = model.metadata.preprocessing
    if preprocessing is None:
        if found.whole and found.low >= 0 and RAW < found.high <= PIXEL:
            warnings.warn(
                f"{what}: input '{name}' holds whole numbers from {found.low:g} to {found.high:g}, like pixels that "
                "nobody prepared; if the model was trained on other numbers, the calibration is worthless",
                PreprocessingWarning,
                stacklevel=4,
            )
        return
    low, high = limits(preprocessing)
    slack = SLACK * (high - low)
    if found.low < low - slack or found.high > high + slack:
        warnings.warn(
            f"{what}: input '{name}' reaches from {found.low:g} to {found.high:g}, but the model's preprocessing gives "
            f"{low:g} to {high:g}: the samples are not prepared as the model's inputs will be",
            PreprocessingWarning,
            stacklevel=4,
        )


def limits(preprocessing: Preprocessing) -> tuple[float, float]:
    """Least and largest number that pixels become."""
    mean, std = np.array(preprocessing.mean, np.float64), np.array(preprocessing.std, np.float64)
    ends = np.array([(pixel * preprocessing.scale - mean) / std for pixel in (0.0, PIXEL)])
    return float(ends.min()), float(ends.max())
