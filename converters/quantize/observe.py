"""One pass over all calibration samples: a histogram of each tensor that is to become integers."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from ...runtime.errors import InputError
from ...runtime.model import Model
from .histogram import Histogram
from .running import Runner
from .samples import Samples

Progress = Callable[[int, int, str], None]


def observe(
    model: Model, names: Iterable[str], samples: Samples, count: int, progress: Progress
) -> dict[str, Histogram]:
    """By tensor. model: the float one. InputError where a layer's result is no finite number."""
    histograms = {name: Histogram() for name in names}
    with Runner(model, list(histograms)) as runner:
        for place, feeds in enumerate(samples):
            progress(place, count, "calibrating")
            for name, array in runner.run(feeds).items():
                if not histograms[name].add(array):
                    raise InputError(
                        f"{samples.what}, sample {place}: '{name}' becomes infinite or NaN in the float model, "
                        "which cannot be quantized by such a sample"
                    )
    progress(count, count, "calibrating")
    return histograms


def spread_over(samples: Samples, count: int, most: int) -> Samples:
    """At most so many of them, evenly spread over all."""
    chosen = set(np.linspace(0, count - 1, min(most, count)).round().astype(int).tolist())
    return samples.where(lambda place: place in chosen)
