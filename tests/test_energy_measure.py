"""From power over time to joules an inference: figures whose truth is known."""

from __future__ import annotations

import math
import os
import threading
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from millijoule.runtime.errors import InputError
from millijoule.tools.energy import battery_life, evaluate, load, measure, recorder
from millijoule.tools.energy.points import shorten
from millijoule.tools.energy.stream import StreamRecorder
from millijoule.tools.measure import disturbance, statistics
from millijoule.tools.report.run_parts import Interval
from millijoule.tools.sensors.proof import Proof
from millijoule.tools.sensors.recordings.format import Settings
from millijoule.tools.sensors.source import Facts, ReadError, SensorError
from millijoule.tools.sensors.trace import Trace

IDLE, BUSY = 2.65, 3.49
MILLISECONDS = 4.43
"""A Pi 4 with the zoo's MobileNet, as published: 15.4 mJ an inference, 3.7 above idle."""


def facts(quantity: str = "power", fastest: float = 1000.0, resolution: float = 0.01) -> Facts:
    return Facts(name="fake", what="a fake", quantity=quantity, whole=True, resolution=resolution, fastest=fastest)  # type: ignore[arg-type]


def course(rounds: int, count: int, rest: float = 2.0) -> tuple[list[load.Window], list[load.Window]]:
    """Windows of load with so many inferences each, and those of rest around them."""
    loads, idles, at = [], [], 0.5
    for _ in range(rounds):
        idles.append(load.Window(at, at + rest))
        start = at + rest
        at = start + count * MILLISECONDS * 1e-3
        loads.append(load.Window(start, at, count, at - start))
    return loads, [*idles, load.Window(at, at + rest)]


def sampled(loads: list[load.Window], end: float, rate: float, noise: float = 0.0, seed: int = 0) -> Trace:
    random = np.random.default_rng(seed)
    times = np.arange(0, end + 1, 1 / rate) + 0.013
    busy = np.zeros(len(times), bool)
    for window in loads:
        busy |= (times >= window.start) & (times < window.end)
    return Trace.of_power(times, np.where(busy, BUSY, IDLE) + random.normal(0, noise, len(times)))


@pytest.mark.parametrize(("rate", "count"), [(1000.0, 200), (100.0, 500), (4.3, 1000)])
def test_a_slow_meter_measures_short_inferences_by_counting(rate: float, count: int) -> None:
    """At 4.3 Hz, the bench supply of the published figures, a window holds 19 samples and 1000 inferences."""
    loads, idles = course(5, count)
    trace = sampled(loads, idles[-1].end, rate, noise=0.01)
    found = evaluate.evaluate(measure.Measured(trace, loads, idles), facts(fastest=rate))
    each = found.per_inference
    truth, above = BUSY * MILLISECONDS, (BUSY - IDLE) * MILLISECONDS
    assert each.above_idle_mj is not None and each.seconds == pytest.approx(MILLISECONDS / 1e3)
    for interval, wanted in ((each.total_mj, truth), (each.above_idle_mj, above)):
        assert interval.low is not None and interval.high is not None
        assert interval.low < wanted < interval.high and interval.value == pytest.approx(wanted, rel=0.01)
        assert interval.high - interval.low < 0.2 * wanted
    assert found.joules == pytest.approx(5 * count * truth / 1e3, rel=0.01)
    assert found.above_idle == pytest.approx(5 * count * above / 1e3, rel=0.01)
    assert found.power.mean == pytest.approx(BUSY, rel=0.01) and found.power.peak == pytest.approx(BUSY, abs=0.06)
    assert not found.warnings


def test_slower_sensors_are_less_sure() -> None:
    widths = []
    for rate in (1000.0, 10.0, 4.3):
        loads, idles = course(5, 1000)
        trace = sampled(loads, idles[-1].end, rate)
        above = evaluate.evaluate(
            measure.Measured(trace, loads, idles), facts(fastest=rate)
        ).per_inference.above_idle_mj
        assert above is not None and above.low is not None and above.high is not None
        widths.append(above.high - above.low)
    assert widths == sorted(widths) and widths[-1] > 3 * widths[0]


def test_coarse_steps_are_part_of_the_uncertainty() -> None:
    loads, idles = course(5, 1000)
    trace = sampled(loads, idles[-1].end, 100)
    steps = [
        evaluate.evaluate(measure.Measured(trace, loads, idles), facts(resolution=step)).per_inference.total_mj
        for step in (0.001, 0.5)
    ]
    # Half a watt has a standard uncertainty of 0.5 / sqrt(12).
    wide = steps[1].high - steps[1].value  # type: ignore[operator]
    assert wide == pytest.approx(1.96 * 0.5 / math.sqrt(12) * MILLISECONDS, rel=0.02)
    assert wide > 5 * (steps[0].high - steps[0].value)  # type: ignore[operator]


