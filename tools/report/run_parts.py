"""What run files of every kind are made of; docs/runs.md goes through them field by field."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

VERSION: Final = 2
MOST_SAMPLES: Final = 5000
"""Latencies of one contender; of more, every so many-th is kept."""


class Interval(msgspec.Struct, frozen=True):
    """A figure, and the bounds that it lies between with a confidence of 95 %; None where they are not known."""

    value: float
    low: float | None
    high: float | None


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The computer that was measured. mhz: of its first cluster at most. system: kernel and architecture."""

    cpu: str
    cores: int
    usable_cpus: int
    mhz: int | None = None
    governor: str | None = None
    memory_bytes: int | None = None
    system: str = ""
    load_average: float | None = None


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What was run. name: the file's, without its folder. path: as it was named. sha256: of the file. shapes: of the
    inputs. seed: of the random numbers that were fed; None where nothing was. macs: multiply-adds of one inference;
    int8_macs: those of quantized integers."""

    name: str
    path: str
    sha256: str
    target: str
    threads: int
    profile: str | None = None
    shapes: dict[str, list[int]] = {}
    seed: int | None = None
    macs: int | None = None
    int8_macs: int | None = None


class DeviceState(msgspec.Struct, frozen=True, kw_only=True):
    """A computer at one moment.

    celsius: temperatures by zone. mhz: clocks by CPU, limit_mhz: what they may be now, where the system tells.
    throttled: in words, what holds the clocks down now or has since boot. throttle_events: counters of such events.
    """

    celsius: dict[str, float] = {}
    mhz: dict[str, float] = {}
    limit_mhz: dict[str, float] = {}
    governor: str | None = None
    throttled: list[str] = []
    throttle_events: dict[str, int] = {}


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """What it was measured under.

    others_cpus: CPUs that other programs kept busy. preempted: how often the system took a CPU away from this process.
    waited_s: seconds that its threads were ready and had none. None where not known.
    """

    before: DeviceState | None = None
    after: DeviceState | None = None
    others_cpus: float | None = None
    preempted: int | None = None
    waited_s: float | None = None


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of one inference of one contender.

    interval: of the median, from how the rounds' medians scatter. samples: of calls in their order, thinned to
    MOST_SAMPLES. cpu_s: CPU time of one inference, all threads together.
    """

    name: str
    kind: Literal["ours", "peer"] = "ours"
    median: float
    p90: float
    p99: float
    min: float
    mean: float
    calls: int
    interval: Interval | None = None
    round_medians: list[float] = []
    samples: list[float] = []
    cpu_s: float | None = None


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the program, which is a kernel with all that is fused into it.

    kernel: its name, None where NumPy runs the step. macs: multiply-adds, of a node with several steps in the first.
    weight_bytes: of constants that it reads; data_bytes: of activations that it reads and writes. seconds: measured;
    of a modelled run, predicted. joules_above_idle: modelled from the profile's coefficients; None where it has none.
    """

    index: int
    operator: str
    node: str
    kernel: str | None
    macs: int
    weight_bytes: int
    data_bytes: int
    seconds: float | None = None
    joules_above_idle: float | None = None


class Buffer(msgspec.Struct, frozen=True, kw_only=True):
    """A block of the arena. name: the input or output that it holds, or the node that writes it. It lives from step
    first to step last, both included."""

    name: str
    offset: int
    size: int
    first: int
    last: int


class MemoryMap(msgspec.Struct, frozen=True, kw_only=True):
    """The arena over the steps, and other memory. lower_bound: bytes alive at the busiest step. weight_bytes: packed.
    scratch_bytes: of all threads. peak_bytes: the most that a process of its own took that loads and runs the model;
    numpy_bytes: what it took before, with Python and NumPy alone."""

    arena_bytes: int
    lower_bound: int
    weight_bytes: int
    scratch_bytes: int
    buffers: list[Buffer]
    peak_bytes: int | None = None
    numpy_bytes: int | None = None


class Accuracy(msgspec.Struct, frozen=True, kw_only=True):
    """As the user gave it: nothing here measures it. metric: such as top-1. value: 0.902 for 90.2 %."""

    metric: str
    value: float


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What this CPU does at most, one thread: multiply-adds a second in a register tile of the target, by element
    ("i8", "f32"), and bytes a second from memory. For a roofline."""

    macs_per_second: dict[str, float]
    bytes_per_second: float


class Run(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """What every kind of run has.

    created: when it began (UTC, ISO 8601). command: the command line. machine, model: None where nothing was run.
    settings: how it was asked for. latency: the model first, then what it was compared with. layers: in their order.
    """

    version: int = VERSION
    created: str
    command: str
    model: ModelFacts | None
    machine: Machine | None
    versions: dict[str, str | None]
    settings: dict[str, Any]
    warnings: list[str] = []
    conditions: Conditions | None = None
    latency: list[Latency] = []
    layers: list[Layer] = []
    memory: MemoryMap | None = None
    accuracy: Accuracy | None = None
    bounds: Bounds | None = None
