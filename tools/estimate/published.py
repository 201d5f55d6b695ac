"""How wrong predictions have been: other engines' published figures, each predicted without being used.

Nobody has published figures of this engine on these boards, so that what is checked is how well a plan and a profile
tell apart networks, boards, numbers of threads and elements. How an engine does beside the prediction for our kernels,
its `Efficiency`, is fitted to other rows, never to the row that is predicted, nor to the same network on the same board
at another clock: to the rows of the same board, engine, arithmetic and kind of threading; where there are none, to
those of other boards; then to any of the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, log
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import msgspec

from .latency import clock
from .network import Element

if TYPE_CHECKING:
    from ...device_profiles import Profile
    from .estimate import Estimate

FILE: Final = Path(__file__).with_name("published.toml")


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    network: str
    element: Element
    ms: float
    watts: float | None = None
    mj: float | None = None


class _Set(msgspec.Struct, forbid_unknown_fields=True):
    engine: str
    source: str
    board: str
    threads: int
    rows: list[_Row]
    mhz: int | None = None
    as_if: str | None = None
    half: bool = False


class Record(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How wrong predictions are: factors, of all rows together."""

    rows: int
    latency_median: float
    latency_p90: float
    energy_rows: int
    energy_median: float


class _File(msgspec.Struct, forbid_unknown_fields=True):
    record: Record
    sets: list[_Set]


@dataclass(frozen=True)
class Row:
    """One published measurement. ms: of one inference. watts, mj: of the board while it ran, and in all. mhz: the
    clock, where it is not the profile's. as_if: the target whose kernels stand in for an engine's own, where ours has
    none. half: whether the engine computes networks of floats in half precision there."""

    engine: str
    source: str
    board: str
    threads: int
    network: str
    element: Element
    ms: float
    watts: float | None
    mj: float | None
    mhz: int | None
    as_if: str | None
    half: bool

    @property
    def arithmetic(self) -> str:
        """What the engine computes in."""
        return "f16" if self.half and self.element == "f32" else self.element


@dataclass(frozen=True)
class Check:
    """A row and its prediction. ratio: predicted over measured."""

    row: Row
    predicted: float
    measured: float

    @property
    def ratio(self) -> float:
        return self.predicted / self.measured

    @property
    def wrong_by(self) -> float:
        """The factor, at least 1."""
        return max(self.ratio, 1 / self.ratio)


def record() -> Record:
    return _file().record


def rows() -> list[Row]:
    found = _file()
    return [
        Row(s.engine, s.source, s.board, s.threads, r.network, r.element, r.ms, r.watts, r.mj, s.mhz, s.as_if, s.half)
        for s in found.sets
        for r in s.rows
    ]


def estimates(of: Sequence[Row]) -> list[Estimate]:
    """What our kernels would take for each row. Networks are planned once for each target and number of threads."""
    from ...device_profiles import load
    from ..models.plans import any_target, plan_program
    from .estimate import estimate_program
    from .networks import NETWORKS

    plans: dict[tuple[str, Element, str, int], tuple[object, int]] = {}
    found = []
    for row in of:
        profile = load(row.board)
        target = any_target(row.as_if or profile.target)
        key = row.network, row.element, str(target), row.threads
        if key not in plans:
            model = NETWORKS[row.network](row.element)
            shape = model.inputs["x"].shape
            assert shape is not None
            shapes = {"x": tuple(int(size) for size in shape)}
            plans[key] = plan_program(model, shapes, target, row.threads, profile.softmax_bytes, profile.strip_bytes)
        program, packed = plans[key]
        found.append(estimate_program(program, packed, _at(profile, row.mhz), target, row.threads))  # type: ignore[arg-type]
    return found


def check_latency(of: Sequence[Row], modelled: Sequence[Estimate], other_boards: bool = False) -> list[Check]:
    """Milliseconds. modelled: our kernels, row by row. other_boards: an engine's efficiency is taken from other boards
    alone, as for a board of which nothing was ever published."""
    checks = []
    for row, estimate in zip(of, modelled, strict=True):
        others = [
            (other, model)
            for other, model in zip(of, modelled, strict=True)
            if not _same(row, other) and not (other_boards and other.board == row.board)
        ]
        near = next((found for wanted in _NEARNESS if (found := [p for p in others if wanted(row, p[0])])), None)
        if near is not None:
            checks.append(Check(row, 1e3 * efficiency(near).seconds(estimate), row.ms))
    return checks


