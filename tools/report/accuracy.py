"""An accuracy as the command line gives it: figures of cost mean little without it, and the user knows it."""

from __future__ import annotations

import math

from ...runtime.errors import InputError
from .run_parts import Accuracy


def parse_accuracy(text: str | None) -> Accuracy | None:
    """METRIC=VALUE, such as top-1=0.902; InputError for anything else."""
    if text is None:
        return None
    metric, _, number = text.rpartition("=")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not metric.strip() or not math.isfinite(value):
        raise InputError(f"--accuracy {text}: METRIC=VALUE is wanted, as in top-1=0.902")
    return Accuracy(metric=metric.strip(), value=value)
