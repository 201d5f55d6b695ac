"""`mj energy`: recordings against published energies, a model beside a sensor, and what is said where there is none."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from cli import ZOO, mj, mj_energy, mj_json, one_line
from fake_boards import hwmon_ina3221, program
from small_model import small_model

from millijoule.runtime.errors import Error, InputError
from millijoule.tools.report.energy_run import EnergyRun
from millijoule.tools.report.run_file import read_run, write_run
from millijoule.tools.report.run_parts import VERSION, Accuracy

TRACES = ZOO.parent / "data" / "power_traces"
NAMES = ("nucleo_l4r5zi_kws", "nucleo_l4r5zi_vww", "nucleo_u575zi_q_ic")
QUICK = ("--target", "numpy", "--rounds", "3")
needs_traces = pytest.mark.skipif(
    not TRACES.is_dir(), reason=f"{TRACES} is absent: power traces of MLPerf Tiny, beside the folder of MILLIJOULE_ZOO"
)


@needs_traces
@pytest.mark.parametrize("name", NAMES)
def test_mlperf_tiny_traces_have_the_published_energies(name: str) -> None:
    """Window for window, within one sample: the published program has summed a thousandth of a second for each, whose
    rounding errors move a window's edges by up to one sample. What is so summed is what was published, to the last
    digit."""
    trace = TRACES / f"{name}_trace1-energy.bin"
    published = (TRACES / f"{name}_results.txt").read_text()
    numbers = [int(text) for text in re.findall(r"Energy data for window (\d+)", published)]
    energies = [float(text) for text in re.findall(r"Energy +: +([\d.]+) uJ", published)]
    counts = {int(text) for text in re.findall(r"# Inferences : +(\d+)", published)}
    each = [float(text) for text in re.findall(r"Energy/Inf\. +: +([\d.]+)", published)]
    assert len(numbers) == 5 and len(counts) == 1
    report = mj_json(
        "energy", "--replay", trace, "--windows", TRACES / f"{name}_trace1-timestamps.json", "--inferences", *counts
    )
    assert [window["number"] for window in report["windows"]] == numbers
    samples = np.frombuffer(trace.read_bytes(), "<f4", offset=5).astype(np.float64)
    summed = np.add.accumulate(np.full(len(samples) + 1, 0.001)) - 0.001
    for window, energy in zip(report["windows"], energies, strict=True):
        edges = [round(window[key] * 1000) for key in ("start_s", "end_s")]
        moved = [int(np.searchsorted(summed, window[key])) for key in ("start_s", "end_s")]
        assert samples[slice(*moved)].sum() == pytest.approx(energy, abs=0.006)
        assert all(0 <= shown - exact <= 1 for shown, exact in zip(moved, edges, strict=True))
        assert window["energy_uj"] == pytest.approx(samples[slice(*edges)].sum(), rel=1e-12)
        assert window["samples"] == edges[1] - edges[0] and window["unseen_s"] == 0
    assert report["per_inference"]["total_mj"]["value"] == pytest.approx(np.mean(each) / 1e3, rel=1e-4)
    assert report["source"]["how"] == "replayed" and "MLPerf Tiny" in report["source"]["name"]
    assert [window["number"] for window in report["between"]] == [1, 3, 5, 7, 9]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Two seconds at 1 kHz, 20 uJ a sample."""
    path = tmp_path / "trace.bin"
    path.write_bytes(b"\xf1" + struct.pack("<f", 1000.0) + np.full(2000, 20, "<f4").tobytes())
    return path


def test_a_whole_recording_is_one_window(recording: Path) -> None:
    report = mj_json("energy", "--replay", recording)
    assert len(report["windows"]) == 1 and report["windows"][0]["energy_uj"] == pytest.approx(40000)
    assert report["inferences"] is None and report["per_inference"] is None
    assert report["joules"] == pytest.approx(0.04) and report["power"]["mean"] == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("windows", "found"),
    [
        ([0.1, 0.2, 1.2, 1.4, 2.0], [(2, 0.2, 1.2), (4, 1.4, 2.0)]),
        ([0.2, 1.2, 1.4, 2.0], [(1, 0.2, 1.2), (2, 1.4, 2.0)]),
        ([[0.2, 1.2], [1.4, 2.0]], [(1, 0.2, 1.2), (2, 1.4, 2.0)]),
    ],
)
def test_windows(recording: Path, windows: object, found: list[tuple[int, float, float]]) -> None:
    path = recording.with_name("windows.json")
    path.write_text(json.dumps(windows))
    report = mj_json("energy", "--replay", recording, "--windows", path)
    assert [(each["number"], each["start_s"], each["end_s"]) for each in report["windows"]] == found
    assert [each["energy_uj"] for each in report["windows"]] == pytest.approx([20000, 12000])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[0, 5, 9]", "window 2 .* not in the recording"),
        ("[0, 0.5, 0.2]", "before it begins"),
        ("[1]", "list of times"),
        ("[]", "list of times"),
        ('{"a": 1}', "list of times"),
        ("[0, true]", "list of times"),
        ("[0, 1", "no JSON"),
        ("[" * 100000, "no JSON"),
    ],
)
def test_windows_that_make_no_sense(recording: Path, text: str, said: str) -> None:
    path = recording.with_name("windows.json")
    path.write_text(text)
    done = mj("energy", "--replay", recording, "--windows", path)
    assert done.exit_code == 2 and one_line(done.stderr) and re.search(said, done.stderr)


