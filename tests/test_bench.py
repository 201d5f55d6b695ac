"""What `mj bench` measures beside one median: contenders whose times are known, and the command's own reports."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from cli import EXAMPLE, mj, mj_json, one_line
from fake_boards import write
from kernel_cases import TARGETS, run_kernel
from small_model import small_model

from millijoule.runtime.errors import InputError, TargetError
from millijoule.runtime.graph import Graph, Node, Value
from millijoule.runtime.model import Model
from millijoule.runtime.simd.tile_layout import TileLayout
from millijoule.runtime.targets.target import resolve
from millijoule.tools.bench import rounds
from millijoule.tools.bench.duty import measure_duty
from millijoule.tools.bench.rounds import measure_rounds, thinned
from millijoule.tools.bench.session import remarks
from millijoule.tools.bench.settings import Setting
from millijoule.tools.bench.suite import Result, means
from millijoule.tools.bench.sustained import measure_sustained
from millijoule.tools.measure import bounds
from millijoule.tools.measure.bounds import measure_bounds
from millijoule.tools.measure.peak_kernels import peak_f32
from millijoule.tools.measure.statistics import differs, geometric_mean, ratio_interval
from millijoule.tools.report.bench_run import BenchRun, Duty, Minute, Stability
from millijoule.tools.report.run_file import read_run
from millijoule.tools.report.run_parts import Conditions, DeviceState

QUICK = ("--target", "numpy", "--seconds", "0.01", "--rounds", "3")


class Fake:
    """A contender whose calls take no time worth speaking of."""

    def __init__(self, name: str) -> None:
        self.name, self.calls = name, 0

    def feed(self) -> None:
        pass

    def invoke(self) -> None:
        self.calls += 1


@pytest.fixture
def model(tmp_path: Path) -> Path:
    small_model().save(tmp_path / "small.mj")
    return tmp_path / "small.mj"


def rounds_of(monkeypatch: pytest.MonkeyPatch, *medians: dict[str, float]) -> None:
    """Rounds have these medians, in turn; the last goes on."""
    given = iter(medians)
    latest = [medians[0]]

    def measured(*_: object) -> dict[str, np.ndarray]:
        latest[0] = next(given, latest[0])
        return {name: np.full(3, value) for name, value in latest[0].items()}

    monkeypatch.setattr(rounds, "measure_round", measured)


def test_rounds_go_on_until_the_median_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    uneven = [{"a": 1.0 + 0.5 * (turn % 2)} for turn in range(3)]
    rounds_of(monkeypatch, *uneven, {"a": 1.0})
    found = measure_rounds([Fake("a")], 0.001, 1, None, 0.1)
    stability = found.stability()
    assert 5 < stability.rounds < rounds.MOST_ROUNDS and stability.stable
    rounds_of(monkeypatch, *[{"a": 1.0 + turn % 2} for turn in range(99)])
    found = measure_rounds([Fake("a")], 0.001, 1, None, 0.1)
    assert found.stability().rounds == rounds.MOST_ROUNDS and found.stability().stable is False
    assert found.latency("a", "ours").round_medians[:3] == [1.0, 2.0, 1.0]
    assert measure_rounds([Fake("a")], 0.001, 1, 2, 0.1).stability().rounds == 2


def test_pairs_tell_a_difference_from_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both get slower together: apart they would overlap, in pairs they do not."""
    rounds_of(monkeypatch, *[{"a": base, "b": base * 1.1, "c": base * (0.9, 1.1)[turn % 2]}
                             for turn, base in enumerate((1.0, 1.5, 2.0, 1.2, 1.8, 1.1))])  # fmt: skip
    found = measure_rounds([Fake(name) for name in "abc"], 0.001, 1, 6, 0.01)
    slower, same = found.paired("b"), found.paired("c")
    assert slower.ratio.value == pytest.approx(1.1) and slower.differs and slower.median == pytest.approx(1.1)
    assert same.differs is False and same.ratio.low is not None and same.ratio.low < 1


def test_ratios() -> None:
    assert geometric_mean([0.5, 2.0, 8.0]) == pytest.approx(2.0)
    found = ratio_interval([0.5, 2.0])
    assert found.value == pytest.approx(1.0) and differs(found) is False
    assert found.low is not None and found.high is not None and found.low * found.high == pytest.approx(1.0)
    assert differs(ratio_interval([2.0])) is None


@pytest.mark.parametrize("disturbed", [0, 1, 2, 4])
def test_a_few_disturbed_rounds_say_little_of_a_ratio(disturbed: int) -> None:
    ratios = [2.0 * 1.001 ** (turn % 3 - 1) for turn in range(20 - disturbed)] + [9.0] * disturbed
    found = ratio_interval(ratios)
    assert found.value == pytest.approx(2.0, rel=1e-3)
    assert found.low is not None and found.high is not None and found.low < found.value < found.high < 2.01


