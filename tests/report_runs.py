"""Run files for tests of reports: figures that look like a network's, the same for the same seed."""

from __future__ import annotations

import random
from typing import Any

from millijoule.tools.report.bench_run import BenchRun, Duty, Minute, Paired, Start, Starts
from millijoule.tools.report.energy_run import (
    Battery,
    EnergyRun,
    Life,
    PerInference,
    Points,
    Power,
    SourceFacts,
    Stage,
    Way,
    Window,
)  # fmt: skip
from millijoule.tools.report.run_parts import (
    Accuracy,
    Bounds,
    Buffer,
    Conditions,
    DeviceState,
    Interval,
    Latency,
    Layer,
    Machine,
    MemoryMap,
    ModelFacts,
)  # fmt: skip

HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(1)>\"'&|`*_[x](y)\u202e=1+1"
"""A name as somebody writes it who wants a report to do something."""


def bench(
    seed: int = 0, layers: int = 12, name: str = "model.mj", accuracy: float | None = 0.9, samples: int = 400
) -> BenchRun:
    drawn = random.Random(seed)
    steps = [_layer(drawn, index) for index in range(layers)]
    base = sum(layer.seconds or 0 for layer in steps)
    return BenchRun(
        **_every_run(seed, name),
        latency=[
            _latency(drawn, name, "ours", base, samples),
            _latency(drawn, "onnxruntime", "peer", 1.7 * base, samples),
        ],
        layers=steps,
        memory=_memory(drawn, layers),
        accuracy=None if accuracy is None else Accuracy(metric="top-1", value=accuracy),
        bounds=Bounds(macs_per_second={"i8": 6.4e10, "f32": 3.2e10}, bytes_per_second=1.1e10),
        paired=[
            Paired(name="onnxruntime", ratio=Interval(1.71, 1.64, 1.78), median=1.7, round_ratios=[1.7], differs=True)
        ],
        start=Starts(warm=Start(interpreter_s=0.12, load_s=0.05, first_s=0.004, peak_bytes=60 << 20)),
        sustained=[_minute(drawn, number, base) for number in range(5)],
        duty=Duty(
            rate=30, reached=29.97, seconds=10, calls=300, late=2, median=base, p90=base * 1.1, p99=base * 2, cpu_s=base
        ),
    )  # fmt: skip