def test_counters_are_differences() -> None:
    loads, idles = course(3, 500)
    times = np.arange(0, idles[-1].end + 1, 0.01)
    busy = sum(np.clip(times - window.start, 0, window.seconds) for window in loads)
    trace = Trace.of_energy(times, IDLE * times + (BUSY - IDLE) * np.asarray(busy))
    found = evaluate.evaluate(measure.Measured(trace, loads, idles), facts("energy", 100, 61e-6))
    assert found.per_inference.total_mj.value == pytest.approx(BUSY * MILLISECONDS, rel=2e-3)
    assert found.power.idle is not None and found.power.idle.value == pytest.approx(IDLE)


def test_idle_power_that_drifts_is_taken_out_and_said() -> None:
    loads, idles = course(5, 1000)
    trace = sampled(loads, idles[-1].end, 100)
    drift = 0.02 * (trace.times[:-1] + trace.times[1:]) / 2
    drifting = Trace(trace.times, trace.joules + drift * np.diff(trace.times), trace.lost)
    found = evaluate.evaluate(measure.Measured(drifting, loads, idles), facts())
    assert found.per_inference.above_idle_mj is not None
    assert found.per_inference.above_idle_mj.value == pytest.approx((BUSY - IDLE) * MILLISECONDS, rel=0.01)
    assert any("idle power changed" in text for text in found.warnings)


def test_what_is_wrong_is_said() -> None:
    loads, idles = course(5, 100)
    trace = sampled(loads, idles[-1].end, 5)
    found = evaluate.evaluate(measure.Measured(trace, loads, idles), facts(fastest=5), rate=1000.0)
    assert any("samples: use a longer" in text for text in found.warnings)
    assert any("1000 inferences a second do not fit" in text for text in found.warnings)
    disturbed = measure.Measured(trace, loads, idles, disturbance.Meddling(0.42, None, None, 1.0))
    assert any("0.4 CPUs busy" in text for text in evaluate.evaluate(disturbed, facts()).warnings)
    flat = Trace.of_power(trace.times, np.full(len(trace.times), 2.0))
    found = evaluate.evaluate(measure.Measured(flat, loads, idles), facts())
    assert any("cannot be told from rest" in text for text in found.warnings)


def test_a_sensor_that_falls_silent_is_no_measurement() -> None:
    loads, idles = course(5, 1000)
    trace = sampled(loads, loads[-1].start + 1, 100)
    with pytest.raises(SensorError, match="silent"):
        evaluate.evaluate(measure.Measured(trace, loads, idles), facts())


def test_how_busy_others_keep_the_cpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ticks of user, nice, system, idle, iowait, irq, softirq, steal, and guests, which are in user's."""
    stat, clock, own = tmp_path / "stat", iter([100.0, 110.0]), iter([5.0, 8.0])
    fake = SimpleNamespace(monotonic=lambda: next(clock), process_time=lambda: next(own))
    monkeypatch.setattr(disturbance, "time", fake)
    hertz = os.sysconf("SC_CLK_TCK")
    stat.write_text("cpu  100 0 50 7000 30 0 0 0 100 0\ncpu0 1 2 3\n")
    others = disturbance.Others(stat)
    stat.write_text(f"cpu  {100 + 6 * hertz} 0 {50 + hertz} 9000 90 0 {hertz} 0 {100 + 6 * hertz} 0\ncpu0 1 2 3\n")
    assert others.cpus() == pytest.approx((8 - 3) / 10)


def test_where_nothing_tells_of_others(tmp_path: Path) -> None:
    assert disturbance.Others(tmp_path / "stat").cpus() is None
    (tmp_path / "stat").write_text("intr 5\n")
    assert disturbance.Others(tmp_path / "stat").cpus() is None


class Fake:
    """2 W, and 5 W while `working` is set. every: of so many readings one fails."""

    lost = 0

    def __init__(self, every: int = 0) -> None:
        self.facts = facts()
        self.working = threading.Event()
        self.closed, self._every, self._count = False, every, 0

    def read(self) -> float:
        self._count += 1
        if self._every and self._count % self._every == 0:
            raise ReadError("nothing")
        return 5.0 if self.working.is_set() else 2.0

    def close(self) -> None:
        self.closed = True


class Stepper(Fake):
    """An energy that grows by a joule a reading, and is lost at the tenth."""

    def __init__(self) -> None:
        super().__init__()
        self.facts = facts("energy")

    @property
    def lost(self) -> int:  # type: ignore[override]
        return int(self._count >= 10)

    def read(self) -> float:
        self._count += 1
        return float(self._count)


