"""`mj run`: right answers from arrays and images, files that are whole or not there, and a light, quick start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli import EXAMPLE, START, ZOO, mj, mj_json, mj_process, one_line
from small_model import small_model

import millijoule
from millijoule.runtime.graph import Graph, Node, Value
from millijoule.runtime.model import Model

BOOT = EXAMPLE / "ankle_boot.png"
SHAPE = (1, 8, 8, 3)
QUICK = ("--seconds", "0.01", "--rounds", "1")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "small.mj"
    small_model().save(path)
    return path


@pytest.fixture(scope="module")
def fashion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnx")
    path = tmp_path_factory.mktemp("fashion") / "fashion.mj"
    preparation = ["--mean", "72.94", "--std", "90.02", "--color", "gray", "--labels", EXAMPLE / "labels.txt"]
    done = mj("convert", EXAMPLE / "fashion_mnist_int8.onnx", "-o", path, *preparation)
    assert done.exit_code == 0, done.stderr
    return path


@pytest.fixture
def pixels(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", np.random.default_rng(3).standard_normal(SHAPE).astype(np.float32))
    return tmp_path / "x.npy"


def test_an_image_gets_its_right_label(fashion: Path) -> None:
    pytest.importorskip("PIL")
    done = mj("run", fashion, "--input", BOOT, "--top", 3)
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split()[:2] == ["Ankle", "boot"] and len(lines) == 4
    assert "calls" in lines[3]


def test_a_source_runs_straight_with_options(fashion: Path) -> None:
    pytest.importorskip("PIL")
    options = ["--mean", "72.94", "--std", "90.02", "--color", "gray", "--labels", EXAMPLE / "labels.txt"]
    direct = mj_json("run", EXAMPLE / "fashion_mnist_int8.onnx", "--input", f"image={BOOT}", *options)
    assert direct["classes"] == mj_json("run", fashion, "--input", BOOT)["classes"]
    assert direct["classes"][0]["label"] == "Ankle boot" and direct["latency"]["seconds"] > 0


def test_outputs_are_those_of_the_api(model: Path, pixels: Path, tmp_path: Path) -> None:
    done = mj("run", model, "--input", pixels, "-o", tmp_path / "y.npz", "--target", "numpy")
    assert done.exit_code == 0, done.stderr
    with millijoule.load(model, target="numpy") as session:
        wanted = session.run({"pixels": np.load(pixels)})
    with np.load(tmp_path / "y.npz") as found:
        assert set(found) == set(wanted)
        assert all(np.array_equal(found[name], wanted[name]) for name in wanted)


def test_arrays_of_an_archive_and_aliases(model: Path, pixels: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", image=np.load(pixels), other=np.zeros(3))
    by_file = mj_json("run", model, "--input", f"pixels={pixels}", "--target", "numpy")
    by_archive = mj_json("run", model, "--input", f"image={tmp_path / 'x.npz'}", "--target", "numpy")
    assert by_file["outputs"] == by_archive["outputs"]


def test_random_numbers_are_fed_where_nothing_is_given(model: Path) -> None:
    first, again = (mj("run", model, "--target", "numpy", "--json", "--seed", 4) for _ in range(2))
    other = mj("run", model, "--target", "numpy", "--json", "--seed", 5)
    assert "random numbers (seed 4)" in first.stderr
    outputs = [json.loads(done.stdout)["outputs"] for done in (first, again, other)]
    assert outputs[0] == outputs[1] != outputs[2]


def test_where_the_time_went(model: Path) -> None:
    done = mj("run", model, "--target", "numpy", "--profile")
    assert done.exit_code == 0 and "Steps" in done.stdout and "NumPy" in done.stdout and "%" in done.stdout
    steps = mj_json("run", model, "--target", "numpy", "--profile")["steps"]
    assert {"Conv", "Gemm", "Softmax"} <= {step["operator"] for step in steps}
    assert all(step["seconds"] > 0 and step["kernel"] is None for step in steps)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((1, 8, 8), np.float32), "(1, 8, 8)"),
        (np.zeros((1, 8, 9, 3), np.float32), "(1, 8, 9, 3)"),
        (np.zeros(SHAPE, np.float64), "float64"),
    ],
)
def test_inputs_of_another_shape_or_dtype(array: np.ndarray, said: str, model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", array)
    done = mj("run", model, "--input", tmp_path / "x.npy", "-o", tmp_path / "y.npz")
    assert done.exit_code == 2 and one_line(done.stderr) and "pixels" in done.stderr and said in done.stderr
    assert os.listdir(tmp_path) == ["x.npy"]


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.png"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "noise"])
def test_input_files_that_are_no_input(name: str, damage: str, model: Path, tmp_path: Path) -> None:
    if name.endswith("png"):
        pytest.importorskip("PIL")
    path = tmp_path / name
    if damage == "cut" and not name.endswith("png"):
        (np.save if name.endswith("npy") else np.savez)(path, np.zeros(SHAPE, np.float32))
        path.write_bytes(path.read_bytes()[:-100])
    elif damage != "missing":
        path.write_bytes({"empty": b"", "cut": b"\x89PNG", "noise": os.urandom(500)}[damage])
    done = mj("run", model, "--input", path)
    assert done.exit_code == 2 and one_line(done.stderr) and name in done.stderr


def test_pickles_are_not_read(model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"an": "object"}], object))
    done = mj("run", model, "--input", tmp_path / "x.npy")
    assert done.exit_code == 2 and one_line(done.stderr)


@pytest.mark.parametrize("text", ["nothing=x.npy", "pixels", "=", "pixels=x.npy=y"])
def test_inputs_that_name_nothing(text: str, model: Path) -> None:
    done = mj("run", model, "--input", text)
    assert done.exit_code == 2 and one_line(done.stderr)


def test_an_input_given_twice(model: Path, pixels: Path) -> None:
    done = mj("run", model, "--input", f"pixels={pixels}", "--input", f"image={pixels}")
    assert done.exit_code == 2 and one_line(done.stderr) and "twice" in done.stderr


@pytest.mark.parametrize("text", ["1,8", "a,8,8,3", "pixels=-1,8,8,3", "pixels=99999999999,99999,99999,3", "y=1"])
def test_shapes_that_do_not_fit(text: str, model: Path) -> None:
    done = mj("run", model, "--shape", text)
    assert done.exit_code == 2 and "Traceback" not in done.stderr and done.stderr.splitlines()[-1].startswith("mj: ")


def test_an_image_without_known_preprocessing_is_warned_of(tmp_path: Path) -> None:
    """The answer would look right: in one line, in the report for programs, and not where something is known."""
    pytest.importorskip("PIL")
    model = small_model()
    model.metadata.preprocessing = None
    model.save(tmp_path / "m.mj")
    image = ["run", tmp_path / "m.mj", "--input", BOOT, "--target", "numpy"]
    done = mj(*image, "--json")
    assert done.exit_code == 0 and one_line(done.stderr) and "no preprocessing is known" in done.stderr
    assert [done.stderr] == [f"mj: warning: {text}\n" for text in json.loads(done.stdout)["warnings"]]
    assert mj_json(*image, "--scale", "1/255")["warnings"] == []


def test_a_shape_counts_with_files_too(tmp_path: Path) -> None:
    """An image becomes an array of that shape; an array has to be one already."""
    pytest.importorskip("PIL")
    shape = ("N", 1, "H", "W")
    graph = Graph({name: Value(name, np.dtype(np.float32), shape) for name in "xy"}, [Node("Relu", ["x"], ["y"])])
    graph.inputs, graph.outputs = ["x"], ["y"]
    Model(graph).save(tmp_path / "relu.mj")
    np.save(tmp_path / "x.npy", np.zeros((1, 1, 10, 12), np.float32))
    for command in ("run", "bench"):
        arguments = [command, tmp_path / "relu.mj", "--target", "numpy", "--shape", "x=1,1,10,12", "--input"]
        done = mj(*arguments, BOOT, *(() if command == "run" else QUICK))
        assert done.exit_code == 0, done.stderr
        assert mj(*arguments, tmp_path / "x.npy", *(() if command == "run" else QUICK)).exit_code == 0
    assert mj_json("run", *arguments[1:], BOOT)["outputs"]["y"]["shape"] == [1, 1, 10, 12]
    other = mj("run", tmp_path / "relu.mj", "--shape", "1,1,11,12", "--input", tmp_path / "x.npy")
    assert other.exit_code == 2 and one_line(other.stderr) and "(1, 1, 11, 12)" in other.stderr


@pytest.mark.parametrize("kept", [0, 7, 900, -1])
def test_a_truncated_model_is_one_line(kept: int, model: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.mj").write_bytes(model.read_bytes()[:kept])
    done = mj("run", tmp_path / "cut.mj")
    assert done.exit_code == 2 and one_line(done.stderr) and "cut.mj" in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_leaves_no_half_of_a_file(model: Path, pixels: Path, tmp_path: Path) -> None:
    done = mj("run", model, "--input", pixels, "-o", "/dev/full", "--target", "numpy")
    assert done.exit_code == 2 and one_line(done.stderr) and "/dev/full" in done.stderr


def test_a_file_that_outgrows_its_limit_leaves_nothing(model: Path, pixels: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands in for a full disk: writing stops in the middle."""
    code = (
        "import resource, signal, sys; from millijoule.tools.main import main\n"
        "sys.dont_write_bytecode = True  # which would be cut off too\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300)); main()"
    )
    (tmp_path / "y.npz").write_bytes(b"before")
    done = mj_process("run", model, "--input", pixels, "-o", tmp_path / "y.npz", "--target", "numpy", code=code)
    assert done.returncode == 2 and one_line(done.stderr) and "File too large" in done.stderr
    assert (tmp_path / "y.npz").read_bytes() == b"before"
    assert sorted(os.listdir(tmp_path)) == ["x.npy", "y.npz"]