def test_calendar_times(tmp_path: Path) -> None:
    """A bench supply logs unix times; windows may be such, or count from the recording's first."""
    rows = "".join(f"{1624000000 + index / 4:.2f} 0.5 5.0 2.5\n" for index in range(41))
    (tmp_path / "supply.txt").write_text("HM320P\n" + rows)
    for number, bounds in enumerate(([2, 6], [1624000002, 1624000006])):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(bounds))
        report = mj_json("energy", "--replay", tmp_path / "supply.txt", "--windows", path, "--inferences", "1000")
        assert report["windows"][0]["start_s"] == 2 and report["per_inference"]["total_mj"]["value"] == pytest.approx(
            10
        )


@pytest.fixture
def board(tmp_path: Path) -> Path:
    hwmon_ina3221(tmp_path, [("VDD_IN", 5000, 1500), ("VDD_CPU_GPU_CV", 5000, 700)])
    return tmp_path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "small.mj"
    small_model().save(path)
    return path


def test_a_model_on_a_board(board: Path, model: Path) -> None:
    report = json.loads(mj_energy(model, "--root", board, *QUICK, "--battery", "15Wh", "--json").stdout)
    assert report["source"]["how"] == "measured" and report["source"]["name"] == "ina3221"
    assert 0 < report["source"]["reading_cpu_s"] < 0.01
    assert report["source"]["whole"] and report["source"]["resolution"] == pytest.approx(0.04)
    loads = [each for each in report["windows"] if each["kind"] == "load"]
    assert len(loads) == 3 and sum(each["inferences"] for each in loads) == report["inferences"] > 0
    assert report["power"]["mean"] == pytest.approx(7.5) and report["power"]["idle"]["value"] == pytest.approx(7.5)
    each = report["per_inference"]
    shares = [window["energy_uj"] / 1e3 / window["inferences"] for window in loads]
    assert each["total_mj"]["value"] == pytest.approx(np.mean(shares))
    assert all(window["energy_uj"] == pytest.approx(7.5e6 * (window["end_s"] - window["start_s"])) for window in loads)
    assert each["above_idle_mj"]["low"] <= 0 <= each["above_idle_mj"]["high"]
    assert report["battery"]["lives"][0]["hours"] == pytest.approx(2)
    # The files of the fake board never change.
    assert any("cannot be told from rest" in text for text in report["warnings"])
    assert report["model"]["target"] == "numpy" and len(report["model"]["sha256"]) == 64 and "trace" not in report


def test_the_table_fits_80_columns(board: Path, model: Path) -> None:
    done = mj_energy(model, "--root", board, *QUICK, "--rate", "20", "--battery", "10Wh", COLUMNS="80")
    assert done.exit_code == 0, done.stderr
    assert all(len(line) <= 80 for line in done.stdout.splitlines() if str(model) not in line)
    for text in ("above idle", "power at rest", "(95 %)", "measured: VDD_IN", "steps of 0.04 W", "10 Wh at"):
        assert text in " ".join(done.stdout.split())
    assert "cannot be told from rest" in done.stderr