PROOF = Proof(2.0, 1e-5, 1e-5, 200.0)


def test_the_thread_reads_no_faster_than_the_sensor_is() -> None:
    assert recorder.SensorRecorder(Fake(), PROOF).rate == recorder.USUAL_RATE
    assert recorder.SensorRecorder(Fake(), PROOF, 1e6).rate == 200
    assert recorder.SensorRecorder(Fake(), PROOF, 5).rate == 5


def test_a_load_beside_a_sensor() -> None:
    """The sensor's own idea of when it worked is the truth, so that a busy computer changes nothing but the times."""
    sensor = Fake()
    sampling = recorder.SensorRecorder(sensor, PROOF, 200)
    calls: list[float] = []

    def invoke() -> None:
        calls.append(time.monotonic())
        sensor.working.set()
        time.sleep(0.005)
        sensor.working.clear()

    found = measure.measure(sampling, [invoke], measure.Plan(3, 0.3))
    sampling.close()
    assert sensor.closed and len(found.loads) == 3 and len(found.idles) == 4
    for window in found.loads:
        assert window.inferences == sum(window.start <= call < window.end for call in calls) > 0
    ordered = [window for pair in zip(found.idles, found.loads, strict=False) for window in pair]
    assert all(before.end <= after.start for before, after in pairwise([*ordered, found.idles[-1]]))
    assert found.trace.times[0] < found.idles[0].start and found.trace.times[-1] > found.idles[-1].end
    figures = evaluate.evaluate(found, sensor.facts)
    assert figures.power.idle is not None and 1.99 < figures.power.idle.value < 2.5
    assert 2.5 < figures.power.mean <= 5.0 + 1e-9


def test_failed_readings_are_left_out_and_counted() -> None:
    sampling = recorder.SensorRecorder(Fake(every=20), PROOF, 200)
    sampling.start()
    time.sleep(0.5)
    trace = sampling.stop()
    assert sampling.failures >= 1 and set(trace.watts[~trace.lost]) == {2.0}
    failing = recorder.SensorRecorder(Fake(every=2), PROOF, 200)
    failing.start()
    time.sleep(0.2)
    with pytest.raises(SensorError, match="gave no number"):
        failing.stop()


def test_lost_energy_is_marked() -> None:
    sampling = recorder.SensorRecorder(Stepper(), PROOF, 200)
    sampling.start()
    time.sleep(0.3)
    trace = sampling.stop()
    assert np.flatnonzero(trace.lost).tolist() == [8] and trace.joules[0] == 1


def test_a_bug_in_a_sensor_is_not_hidden() -> None:
    class Broken(Fake):
        def read(self) -> float:
            raise ZeroDivisionError

    sampling = recorder.SensorRecorder(Broken(), PROOF, 200)
    sampling.start()
    time.sleep(0.05)
    with pytest.raises(ZeroDivisionError):
        sampling.stop()


def test_paced_loads_have_even_distances() -> None:
    starts: list[float] = []
    window = load.load(lambda: starts.append(time.monotonic()), 0.2, rate=50)
    assert window.inferences == len(starts) == 10 and window.seconds >= 0.2
    assert window.busy < 0.1 and min(b - a for a, b in pairwise(starts)) > 0
    assert load.load(lambda: None, 0.01, rate=10).inferences == 1


def test_plans_give_slow_sensors_time() -> None:
    assert measure.Plan.choose(5, None, None, 100).seconds == 2
    assert measure.Plan.choose(5, None, None, 1).seconds == 10
    assert measure.Plan.choose(5, 5.0, None, 1).seconds == 1


def write_rows(path: Path, stop: threading.Event) -> None:
    with path.open("a") as file:
        began = time.monotonic()
        while not stop.is_set():
            # The meter's own clock is a calendar's.
            file.write(f"{time.monotonic() - began + 1.7e9:.4f},2.5\n")
            file.flush()
            time.sleep(0.01)


@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_what_a_meter_writes_meanwhile(tmp_path: Path, kind: str) -> None:
    path, stop = tmp_path / "meter.csv", threading.Event()
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.write_text("time,power\n0,99\n1,99\n")
    writer = threading.Thread(target=write_rows, args=(path, stop), daemon=True)
    writer.start()
    try:
        sampling = StreamRecorder("table", str(path), Settings())
        sampling.start()
        began = time.monotonic()
        time.sleep(0.4)
        ended = time.monotonic()
        trace = sampling.stop()
        sampling.close()
    finally:
        stop.set()
        writer.join()
    # What was there before the start does not count, and times are this computer's.
    assert set(np.round(trace.watts, 6)) == {2.5}
    assert began - 0.2 < trace.times[0] < trace.times[-1] < ended + 0.2
    assert 10 < sampling.rate < 200


