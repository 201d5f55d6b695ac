"""`mj bench` and `mj doctor`: numbers that hang together, and reports also where something is broken."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from cli import EXAMPLE, mj, mj_json, mj_process, one_line
from small_model import small_model

from millijoule.tools.measure import checkup
from millijoule.tools.measure.timing import SLICES, measure_round, summary, warm_up
from millijoule.tools.peers import registry

SOURCE = EXAMPLE / "fashion_mnist_f32.onnx"
QUICK = ("--target", "numpy", "--seconds", "0.01", "--rounds", "3", "--start", "none")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "small.mj"
    small_model().save(path)
    return path


class Counted:
    """A contender that knows how often it was fed and called."""

    def __init__(self, name: str) -> None:
        self.name, self.fed, self.called = name, 0, 0

    def feed(self) -> None:
        self.fed += 1

    def invoke(self) -> None:
        assert self.fed == self.called + 1
        self.called += 1


def test_percentiles_are_in_order(model: Path) -> None:
    report = mj_json("bench", model, *QUICK)
    times = report["seconds"]["millijoule"]
    assert 0 < times["min"] <= times["median"] <= times["p90"] <= times["p99"] < 1
    assert len(report["round_medians"]["millijoule"]) == 3 and times["calls"] >= 3 * SLICES
    assert report["target"] == "numpy" and report["versions"]["numpy"] == np.__version__
    assert report["machine"]["usable_cpus"] >= 1 and report["peers"] == {}


def test_table(model: Path) -> None:
    done = mj("bench", model, *QUICK, "--threads", 1)
    assert done.exit_code == 0 and "1 thread, 3 rounds" in done.stdout
    assert all(word in done.stdout for word in ("median", "p90", "p99", "CPU time", "millijoule", "numpy"))


def test_peers_take_turns_on_the_same_source() -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    report = mj_json("bench", SOURCE, *QUICK, "--peer", "onnxruntime", "--threads", 1)
    ratios = report["peers"]["onnxruntime"]["round_ratios"]
    medians = report["round_medians"]
    assert ratios == [b / a for a, b in zip(medians["millijoule"], medians["onnxruntime"], strict=True)]
    assert report["peers"]["onnxruntime"]["ratio"] == pytest.approx(np.exp(np.mean(np.log(ratios))))
    assert report["versions"]["onnxruntime"]
    done = mj("bench", SOURCE, *QUICK, "--peers", "--threads", 1)
    assert "its time" in done.stdout and "/ ours" in done.stdout and "onnxruntime" in done.stdout


def test_a_peer_that_does_not_read_the_source_is_left_out() -> None:
    pytest.importorskip("onnx")
    report = mj_json("bench", SOURCE, *QUICK, "--peer", "litert")
    assert report["peers"] == {} and "litert" in report["refused"]
    assert "left out: litert" in mj("bench", SOURCE, *QUICK, "--peer", "litert").stdout


@pytest.mark.parametrize(
    ("asked", "named"), [(["--peers"], ["onnxruntime", "openvino"]), (["--peer", "openvino"], ["openvino"])]
)
def test_where_no_peer_is_installed_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, asked: list[str], named: list[str]
) -> None:
    pytest.importorskip("onnx")
    monkeypatch.setattr(registry, "installed_package", lambda engine: None)
    done = mj("bench", SOURCE, *QUICK, *asked)
    said = " ".join(done.stdout.split())
    assert done.exit_code == 0
    assert [name for name in registry.PEERS if f"left out: {name}: not installed: pip install {name}" in said] == named


def test_unknown_peers_and_sources_that_are_not_there(model: Path) -> None:
    done = mj("bench", SOURCE, *QUICK, "--peer", "abacus")
    assert done.exit_code == 2 and one_line(done.stderr) and "abacus" in done.stderr
    done = mj("bench", model, *QUICK, "--peers")
    assert done.exit_code == 2 and one_line(done.stderr) and "--source" in done.stderr


def test_every_call_is_fed_and_all_take_part() -> None:
    contenders = [Counted("a"), Counted("b")]
    for contender in contenders:
        warm_up(contender, 0.0, least=3)
        assert contender.called == 3
    found = measure_round(contenders, 0.004)
    for contender in contenders:
        # The first call of a turn is not counted.
        assert contender.called == contender.fed == 3 + len(found[contender.name]) + SLICES
        assert len(found[contender.name]) >= SLICES


def test_summary_of_known_numbers() -> None:
    found = summary(np.arange(1, 102) / 100)
    assert found == pytest.approx(
        {"median": 0.51, "p90": 0.91, "p99": 1.0, "min": 0.01, "mean": 0.51, "calls": 101}
    )  # fmt: skip


def test_doctor_reports_every_part() -> None:
    report = mj_json("doctor")
    assert set(report) == {*checkup.PARTS, "problems", "warnings"}
    assert report["software"]["numpy"] == np.__version__
    assert report["system"]["usable_cpus"] >= 1
    if report["target"] is not None:
        assert report["target"]["detected"] in report["target"]["runs_also"] or report["target"]["detected"]
    done = mj("doctor")
    assert done.exit_code == 0 and "features" in done.stdout and "kernel cache" in done.stdout


def test_doctor_lists_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    broken = {"MILLIJOULE_TARGET": "z80", "MILLIJOULE_CACHE": str(tmp_path / "file" / "cache")}
    done = mj("doctor", **broken)
    problems = done.stdout.partition("Problems")[2]
    assert done.exit_code == 0 and "z80" in problems and str(tmp_path / "file") in problems
    assert "features" in done.stdout, "what is broken must not hide the rest"


def test_doctor_survives_a_part_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: list[str]) -> dict[str, object]:
        raise OSError("no such device")

    monkeypatch.setitem(checkup.PARTS, "system", broken)
    report = json.loads(mj("doctor", "--json").stdout)
    assert report["system"] is None and report["software"]["millijoule"]
    assert any("no such device" in problem for problem in report["problems"])


def test_doctor_with_a_broken_compiler(tmp_path: Path) -> None:
    (tmp_path / "numba.py").write_text("raise ImportError('Numba needs NumPy 2.2 or less')")
    done = mj_process("doctor", PYTHONPATH=os.pathsep.join([str(tmp_path), *filter(None, sys.path)]))
    assert done.returncode == 0 and "numba cannot be imported" in done.stdout, done.stderr
    assert "NumPy 2.2 or less" in done.stdout.partition("Problems")[2]


def test_doctor_with_an_unwritable_cache(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o500)
    assert "cannot be written" in mj("doctor", MILLIJOULE_CACHE=str(folder)).stdout