def test_the_interval_of_trimmed_ratios_holds_the_true_one_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    found = [ratio_interval((2.0 * np.exp(random.normal(0, 0.1, 12))).tolist()) for _ in range(4000)]
    inside = [each.low <= 2.0 <= each.high for each in found if each.low is not None and each.high is not None]
    assert 0.94 < np.mean(inside) < 0.965 and len(inside) == 4000


def test_samples_are_thinned() -> None:
    assert thinned(np.arange(10) / 10, most=4) == [0.0, 0.3, 0.6, 0.9]
    assert thinned(np.array([0.123456789123])) == [0.123456789]


def test_settings_of_the_command_line() -> None:
    first = Setting(threads=1, kernels="a.mjk")
    assert first.changed("threads=2") == Setting("threads=2", 2, None, "a.mjk")
    assert first.changed("target=numpy").kernels is None and first.changed("target=numpy").threads == 1
    for text in ("threads=0", "threads", "colour=red", "threads=1,threads=2", ""):
        with pytest.raises(InputError, match="--setting"):
            first.changed(text)


def test_a_load_at_a_rate() -> None:
    contender = Fake("a")
    found = measure_duty(contender, 100.0, 0.05)
    assert found.calls == 5 == len(found.samples) and contender.calls == 6 and found.rate == 100
    assert found.reached == pytest.approx(found.calls / found.seconds) and found.seconds >= 0.05 and found.cpu_s >= 0


def test_sustained_minute_by_minute(tmp_path: Path) -> None:
    write(tmp_path / "sys/class/thermal/thermal_zone0", {"type": "cpu", "temp": 50000})
    told: list[int] = []
    found = measure_sustained(Fake("a"), 0.05, tmp_path, minute=0.02, progress=told.append)
    assert 1 <= len(found) <= 3 and told == list(range(1, len(found) + 1))
    for before, after in pairwise(found):
        assert after.start_s >= before.start_s + before.seconds
    assert found[-1].start_s + found[-1].seconds >= 0.0498
    assert all(each.calls and each.median <= each.p90 <= each.p99 for each in found)
    assert found[0].state.celsius == {"cpu": 50.0}


def test_what_a_reader_has_to_know() -> None:
    state, hot = DeviceState(), DeviceState(throttled=["throttled now"])
    minutes = [
        Minute(start_s=0, seconds=60, calls=1, median=each, p90=each, p99=each, state=state) for each in (1.0, 1.3)
    ]
    run = BenchRun(
        created="", command="", model=None, machine=None, versions={}, settings={},
        conditions=Conditions(before=state, after=hot), sustained=minutes,
        stability=Stability(stable=False, precision=0.05, wanted=0.01, rounds=20),
        duty=Duty(rate=100, reached=50, seconds=1, calls=100, late=90, median=1, p90=1, p99=1, cpu_s=1),
    )  # fmt: skip
    said = " | ".join(remarks(run))
    for words in ("within 5.0%", "throttled now", "1.30 times", "90 of 100 inferences began late"):
        assert words in said


def test_everything_in_one_run_file(model: Path, tmp_path: Path) -> None:
    output = tmp_path / "run.json"
    report = mj_json("bench", model, *QUICK, "--rate", 200, "--duration", 0.05, "--sustained", 0.0005, "--accuracy",
                     "top-1=0.5", "-o", output)  # fmt: skip
    run = read_run(str(output))
    assert isinstance(run, BenchRun) and run.model is not None and run.memory is not None and run.start is not None
    assert run.duty is not None and run.duty.calls == 10 and len(run.sustained) == 1
    assert run.latency[0].samples and "samples" not in report["latency"][0]
    warm = run.start.warm
    assert min(warm.interpreter_s, warm.load_s, warm.first_s) > 0 and run.start.cold is None
    if run.memory.peak_bytes is not None:
        assert run.memory.peak_bytes == warm.peak_bytes and run.memory.numpy_bytes is not None
        assert 1 << 20 < run.memory.numpy_bytes < run.memory.peak_bytes
    assert [layer.index for layer in run.layers] == list(range(len(run.layers)))
    assert all(layer.kernel is None and layer.seconds is not None for layer in run.layers)
    for buffer in run.memory.buffers:
        assert 0 <= buffer.offset <= buffer.offset + buffer.size <= run.memory.arena_bytes
        assert 0 <= buffer.first <= buffer.last < len(run.layers)
    assert {buffer.name for buffer in run.memory.buffers} >= set(run.model.shapes)
    assert run.accuracy is not None and run.accuracy.value == 0.5
    assert run.conditions is not None and run.conditions.before is not None


def result(model: str, kind: str, ratio: float, best: float = 1e-3) -> Result:
    return Result(model=model, kind=kind, macs=10**6, seconds=best / ratio, best="x", best_seconds=best, ratio=ratio)