def write_statistics(path: Path, amperes: float, stop: threading.Event) -> None:
    """Ten rows of a hundredth of a second at once, of a meter that counts samples."""
    with path.open("a") as file:
        file.write("#device,sampled_id,i_avg,p_avg,charge,energy\n")
        for row in range(100_000):
            charge = row * 0.01 * amperes
            file.write(f"u/js220/1,{row * 10_000},{amperes},{5 * amperes},{charge},{5 * charge}\n")
            if row % 10 == 9:
                file.flush()
                if stop.wait(0.05):
                    return


@pytest.mark.parametrize("amperes", [0.5, 0.0])
def test_rows_that_come_in_together_are_as_far_apart_as_the_meter_counts(tmp_path: Path, amperes: float) -> None:
    """Without a current nothing tells how long a sample is, and when rows come in has to do."""
    path, stop = tmp_path / "meter.csv", threading.Event()
    path.touch()
    writer = threading.Thread(target=write_statistics, args=(path, amperes, stop), daemon=True)
    writer.start()
    try:
        sampling = StreamRecorder("joulescope", str(path), Settings())
        sampling.start()
        time.sleep(0.3)
        trace = sampling.stop()
        sampling.close()
    finally:
        stop.set()
        writer.join()
    if amperes:
        assert np.diff(trace.times) == pytest.approx(0.01) and trace.watts == pytest.approx(2.5)
        assert sampling.rate == pytest.approx(100)
    else:
        assert trace.joules.sum() == 0


def test_streams_that_give_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millijoule.tools.energy.stream.PATIENCE", 0.1)
    (tmp_path / "old.csv").write_text("time,power\n0,99\n1,99\n")
    with pytest.raises(SensorError, match=r"0 samples .* came in"):
        StreamRecorder("table", str(tmp_path / "old.csv"), Settings())
    with pytest.raises(SensorError, match="No such file"):
        StreamRecorder("table", str(tmp_path / "none.csv"), Settings())
    with pytest.raises(SensorError, match="--replay"):
        StreamRecorder("mlperf-tiny", str(tmp_path / "old.csv"), Settings())


def test_intervals_of_known_numbers() -> None:
    found = statistics.interval([1.0, 2.0, 3.0], 0.0)
    assert found.value == 2 and found.low == pytest.approx(2 - 4.303 / math.sqrt(3), rel=1e-3)
    assert statistics.interval([5.0], 1.0) == Interval(5.0, None, None)
    assert statistics.interval([5.0, 5.0], 1.0).high == pytest.approx(6.96)
    tables = {1: 12.706, 10: 2.228, 30: 2.042, 40: 2.021, 60: 2.000, 120: 1.980}
    for freedom, wanted in tables.items():
        assert statistics.student(freedom) == pytest.approx(wanted, abs=2e-3)


@pytest.mark.parametrize(
    ("text", "wanted"), [("10Wh", 10), ("2500mAh@3.7V", 9.25), ("500 mWh", 0.5), ("2 Ah @ 12 V", 24)]
)
def test_capacities(text: str, wanted: float) -> None:
    assert battery_life.watt_hours(text) == pytest.approx(wanted)


@pytest.mark.parametrize("text", ["10", "Wh", "2500mAh", "-1Wh", "0Wh", "1.2.3Wh"])
def test_what_is_no_capacity(text: str) -> None:
    with pytest.raises(InputError, match="--battery"):
        battery_life.watt_hours(text)


def test_how_long_a_battery_lasts() -> None:
    found = battery_life.lives(10.0, (200.0, 5.0), 2.0, 0.01, [1000.0, 50.0, 1.0])
    assert [(life.inferences_per_second, life.hours, life.computed) for life in found.lives] == [
        (200.0, 2.0, False),
        (50.0, pytest.approx(4.0), True),
        (1.0, pytest.approx(10 / 2.01), True),
    ]


def test_long_traces_are_shortened_without_losing_energy() -> None:
    times = np.arange(1001) / 100
    trace = Trace.of_energy(times, np.cumsum(np.append(0, np.arange(1000.0))), np.arange(1001) == 500)
    points = shorten(trace, 0.0, most=100)
    assert len(points.watts) == 100 and len(points.seconds) == 101 and points.watts.count(None) == 1
    joules = [w * (b - a) for w, (a, b) in zip(points.watts, pairwise(points.seconds), strict=True) if w is not None]
    assert sum(joules) == pytest.approx(sum(range(1000)) - sum(range(490, 500)), rel=1e-4)
