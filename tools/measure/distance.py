"""How far two arrays are from each other, whatever each of them stores."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...runtime.fidelity import decibels
from ...runtime.graph import Quantization
from ...runtime.ops import integer

FLIP = 128


@dataclass(frozen=True, slots=True)
class Distance:
    """max_abs, largest: of the differences and of the wanted numbers, in real numbers. snr: in dB, infinite where all
    are equal.

    max_quanta, mean_quanta: differences in steps of the quantization, None where the numbers are not quantized.
    """

    max_abs: float
    largest: float
    snr: float
    max_quanta: float | None = None
    mean_quanta: float | None = None

    @staticmethod
    def endless() -> Distance:
        """Of arrays that cannot be compared."""
        return Distance(float("inf"), 0.0, float("-inf"))

    @property
    def relative(self) -> float:
        """max_abs as a share of the largest magnitude."""
        if self.max_abs == 0:
            return 0.0
        return self.max_abs / self.largest if self.largest else float("inf")

    def within(self, tolerance: float, quanta: float) -> bool:
        """Quantized integers: by mean quanta. Others: relative to the largest magnitude."""
        return self.relative <= tolerance if self.mean_quanta is None else self.mean_quanta <= quanta

    def worse(self, other: Distance) -> Distance:
        """The worst of both in every respect."""
        return replace(
            self,
            max_abs=max(self.max_abs, other.max_abs),
            largest=min(self.largest, other.largest),
            snr=min(self.snr, other.snr),
            max_quanta=_larger(self.max_quanta, other.max_quanta),
            mean_quanta=_larger(self.mean_quanta, other.mean_quanta),
        )


def distance(found: np.ndarray, wanted: np.ndarray, quant: Quantization | None) -> Distance:
    """found: ours; integers stand for what quant says. wanted: the oracle's: the same integers, the same + 128 in
    uint8 where ours are int8, or real numbers. Both of one shape. quant of real numbers: of the integers they were."""
    if found.size == 0:
        return Distance(0.0, 0.0, float("inf"))
    if quant is None:
        return _between(found.astype(np.float64), wanted.astype(np.float64))
    if wanted.dtype.kind == "f":
        scale = quant.along(found.ndim)[0].astype(np.float64)
        reals = (found if found.dtype.kind == "f" else integer.dequantize(found, quant)).astype(np.float64)
        return _in_quanta(_between(reals, wanted.astype(np.float64)), (reals - wanted) / scale)
    shift = FLIP if found.dtype == np.int8 and wanted.dtype == np.uint8 else 0
    stored = wanted.astype(np.int64) - shift
    scale, zero = (part.astype(np.float64) for part in quant.along(found.ndim))
    reals, expected = ((numbers - zero) * scale for numbers in (found.astype(np.float64), stored.astype(np.float64)))
    return _in_quanta(_between(reals, expected), (found.astype(np.int64) - stored).astype(np.float64))


def _between(found: np.ndarray, wanted: np.ndarray) -> Distance:
    """NaN for NaN, and an infinity for the same one, count as equal; anything else beside them is infinitely far."""
    same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    with np.errstate(invalid="ignore"):
        difference = np.where(same, 0.0, found - wanted)
    difference = np.where(np.isfinite(difference), difference, np.inf)
    finite = wanted[np.isfinite(wanted)]
    noise, signal = float(np.square(difference).sum()), float(np.square(finite).sum())
    return Distance(float(np.abs(difference).max()), float(np.abs(finite).max(initial=0.0)), decibels(signal, noise))


def _in_quanta(found: Distance, difference: np.ndarray) -> Distance:
    steps = np.abs(difference)
    return replace(found, max_quanta=float(steps.max()), mean_quanta=float(steps.mean()))


def _larger(a: float | None, b: float | None) -> float | None:
    return b if a is None else a if b is None else max(a, b)
