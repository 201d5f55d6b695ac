"""What a run of `mj energy` has beside what every run has; docs/energy.md goes through it field by field."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from .run_parts import Interval, Run

MOST_POINTS: Final = 20000
"""Of the power over time; of more, neighbours are added up."""


class SourceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Where the numbers come from.

    how: whether they were measured now, replayed from a recording, or computed by a model. name, what: the sensor, and
    what its number covers. whole: whether that is everything the device takes; None where not known. quantity: what it
    gives. resolution: its smallest step, watts or joules; None where not known. rate: samples a second. samples,
    failures, missed: how many were taken, gave no number, came too late. reading_cpu_s: CPU time of one reading; None
    where not known. notes: what a reader of the figures should know.
    """

    how: Literal["measured", "replayed", "modelled"]
    name: str
    what: str
    whole: bool | None
    quantity: Literal["power", "energy"]
    resolution: float | None
    rate: float
    samples: int
    failures: int = 0
    missed: int = 0
    reading_cpu_s: float | None = None
    notes: list[str] = []


Kind = Literal["load", "idle", "window", "between"]


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time. start_s, end_s: seconds since the run's first. samples: intervals of the trace that lie in it
    whole. unseen_s: seconds for which the power beside them was taken. inferences: None where not known.
    way: of a cascade, which of the run's ways."""

    number: int
    kind: Kind
    start_s: float
    end_s: float
    energy_uj: float
    watts: float
    samples: int
    unseen_s: float
    inferences: int | None = None
    way: int | None = None


class PerInference(msgspec.Struct, frozen=True, kw_only=True):
    """Millijoules of one inference, in total and above idle, and seconds."""

    total_mj: Interval
    above_idle_mj: Interval | None
    seconds: float


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One of the ways that a cascade's inference may go, and which share of the inputs goes it."""

    name: str
    share: float
    per_inference: PerInference


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a cascade: a stage, or its memory.

    asked: the share of the inputs that asks it; of the memory, that it answers. total_mj, above_idle_mj: what it takes
    each time. mean_mj: its part of the mean inference.
    """

    name: str
    asked: float
    total_mj: Interval
    above_idle_mj: Interval | None
    mean_mj: float


class Power(msgspec.Struct, frozen=True, kw_only=True):
    """Watts: at rest, the mean and the highest sample under load."""

    idle: Interval | None
    mean: float
    peak: float


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """How long a battery lasts at a rate of inferences. computed: from the energy above idle and the idle power, not
    measured at that rate."""

    inferences_per_second: float
    watts: float
    hours: float
    computed: bool


class Battery(msgspec.Struct, frozen=True, kw_only=True):
    watt_hours: float
    lives: list[Life]


class Points(msgspec.Struct, frozen=True, kw_only=True):
    """Power over time: mean watts between two times; None where it is not known."""

    seconds: list[float]
    watts: list[float | None]


class EnergyRun(Run, frozen=True, kw_only=True, tag="energy"):
    """windows: those that count, in order of time. between: those of a recording that lie between them. inferences,
    joules: of all windows but the idle ones together. above_idle_j: what of that is above idle. ways: of a cascade,
    what per_inference is the mean of; in the windows each way has as long as the others. stages: the same by stages and
    memory, which add up to the mean."""

    source: SourceFacts
    windows: list[Window]
    between: list[Window] = msgspec.field(default_factory=list)
    inferences: int | None
    joules: float
    above_idle_j: float | None
    per_inference: PerInference | None
    ways: list[Way] = msgspec.field(default_factory=list)
    stages: list[Stage] = msgspec.field(default_factory=list)
    power: Power
    battery: Battery | None
    trace: Points