def test_the_run_file_holds_everything(board: Path, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "run.json"
    arguments = (model, "--root", board, *QUICK, "--accuracy", "top-1=0.9", "-o", output, "--json")
    report = json.loads(mj_energy(*arguments).stdout)
    run = read_run(str(output))
    assert isinstance(run, EnergyRun)
    assert run.joules == pytest.approx(report["joules"]) and run.source.name == "ina3221"
    assert len(run.trace.seconds) == len(run.trace.watts) + 1 == run.source.samples
    assert set(run.trace.watts) - {None} == {7.5} and run.trace.seconds[0] == 0
    assert run.warnings == report["warnings"]
    assert run.accuracy == Accuracy(metric="top-1", value=0.9)
    assert run.layers and all(layer.seconds is not None and layer.data_bytes > 0 for layer in run.layers)
    assert run.memory is not None and {buffer.name for buffer in run.memory.buffers} >= set(report["model"]["shapes"])
    assert run.conditions is not None and run.conditions.before is not None
    again = tmp_path / "again.json"
    write_run(run, str(again))
    assert again.read_bytes() == output.read_bytes()
    assert mj("energy", model, "--root", board, *QUICK, "-o", model).exit_code == 2


def test_what_is_no_run_file(tmp_path: Path, recording: Path) -> None:
    path = tmp_path / "run.json"
    with pytest.raises(InputError, match="cannot read"):
        read_run(str(path))
    mj("energy", "--replay", recording, "-o", path)
    run = json.loads(path.read_text())
    assert run["kind"] == "energy" and run["version"] == VERSION
    for change, said in (
        ({"version": VERSION + 1}, "version"),
        ({"kind": "softmax"}, "no run file"),
        ({"joules": "x"}, "joules"),
    ):
        path.write_text(json.dumps(run | change))
        with pytest.raises(InputError, match=said):
            read_run(str(path))
    with pytest.raises(Error, match="cannot write"):
        write_run(read_run_of(recording, tmp_path), str(tmp_path / "no" / "run.json"))


def read_run_of(recording: Path, folder: Path) -> EnergyRun:
    mj("energy", "--replay", recording, "-o", folder / "good.json")
    run = read_run(str(folder / "good.json"))
    assert isinstance(run, EnergyRun)
    return run


def test_a_prediction_says_that_it_is_one(model: Path, tmp_path: Path) -> None:
    """The figures are those of mj estimate."""
    output = tmp_path / "run.json"
    report = mj_json("energy", model, "--source", "model:jetson-nano", "--battery", "10Wh", "-o", output)
    (wanted,) = mj_json("estimate", model, "--profile", "jetson-nano")["estimates"]
    each = report["per_inference"]
    assert report["source"]["how"] == "modelled" and "jetson-nano" in report["source"]["what"]
    assert each["total_mj"]["value"] == pytest.approx(wanted["joules"] * 1e3) and each["total_mj"]["low"] is None
    assert each["above_idle_mj"]["value"] == pytest.approx(wanted["joules_above_idle"] * 1e3)
    assert each["seconds"] == wanted["seconds"] and all(life["computed"] for life in report["battery"]["lives"])
    run = read_run(str(output))
    assert isinstance(run, EnergyRun) and run.source.how == "modelled"
    paced = mj_json("energy", model, "--source", "model:jetson-nano", "--rate", 10)
    watts = paced["power"]["idle"]["value"] + 10 * wanted["joules_above_idle"]
    assert paced["power"]["mean"] == pytest.approx(watts)
    done = mj("energy", model, "--source", "model:jetson-nano")
    assert "predicted, not measured" in done.stdout and "within a factor of" in " ".join(done.stdout.split())
    for options, said in (
        (("--source", "model:toaster"), "toaster"),
        (("--source", "model:jetson-nano", "--rate", "1e9"), "at most"),
        (("--source", "model", "--duration", "3"), "leave --duration out"),
    ):
        done = mj("energy", model, *options)
        assert done.exit_code == 2 and one_line(done.stderr) and said in done.stderr


def test_sources_are_listed(board: Path) -> None:
    report = mj_json("energy", "--sources", "--root", board)
    found = {each["kind"]: each for each in reversed(report["sources"])}
    assert found["ina3221"]["facts"]["name"] == "ina3221" and found["ina3221"]["proof"]["watts"] == pytest.approx(7.5)
    assert found["ina3221"]["proof"]["rate"] == 100 and found["ina3221"]["reason"] is None
    assert found["rapl"]["facts"] is None and "powercap" in found["rapl"]["reason"]
    program(board, "vcgencmd", 'error=1 error_msg="Command not registered"\n')
    done = mj("energy", "--sources", "--root", board, COLUMNS="80")
    assert done.exit_code == 0 and "7.50 W" in done.stdout and "only the Pi 5" in " ".join(done.stdout.split())
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("small.mj",), "--sources"),
        (("small.mj", "--source", "ina3221"), "no INA3221"),
        (("small.mj", "--source", "gpu"), "no source 'gpu'.*monsoon"),
        (("small.mj", "--source", "shelly"), "shelly:HOST"),
        (("small.mj", "--source", "otii:none.csv"), "No such file"),
        (("small.mj", "--battery", "big"), "10Wh"),
        (("--replay", "none.csv"), "No such file"),
    ],
)
def test_nothing_is_run_where_nothing_can_be_measured(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    """Also where the model is not there: the sensor is looked for first."""
    done = mj("energy", *arguments, "--root", tmp_path)
    assert done.exit_code == 2 and one_line(done.stderr) and re.search(said, done.stderr)


@pytest.mark.parametrize("arguments", [(), ("small.mj", "--sources"), ("small.mj", "--replay", "trace.bin")])
def test_one_thing_at_a_time(arguments: tuple[str, ...]) -> None:
    from cli import mj_process

    done = mj_process("energy", *arguments)
    assert done.returncode == 2 and "Usage: mj energy" in done.stderr