def test_a_cache_that_cannot_be_used_costs_one_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    graph = Graph({name: Value(name, np.dtype(np.float32), (1, 64)) for name in "xy"}, [Node("Relu", ["x"], ["y"])])
    graph.inputs, graph.outputs = ["x"], ["y"]
    Model(graph).save(tmp_path / "relu.mj")
    usual = mj_process("run", tmp_path / "relu.mj")
    done = mj_process("run", tmp_path / "relu.mj", MILLIJOULE_CACHE=str(tmp_path / "file" / "cache"))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("warning") == 1 and "kernel cache" in done.stderr
    assert done.stdout.splitlines()[:-1] == usual.stdout.splitlines()[:-1]


def test_unknown_targets_and_kernel_files(model: Path, tmp_path: Path) -> None:
    done = mj("run", model, "--target", "z80")
    assert done.exit_code == 2 and "z80" in done.stderr
    (tmp_path / "x.mjk").write_bytes(b"no kernels")
    done = mj("run", model, "--kernels", tmp_path / "x.mjk")
    assert done.exit_code == 2 and "x.mjk" in done.stderr


WATCHED = f"""
import sys
try:
    {START}
finally:
    heavy = [name for name in ("numba", "llvmlite", "onnx", "tflite", "PIL") if name in sys.modules]
    peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(heavy, peak, file=sys.stderr)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc, and kernels run on Linux only")
def test_a_warm_start_is_light(tmp_path: Path) -> None:
    """The limit of 40 MB is the project's own; numpy alone takes 26."""
    source = ZOO / "kws_int8.tflite"
    if not source.is_file():
        pytest.skip(f"{source} is absent; MILLIJOULE_ZOO names the folder of real models")
    pytest.importorskip("tflite")
    assert mj("convert", source, "-o", tmp_path / "kws.mj").exit_code == 0
    assert Model.load(tmp_path / "kws.mj").inputs
    np.save(tmp_path / "x.npy", np.zeros((1, 49, 10, 1), np.int8))
    arguments = ["run", tmp_path / "kws.mj", "--input", tmp_path / "x.npy", "--threads", "1"]
    first = mj_process(*arguments)
    assert first.returncode == 0, first.stderr
    warm = mj_process(*arguments, code=WATCHED)
    heavy, _, peak = warm.stderr.strip().rpartition(" ")
    assert warm.returncode == 0 and heavy == "[]"
    assert int(peak) < 40_000
    assert warm.stdout.splitlines()[:-1] == first.stdout.splitlines()[:-1]


def test_the_console_script_is_installed() -> None:
    script = Path(sys.executable).with_name("mj")
    if not script.exists():
        pytest.skip("millijoule's scripts are installed elsewhere")
    done = subprocess.run([script, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.startswith("Usage: mj")