@dataclass(frozen=True)
class Efficiency:
    """How an engine does beside our prediction: `factor` times what our kernels would take, and so many cycles more for
    each layer."""

    factor: float
    layer_cycles: float

    def seconds(self, estimate: Estimate) -> float:
        return self.factor * estimate.seconds + self.layer_cycles * _layers(estimate) / clock(estimate.profile)


def efficiency(pairs: Sequence[tuple[Row, Estimate]]) -> Efficiency:
    """The one with the least squared logarithms of predicted over measured time; of fewer than three rows, a factor."""
    ours = [estimate.seconds for _, estimate in pairs]
    layers = [_layers(estimate) / clock(estimate.profile) for _, estimate in pairs]
    measured = [row.ms * 1e-3 for row, _ in pairs]
    middle_ours, middle_layers = _mean(ours), _mean(layers)
    best, least = Efficiency(_mean([t / m for t, m in zip(measured, ours, strict=True)]), 0.0), float("inf")
    for percent in range(101) if len(pairs) >= 3 else ():
        share = percent / 100
        shape = [(1 - share) * m / middle_ours + share * n / middle_layers for m, n in zip(ours, layers, strict=True)]
        ratios = [t / u for t, u in zip(measured, shape, strict=True)]
        scale = _mean(ratios)
        error = sum(log(ratio / scale) ** 2 for ratio in ratios)
        if error < least:
            least, best = error, Efficiency(scale * (1 - share) / middle_ours, scale * share / middle_layers)
    return best


def check_energy(of: Sequence[Row], modelled: Sequence[Estimate]) -> list[Check]:
    """Millijoules in all, of the rows that have them: the latency predicted as by `check_latency`, and the watts of a
    busy core taken from the board's other rows."""
    predicted = {id(check.row): check.predicted * 1e-3 for check in check_latency(of, modelled)}
    checks = []
    for row, estimate in zip(of, modelled, strict=True):
        if row.mj is None or row.watts is None:
            continue
        others = [(r, e) for r, e in zip(of, modelled, strict=True) if r.board == row.board and r.watts is not None
                  and not _same(row, r)]  # fmt: skip
        energy = estimate.profile.energy
        assert energy is not None and others
        core = sum(core_watts(r, e) for r, e in others) / len(others)
        seconds = predicted[id(row)]
        joules = (energy.idle_watts.value + core * row.threads) * seconds + _work_joules(estimate)
        checks.append(Check(row, 1e3 * joules, row.mj))
    return checks


def core_watts(row: Row, estimate: Estimate) -> float:
    """What one busy core took beside the arithmetic and bytes that the profile's coefficients say."""
    energy = estimate.profile.energy
    assert energy is not None and row.watts is not None
    return (row.watts - energy.idle_watts.value - _work_joules(estimate) / (row.ms * 1e-3)) / row.threads


def middle(checks: Sequence[Check]) -> float:
    """The median factor by which predictions are wrong."""
    return median(check.wrong_by for check in checks)


def _layers(estimate: Estimate) -> int:
    """Those that multiply."""
    return sum(step.work.macs > 0 for step in estimate.steps)


def _work_joules(estimate: Estimate) -> float:
    """Of arithmetic and bytes alone."""
    energy = estimate.profile.energy
    assert energy is not None and estimate.joules_above_idle is not None
    busy = sum(step.seconds * min(estimate.threads, step.work.parts) for step in estimate.steps)
    return estimate.joules_above_idle - energy.core_watts.value * busy


def _file() -> _File:
    return msgspec.toml.decode(FILE.read_bytes(), type=_File)


def _same(one: Row, other: Row) -> bool:
    """Whether one must not be used to predict the other."""
    return (one.board, one.engine, one.network, one.element, one.threads) == (
        other.board, other.engine, other.network, other.element, other.threads,
    )  # fmt: skip


_NEARNESS: Final[tuple[Callable[[Row, Row], bool], ...]] = (
    lambda a, b: (a.board, a.engine, a.arithmetic, a.threads > 1) == (b.board, b.engine, b.arithmetic, b.threads > 1),
    lambda a, b: (a.engine, a.arithmetic, a.threads > 1) == (b.engine, b.arithmetic, b.threads > 1),
    lambda a, b: a.engine == b.engine,
)


def _mean(values: Sequence[float]) -> float:
    return exp(sum(log(value) for value in values) / len(values))


def _at(profile: Profile, mhz: int | None) -> Profile:
    if mhz is None:
        return profile
    clusters = [msgspec.structs.replace(profile.cluster, mhz=mhz), *profile.clusters[1:]]
    return msgspec.structs.replace(profile, clusters=clusters)
