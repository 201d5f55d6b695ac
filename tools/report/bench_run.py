"""What a run of `mj bench` has beside what every run has."""

from __future__ import annotations

import msgspec

from .run_parts import DeviceState, Interval, Run


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """A new process up to its first result, in seconds: Python and NumPy imported, millijoule imported and the model
    loaded, the first inference. peak_bytes: the most memory that it took."""

    interpreter_s: float
    load_s: float
    first_s: float
    peak_bytes: int | None = None

    @property
    def seconds(self) -> float:
        return self.interpreter_s + self.load_s + self.first_s


class Starts(msgspec.Struct, frozen=True, kw_only=True):
    """warm: with the kernels in the cache. cold: with an empty cache, so that they are compiled; None where that was
    not asked for."""

    warm: Start
    cold: Start | None = None


class Stability(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the median is known well enough. precision: half of its confidence interval over the median, wanted: what
    that should be at most. stable: whether it is, None with one round, which does not tell."""

    stable: bool | None
    precision: float | None
    wanted: float
    rounds: int


class Paired(msgspec.Struct, frozen=True, kw_only=True):
    """One contender against the first, from rounds in which they took turns: its time over the first's. ratio: of the
    rounds' ratios the geometric mean with its interval, of ten and more without the fifth at either end; median: their
    median. differs:
    whether the interval leaves 1 out; None where it is not known."""

    name: str
    ratio: Interval
    median: float
    round_ratios: list[float]
    differs: bool | None


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """A minute of sustained load, the last one maybe shorter. start_s: since it began. Latencies in seconds."""

    start_s: float
    seconds: float
    calls: int
    median: float
    p90: float
    p99: float
    state: DeviceState


class Duty(msgspec.Struct, frozen=True, kw_only=True):
    """A load of so many inferences a second, with rest between them.

    rate: what was asked for; reached: what it was. late: inferences that began later than they should have. cpu_s: CPU
    time of one inference, all threads and what they spin included. Latencies in seconds.
    """

    rate: float
    reached: float
    seconds: float
    calls: int
    late: int
    median: float
    p90: float
    p99: float
    cpu_s: float
    samples: list[float] = []


class BenchRun(Run, frozen=True, kw_only=True, tag="bench"):
    """stability: of the model's median. paired: everything else against it. refused: peers that could not run it, and
    why. held: which peers keep to the target's instructions, where the CPU has more. numpy: steps that NumPy runs.
    sustained: minute by minute."""

    stability: Stability | None = None
    paired: list[Paired] = msgspec.field(default_factory=list)
    refused: dict[str, str] = msgspec.field(default_factory=dict)
    held: str | None = None
    numpy: dict[str, object] | None = None
    start: Starts | None = None
    sustained: list[Minute] = msgspec.field(default_factory=list)
    duty: Duty | None = None
