"""How each network is trained, and where what comes of it lies."""

from __future__ import annotations

import dataclasses
import math
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Recipe:
    """SGD with Nesterov momentum; the learning rate rises in a line, then falls as a cosine to zero."""

    epochs: int
    rate: float = 0.1
    """The highest learning rate."""
    warm_up: float = 0.2
    """The share of all steps in which the learning rate rises."""
    momentum: float = 0.9
    decay: float = 5e-4
    """Of weights; not of biases and batch norms."""
    batch: int = 128
    smoothing: float = 0.0
    """Of labels. None for a large network: with it, it teaches less (Müller et al. 2019)."""
    teacher_share: float = 0.0
    """Of the loss, from the large network's answers; the rest is from the labels."""
    temperature: float = 3.0
    """Of both softmaxes between teacher and pupil."""
    bfloat16: bool = True
    """Whether it is computed in bfloat16 while it is trained, where the processor has instructions for that."""

    def rate_at(self, step: int, steps: int) -> float:
        """The learning rate of `step` of `steps`, both counted from the start of the first epoch."""
        rising = max(1, round(self.warm_up * steps))
        if step < rising:
            return self.rate * (step + 1) / rising
        return self.rate * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


VIEWS = 24
"""A pupil sees so many views of the training set over and over, so that the teacher is asked only that often."""

LARGE = {"fashion_mnist": Recipe(epochs=40), "cifar10": Recipe(epochs=60)}
SMALL_EPOCHS = {
    "fashion_mnist": {
        "plain": 24, "residual": 44, "mobile": 12, "mixer": 12, "tiny": 24, "broad": 44,
    },
    "cifar10": {"plain": 24, "residual": 48, "mobile": 12, "mixer": 12, "tiny": 24, "pooled": 80, "narrow": 72},
}  # fmt: skip
"""Those of depthwise convolutions over many channels take two to five times as long for an epoch. The two of each
data set that make the pair are trained longest."""
IN_BFLOAT16 = ("plain", "residual", "mixer", "pooled", "narrow", "broad")
"""The small networks that are trained faster so; depthwise convolutions by themselves are not."""


def recipe(dataset: str, network: str, teacher: str) -> Recipe:
    """teacher: "large", or "none" where a small network learns from the labels only."""
    if network == "large":
        return LARGE[dataset]
    alone = Recipe(SMALL_EPOCHS[dataset][network], decay=1e-4, bfloat16=network in IN_BFLOAT16)
    if teacher == "large":
        return dataclasses.replace(alone, teacher_share=0.9)
    return dataclasses.replace(alone, smoothing=0.05)


def state_folder() -> Path:
    """For checkpoints, logs and the teacher's answers."""
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home) / "millijoule" / "dual_cnn"
