"""The fewest layers in float with which a model agrees with its original as often as the user asks.

Layers are ordered by what each gains, measured with the layer alone kept in float; the shortest head of that order
that agrees often enough is found by bisection, and then each layer of it is tried as integers again, as layers that
gain alone may be needless together. Only samples of the calibration are looked at: those that judge choose nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...runtime.fidelity import Fidelity
from .gate import measure
from .levels import FLOAT
from .quantizer import Quantizer

LOOKED_AT = 96
"""Samples by which layers are chosen, at most."""

Measure = Callable[[Sequence[str]], Fidelity]


def fewest_in_float(quantizer: Quantizer, wanted: float, say: Callable[[int, int, str], None]) -> list[str]:
    """First outputs of the nodes to keep; all that there are where even those do not suffice."""
    samples = quantizer.tuning(LOOKED_AT)

    def measured(kept: Sequence[str]) -> Fidelity:
        model, _ = quantizer.model(dict.fromkeys(kept, FLOAT))
        return measure(quantizer.original, model, [], samples, False, say, quantizer.factors)

    return search(quantizer.products, measured, wanted, say)


def search(layers: Sequence[str], measured: Measure, wanted: float, say: Callable[[int, int, str], None]) -> list[str]:
    """measured: what keeping these layers gives."""
    if measured([]).agreement >= wanted:
        return []
    gains = {}
    for place, layer in enumerate(layers):
        say(place, len(layers), f"measuring {layer} in float")
        gains[layer] = min((output.sqnr for output in measured([layer]).outputs), default=0.0)
    ordered = sorted(layers, key=lambda layer: -gains[layer])
    low, high = 1, len(ordered)
    while low < high:
        middle = (low + high) // 2
        if measured(ordered[:middle]).agreement >= wanted:
            high = middle
        else:
            low = middle + 1
    kept = ordered[:low]
    for layer in reversed(ordered[: low - 1]):
        fewer = [each for each in kept if each != layer]
        if measured(fewer).agreement >= wanted:
            kept = fewer
    return kept
