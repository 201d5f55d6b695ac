"""How true a quantized model stayed to the float one, measured on samples that nothing was chosen by."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

FIT, DOUBTFUL, UNFIT = "fit", "doubtful", "not fit"
AGREEMENT = (0.98, 0.9)
"""From which share of samples with the same best class a classifier is fit, and from which it is doubtful."""
SIGNAL = (20.0, 10.0)
"""The same for other outputs: decibels of signal to quantization noise."""


def decibels(signal: float, noise: float) -> float:
    """Of two energies; infinite where there is no noise, or else nothing but noise."""
    if not noise:
        return math.inf
    return 10 * math.log10(signal / noise) if signal and noise < math.inf else -math.inf


@dataclass(frozen=True, slots=True)
class LayerFidelity:
    """A tensor of the quantized model beside the float one's. sqnr: signal to quantization noise in dB, in which the
    layers before it have a part; infinite where nothing differs."""

    name: str
    operator: str
    sqnr: float


@dataclass(frozen=True, slots=True)
class OutputFidelity:
    """sqnr: in dB, over all samples. cosine: the mean over samples. agreed: samples whose largest element has the same
    place in both, None where the output is no list of scores."""

    name: str
    sqnr: float
    cosine: float
    agreed: int | None
    samples: int

    @property
    def agreement(self) -> float | None:
        """Share of the samples with the same best class."""
        return None if self.agreed is None else self.agreed / max(self.samples, 1)

    @property
    def verdict(self) -> str:
        value, limits = (self.sqnr, SIGNAL) if self.agreement is None else (self.agreement, AGREEMENT)
        return FIT if value >= limits[0] else DOUBTFUL if value >= limits[1] else UNFIT


@dataclass(frozen=True, slots=True)
class Trade:
    """What a choice of levels for the layers costs and loses, on samples that it was chosen by. cost: in bytes, seconds
    or joules. loss: mean over samples, in nats of divergence where the output is scores, else the share of the output's
    energy that is noise. agreement: share of the samples with the same best class, None where no output is scores.
    layers: how many there are of each level."""

    cost: float
    loss: float
    agreement: float | None
    layers: dict[str, int]


@dataclass(frozen=True, slots=True)
class Fidelity:
    """samples: how many were measured. held_out: whether none of them was calibrated with. layers: in the order of
    computation. kept: layers that the search left in float to reach the agreement asked for. levels: under a
    budget, how each layer is stored and computed. budget: what is limited. cost: what of it the model takes. front:
    what else was met under the budget that nothing cheaper betters, the cheapest first. notes: what else a user has to
    know."""

    samples: int
    held_out: bool
    outputs: list[OutputFidelity] = field(default_factory=list)
    layers: list[LayerFidelity] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    levels: dict[str, str] = field(default_factory=dict)
    budget: str = ""
    cost: float = 0.0
    front: list[Trade] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """The worst output's."""
        found = {output.verdict for output in self.outputs}
        return next((verdict for verdict in (UNFIT, DOUBTFUL) if verdict in found), FIT)

    @property
    def agreement(self) -> float:
        """Least share of samples with the same best class, over the outputs that are scores; of a model without such
        outputs the least cosine."""
        shares = [output.agreement for output in self.outputs if output.agreement is not None]
        return min(shares or [output.cosine for output in self.outputs], default=1.0)

    def worst(self, count: int) -> list[LayerFidelity]:
        """The layers that lost most, the worst first."""
        return sorted(self.layers, key=lambda layer: layer.sqnr)[:count]