def test_means_by_kind_without_brief_models() -> None:
    found = [
        result("a", "int8", 2.0),
        result("b", "int8", 8.0),
        result("c", "float", 1.0),
        result("d", "int8", 99, 4e-6),
    ]
    assert means(found) == {"int8": pytest.approx(4), "float": pytest.approx(1), "all": pytest.approx(16 ** (1 / 3))}
    assert [each.brief for each in found] == [False, False, False, True]
    assert means(found[:2]) == {"int8": pytest.approx(4)} and means([]) == {}


def test_bounds_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert measure_bounds(None) is None
    try:
        target = resolve("host")
    except TargetError:
        pytest.skip("no kernels on this CPU")
    monkeypatch.setattr(bounds, "SECONDS", 0.01)
    monkeypatch.setattr(bounds, "STREAMED", 1 << 20)
    found = measure_bounds(target)
    assert found is not None and found.bytes_per_second > 0 and set(found.macs_per_second) == {"i8", "f32"}
    assert all(rate > 0 for rate in found.macs_per_second.values())


def test_peak_kernels_leave_no_product_out() -> None:
    """Two chunks of three steps, of ones."""
    for target in TARGETS[:1]:
        layout = TileLayout.of(resolve(target), "f32")
        x, w = np.ones(64, np.float32), np.ones(3 * 2 * layout.lanes, np.float32)
        acc = np.zeros(4 * 2 * layout.lanes, np.float32)
        constants = {"rows": 4, "columns": 2, "source": ""}
        run_kernel(peak_f32, constants, target, 0, 2, x=x, w=w, acc=acc, pitch=16, steps=3)
        np.testing.assert_array_equal(acc, 6)


def test_a_folder_of_models(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    done = mj("bench", folder)
    assert done.exit_code == 2 and one_line(done.stderr) and "no model" in done.stderr
    (folder / "small.mj").write_bytes(model.read_bytes())
    (folder / "damaged.mj").write_bytes(b"not a model")
    (folder / "notes.txt").write_text("nor is this")
    report = mj_json("bench", folder, *QUICK)
    (found,) = report["results"]
    assert found["model"] == str(folder / "small.mj") and found["ratio"] is None and found["macs"] > 0
    assert found["macs_per_second"] == found["macs"] / found["seconds"] and report["means"] == {}
    assert list(report["failed"]) == [str(folder / "damaged.mj")]
    done = mj("bench", folder, *QUICK, "-o", tmp_path / "run.json")
    assert done.exit_code == 2 and one_line(done.stderr)


def test_shapes_of_one_model_of_a_folder(model: Path, tmp_path: Path) -> None:
    graph = Graph(inputs=["a:x"], outputs=["y"], nodes=[Node("Relu", ["a:x"], ["y"])])
    for name in ("a:x", "y"):
        graph.add_value(Value(name, np.dtype(np.float32), (1, "n", 3)))
    folder = tmp_path / "folder"
    folder.mkdir()
    Model(graph).save(folder / "any.mj")
    (folder / "small.mj").write_bytes(model.read_bytes())
    report = mj_json("bench", folder, *QUICK)
    assert list(report["failed"]) == [str(folder / "any.mj")] and len(report["results"]) == 1
    for shape in ("any.mj:1,5,3", "any.mj:a:x=1,5,3"):
        report = mj_json("bench", folder, *QUICK, "--shape", shape)
        assert report["failed"] == {} and len(report["results"]) == 2


def test_models_beside_their_peers() -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    folder = EXAMPLE
    report = mj_json("bench", folder, *QUICK, "--rounds", 1, "--peer", "onnxruntime", "--threads", 1)
    kinds = {Path(each["model"]).name: each["kind"] for each in report["results"]}
    assert kinds["fashion_mnist_f32.onnx"] == "float" and kinds["fashion_mnist_int8.onnx"] == "int8"
    ratios = [each["ratio"] for each in report["results"] if each["best"] == "onnxruntime"]
    assert len(ratios) == len(kinds) and set(report["means"]) <= {"int8", "float", "all"}


def test_several_models_and_settings_take_turns(model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.mj"
    small_model().save(other)
    report = mj_json("bench", model, other, *QUICK)
    assert list(report["seconds"]) == ["small.mj", "other.mj"] and report["start"] is None
    assert [pair["name"] for pair in report["paired"]] == ["other.mj"] and len(report["paired"][0]["round_ratios"]) == 3
    done = mj("bench", model, *QUICK, "--threads", 1, "--setting", "threads=2", "--start", "none")
    assert done.exit_code == 0 and "threads=1" in done.stdout and "threads=2" in done.stdout
    assert "95 %" in done.stdout
    done = mj("bench", model, *QUICK, "--setting", "legs=4")
    assert done.exit_code == 2 and one_line(done.stderr) and "--setting" in done.stderr
    done = mj("bench", model, *QUICK, "--accuracy", "very good")
    assert done.exit_code == 2 and one_line(done.stderr) and "--accuracy" in done.stderr