def energy(seed: int = 0, name: str = "model.mj", points: int = 2000) -> EnergyRun:
    drawn = random.Random(seed)
    load = [second // 2 % 2 == 1 for second in range(20)]
    watts: list[float | None] = [
        (3.8 if load[min(19, 20 * index // points)] else 2.1) + drawn.gauss(0, 0.06) for index in range(points)
    ]
    watts[points // 3] = None
    windows = [
        Window(number=number, kind="load" if load[2 * number] else "idle", start_s=2.0 * number, end_s=2.0 * number + 2,
               energy_uj=7.6e6 if load[2 * number] else 4.2e6, watts=3.8 if load[2 * number] else 2.1, samples=200,
               unseen_s=0.0, inferences=500 if load[2 * number] else None)
        for number in range(10)
    ]  # fmt: skip
    each = PerInference(total_mj=Interval(15.2, 15.0, 15.4), above_idle_mj=Interval(6.8, 6.6, 7.0), seconds=0.004)
    return EnergyRun(
        **_every_run(seed, name),
        source=SourceFacts(how="measured", name="ina3221", what="the whole board", whole=True, quantity="power",
                           resolution=0.005, rate=100.0, samples=points, notes=["read at 100 Hz"]),
        windows=windows, inferences=2500, joules=38.0, above_idle_j=17.0, per_inference=each,
        ways=[Way(name="stage 0 answers", share=0.8, per_inference=each)],
        stages=[Stage(name="stage 0", asked=0.8, total_mj=each.total_mj, above_idle_mj=None, mean_mj=12.2)],
        power=Power(idle=Interval(2.1, 2.09, 2.11), mean=3.8, peak=4.1),
        battery=Battery(watt_hours=10, lives=[Life(inferences_per_second=10, watts=2.17, hours=4.6, computed=True)]),
        trace=Points(seconds=[20 * index / points for index in range(points + 1)], watts=watts),
    )  # fmt: skip


def _every_run(seed: int, name: str) -> dict[str, Any]:
    cool, hot = (DeviceState(celsius={"cpu": degrees}, mhz={"0": 1500}) for degrees in (41.0, 63.5))
    return {
        "created": f"2026-11-{seed % 28 + 1:02}T10:00:00.000Z",
        "command": f"mj bench {name} -o run.json",
        "model": ModelFacts(
            name=name, path=name, sha256=f"{seed:064x}", target="aarch64-dotprod", threads=4, profile="raspberry-pi-5",
            shapes={"image": [1, 3, 224, 224]}, seed=0, macs=300_000_000,
        ),
        "machine": Machine(
            cpu="Cortex-A76", cores=4, usable_cpus=4, mhz=2400, governor="ondemand", memory_bytes=8 << 30,
            system="Linux 6.6 aarch64", load_average=0.1,
        ),
        "versions": {"python": "3.12.1", "millijoule": "0.1.0", "numpy": "2.1.0", "numba": None},
        "settings": {"rounds": 5, "seconds": 0.5},
        "warnings": ["the CPU was slowed down: it is too hot"],
        "conditions": Conditions(before=cool, after=hot, others_cpus=0.02),
    }  # fmt: skip


def _layer(drawn: random.Random, index: int) -> Layer:
    macs, data = round(10 ** drawn.uniform(5, 8)), round(10 ** drawn.uniform(4, 6))
    return Layer(
        index=index, operator=drawn.choice(["Conv", "Gemm", "Add", "Softmax"]), node=f"block{index}/conv",
        kernel=f"conv.pair({index})", macs=macs, weight_bytes=data // 3, data_bytes=data,
        seconds=macs / 10 ** drawn.uniform(9.5, 10.3), joules_above_idle=macs * 1.2e-11,
    )  # fmt: skip


def _latency(drawn: random.Random, name: str, kind: Any, base: float, count: int) -> Latency:
    samples = [base * (1 + abs(drawn.gauss(0, 0.03))) * (3 if drawn.random() < 0.01 else 1) for _ in range(count)]
    ranked = sorted(samples)
    median = ranked[count // 2]
    return Latency(
        name=name, kind=kind, median=median, p90=ranked[9 * count // 10], p99=ranked[99 * count // 100], min=ranked[0],
        mean=sum(samples) / count, calls=count, interval=Interval(median, median * 0.99, median * 1.01),
        samples=samples, cpu_s=3.1 * median,
    )  # fmt: skip


def _memory(drawn: random.Random, steps: int) -> MemoryMap:
    buffers = [
        Buffer(name=f"block{step}/conv", offset=(step % 3) << 18, size=drawn.randrange(1 << 16, 1 << 18), first=step,
               last=min(step + 2, steps - 1))
        for step in range(steps)
    ]  # fmt: skip
    return MemoryMap(arena_bytes=3 << 18, lower_bound=(3 << 18) - 1000, weight_bytes=3 << 20, scratch_bytes=1 << 16,
                     buffers=buffers, peak_bytes=70 << 20, numpy_bytes=30 << 20)  # fmt: skip


def _minute(drawn: random.Random, number: int, base: float) -> Minute:
    slow = base * (1 + 0.1 * number)
    return Minute(
        start_s=60.0 * number, seconds=60, calls=10_000, median=slow, p90=slow * 1.1, p99=slow * (1.3 + drawn.random()),
        state=DeviceState(celsius={"cpu": 50.0 + number}, throttled=["too hot"] if number > 3 else []),
    )  # fmt: skip
