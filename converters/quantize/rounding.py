"""Weights rounded up or down so that the layer's outputs, and not the weights, change the least.

Each weight may take the integer below or above it. One after the other is set to what leaves the least squared error of
the outputs given all the others, sweep after sweep: coordinate descent on the objective of AdaRound (Nagel et al.,
arXiv 2004.10568), which it solves without gradients or a learning rate, as QuantEase does (arXiv 2309.01885).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SWEEPS = 4
DAMPING = 0.01
"""Share of the inputs' mean power that is added to each of them, so that few samples are not taken too literally."""
MOST_WORK = 40_000_000_000
"""Multiply-adds that one layer's rounding may take; larger ones are rounded to the nearest integer."""


@dataclass(slots=True)
class Moments:
    """Sums over positions of what outputs read: found (what the quantized layer reads) and wanted (what the float one
    does). square: found x found, cross: found x wanted, both (groups, inputs, inputs)."""

    square: np.ndarray
    cross: np.ndarray
    found: np.ndarray
    wanted: np.ndarray
    count: int = 0

    @staticmethod
    def zeros(groups: int, inputs: int) -> Moments:
        shape = (groups, inputs, inputs)
        return Moments(np.zeros(shape), np.zeros(shape), np.zeros(shape[:2]), np.zeros(shape[:2]))

    def add(self, found: np.ndarray, wanted: np.ndarray) -> None:
        """(groups, positions, inputs) of one sample."""
        turned = found.transpose(0, 2, 1)
        self.square += turned @ found
        self.cross += turned @ wanted
        self.found += found.sum(1, dtype=np.float64)
        self.wanted += wanted.sum(1, dtype=np.float64)
        self.count += found.shape[1]

    def centred(self) -> tuple[np.ndarray, np.ndarray]:
        """square and cross about the means, as the bias takes up what the means differ by."""
        n = max(self.count, 1)
        return (
            self.square - self.found[:, :, None] * self.found[:, None, :] / n,
            self.cross - self.found[:, :, None] * self.wanted[:, None, :] / n,
        )


def work(groups: int, outputs: int, inputs: int) -> int:
    """Multiply-adds of the sweeps over one layer, at most."""
    return SWEEPS * groups * outputs * inputs * inputs


def best_rounding(w: np.ndarray, scale: np.ndarray, moments: Moments, limit: int) -> np.ndarray:
    """Integers within -limit..limit for weights w (groups, outputs, inputs), scale (groups, outputs, 1)."""
    square, cross = moments.centred()
    damping = DAMPING * np.einsum("gii->gi", square).mean(1)
    square += damping[:, None, None] * np.eye(square.shape[1])
    real, step = w.astype(np.float64), scale.astype(np.float64)
    wanted = real @ cross.transpose(0, 2, 1) + damping[:, None, None] * real
    low, high = np.clip(np.floor(real / step), -limit, limit), np.clip(np.ceil(real / step), -limit, limit)
    steps = np.clip(np.rint(real / step), -limit, limit)
    slope = (steps * step) @ square - wanted
    power = np.einsum("gii->gi", square)
    for _ in range(SWEEPS):
        changed = False
        for column in np.argsort(-power.sum(0)):
            own = power[:, None, column]
            usable = own > 0
            aim = (
                steps[:, :, column] - np.where(usable, slope[:, :, column], 0) / np.where(usable, own, 1) / step[..., 0]
            )
            fresh = np.clip(np.rint(aim), low[:, :, column], high[:, :, column])
            group, output = np.nonzero(fresh != steps[:, :, column])
            if not group.size:
                continue
            changed = True
            moved = (fresh - steps[:, :, column])[group, output] * step[group, output, 0]
            slope[group, output] += moved[:, None] * square[group, column]
            steps[group, output, column] = fresh[group, output]
        if not changed:
            break
    return steps
