"""Run files: what was written is read again, whole; what is none is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from millijoule.runtime.errors import InputError
from millijoule.tools.report.bench_run import BenchRun, Duty, Minute, Paired, Stability, Start, Starts
from millijoule.tools.report.run_file import read_run, write_run
from millijoule.tools.report.run_parts import (
    VERSION,
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
)


def full_run() -> BenchRun:
    """Every part that there is."""
    state = DeviceState(celsius={"cpu": 45.5}, mhz={"cpu0": 1500.0}, governor="ondemand", throttled=["throttled now"])
    one = Interval(1.5, 1.25, None)
    return BenchRun(
        created="2026-01-01T00:00:00.000Z",
        command="mj bench [1,\n 2].mj",
        model=ModelFacts(name="a.mj", path="b/a.mj", sha256="0" * 64, target="numpy", threads=1, shapes={"x": [1, 2]}),
        machine=Machine(cpu="none", cores=1, usable_cpus=1),
        versions={"numba": None},
        settings={"seconds": 0.5, "name": "[\n1, 2\n]"},
        conditions=Conditions(before=state, after=state, others_cpus=0.5, preempted=3, waited_s=0.1),
        latency=[
            Latency(
                name="millijoule", median=1e-3, p90=2e-3, p99=3e-3, min=1e-4, mean=1e-3, calls=3,
                samples=[1e-3, 2.5e-5, 3.0],
            )
        ],
        layers=[Layer(index=0, operator="Add", node="a", kernel=None, macs=0, weight_bytes=1, data_bytes=2)],
        memory=MemoryMap(
            arena_bytes=64, lower_bound=64, weight_bytes=1, scratch_bytes=0,
            buffers=[Buffer(name="x", offset=0, size=8, first=0, last=1)],
        ),
        accuracy=Accuracy(metric="top-1", value=0.9),
        bounds=Bounds(macs_per_second={"i8": 1e9}, bytes_per_second=1e9),
        stability=Stability(stable=True, precision=0.01, wanted=0.01, rounds=5),
        paired=[Paired(name="b", ratio=one, median=1.5, round_ratios=[1.0, 2.0], differs=None)],
        start=Starts(warm=Start(interpreter_s=0.1, load_s=0.1, first_s=0.1)),
        sustained=[Minute(start_s=0, seconds=60, calls=1, median=1e-3, p90=2e-3, p99=3e-3, state=state)],
        duty=Duty(rate=10, reached=10, seconds=1, calls=10, late=0, cpu_s=1e-3, median=1e-3, p90=2e-3, p99=3e-3),
    )  # fmt: skip


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = str(tmp_path / "run.json")
    write_run(full_run(), path)
    assert read_run(path) == full_run()
    lines = Path(path).read_text().splitlines()
    assert any(line.endswith("[0.001, 0.000025, 3.0],") for line in lines), "numbers belong on one line"
    assert json.loads(Path(path).read_text())["kind"] == "bench"


def test_new_fields_are_passed_over_and_later_versions_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    known = msgspec.to_builtins(full_run())
    path.write_text(json.dumps(known | {"colour": "red"}))
    assert read_run(str(path)) == full_run()
    for change, said in (({"version": VERSION + 1}, "version"), ({"kind": "tea"}, "no run"), ({"model": 3}, "model")):
        path.write_text(json.dumps(known | change))
        with pytest.raises(InputError, match=said):
            read_run(str(path))
    path.write_bytes(b"\xff")
    with pytest.raises(InputError, match="no run file"):
        read_run(str(path))
