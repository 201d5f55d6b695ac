"""`mj inspect` and `mj compile`: programs for this CPU and others, and the kernels they need."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from cli import EXAMPLE, mj, mj_json, mj_process, one_line
from small_model import small_model

from millijoule.runtime.compiler import kernel_file
from millijoule.runtime.file.metadata import Preprocessing
from millijoule.runtime.graph import Graph, Node, Value
from millijoule.runtime.model import Model
from millijoule.runtime.program.bounds import ALIGNMENT
from millijoule.runtime.targets import target
from millijoule.tools.models.plans import any_target, plan_program

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="kernels run on Linux only")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "small.mj"
    small_model().save(path)
    return path


@pytest.fixture(scope="module")
def copying(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that needs one kernel beside the step loop: a transpose."""
    graph = Graph({"x": Value("x", np.dtype(np.float32), ("N", 3, 5)), "y": Value("y", np.dtype(np.float32))})
    graph.nodes = [Node("Transpose", ["x"], ["y"], {"perm": [0, 2, 1]}, "turn")]
    graph.inputs, graph.outputs = ["x"], ["y"]
    path = tmp_path_factory.mktemp("copying") / "turn.mj"
    Model(graph).save(path)
    return path


def test_what_is_in_a_model(model: Path) -> None:
    report = mj_json("inspect", model, "--target", "numpy")
    graph = small_model().graph
    assert [item["name"] for item in report["inputs"]] == ["pixels"]
    assert report["inputs"][0]["shape"] == ["N", 8, 8, 3] and report["planned_shapes"] == {"pixels": [1, 8, 8, 3]}
    assert sum(report["operators"].values()) == len(graph.nodes)
    stored = sum(value.data.nbytes for value in graph.values.values() if value.data is not None)
    assert report["weights"]["bytes"] == stored == sum(report["weights"]["by_dtype"].values())
    assert report["target"] == "numpy" and all(step["kernel"] is None for step in report["steps"])
    assert report["file_bytes"] == model.stat().st_size


def test_preprocessing_and_labels_are_shown(tmp_path: Path) -> None:
    model = small_model()
    model.metadata.labels = list("abcdefghij")
    model.metadata.preprocessing = Preprocessing(
        mean=(0.5, 0.25, 0.0), scale=1 / 255, resize="pad", pad_value=114.0, color="bgr"
    )
    model.save(tmp_path / "m.mj")
    report = mj_json("inspect", tmp_path / "m.mj", "--target", "numpy")
    assert (report["labels"], report["first_labels"]) == (10, list("abcde"))
    assert report["preprocessing"]["mean"] == [0.5, 0.25, 0] and report["preprocessing"]["std"] == [1]
    text = mj("inspect", tmp_path / "m.mj", "--target", "numpy").stdout
    assert "(pixel * 0.00392157 - (0.5, 0.25, 0)) / 1, bgr, pad with 114, bilinear" in " ".join(text.split())
    assert "10: a, b, c, d, e, ..." in text
    model.metadata.labels, model.metadata.preprocessing = [], None
    model.save(tmp_path / "m.mj")
    assert mj_json("inspect", tmp_path / "m.mj", "--target", "numpy")["preprocessing"] is None
    assert "no preprocessing known" in mj("inspect", tmp_path / "m.mj", "--target", "numpy").stdout


def test_multiply_adds_are_counted_by_hand(model: Path) -> None:
    """Outputs times the products of each: 4x4x8 of 27, 4x4x8 of 9, 1x1x8 of 32, 10 of 8; and each node's once."""
    wanted = 4 * 4 * 8 * 27 + 4 * 4 * 8 * 9 + 8 * 32 + 10 * 8
    for name in ("numpy", "cortex-a72"):
        report = mj_json("inspect", model, "--target", name)
        assert report["macs"] == sum(step["macs"] for step in report["steps"]) == wanted
    assert mj_json("inspect", model, "--target", "numpy", "--shape", "3,8,8,3")["macs"] == 3 * wanted


def test_arena_and_its_lower_bound(copying: Path) -> None:
    """Input and output of the transpose live at once, the second one from a whole cache line on."""
    arena = mj_json("inspect", copying, "--target", "numpy", "--shape", "4,3,5")["arena"]
    block = 4 * 3 * 5 * 4
    assert arena["lower_bound"] == 2 * block and arena["bytes"] == -(-block // ALIGNMENT) * ALIGNMENT + block


@pytest.mark.parametrize("name", ["cortex-a72", "x86-64-v2", "aarch64-i8mm"])
def test_any_target_can_be_planned_for(name: str, model: Path) -> None:
    report = mj_json("inspect", model, "--target", name)
    assert report["target"] == name
    kernels = [step["kernel"] for step in report["steps"] if step["kernel"]]
    assert any(kernel.startswith("conv.") for kernel in kernels)


def test_a_device_is_a_target(model: Path) -> None:
    assert mj_json("inspect", model, "--target", "raspberry-pi-5")["target"] == "aarch64-dotprod"


def test_tables_name_the_steps_in_numpy(model: Path) -> None:
    done = mj("inspect", model, "--target", "numpy")
    assert "Steps that run in NumPy" in done.stdout and "Conv_features" in done.stdout
    assert (
        re.search(r"(\d+) of \1 steps run in NumPy \(100 % of", " ".join(done.stdout.split()))
        and "lower bound" in done.stdout
    )
    every = mj("inspect", model, "--target", "cortex-a72", "--steps").stdout
    assert "conv.conv_f32" in every and "Conv_features" in every


def test_profile_times_every_step(model: Path) -> None:
    report = mj_json("inspect", model, "--target", "numpy", "--profile")
    assert len(report["steps"]) == len(mj_json("inspect", model, "--target", "numpy")["steps"])
    assert all(0 < step["seconds"] < 10 for step in report["steps"])


@LINUX
def test_profile_of_kernels(copying: Path) -> None:
    report = mj_json("inspect", copying, "--profile")
    assert report["steps"] and all(step["seconds"] >= 0 and step["kernel"] for step in report["steps"])
    assert report["packed_weight_bytes"] >= 0


def test_a_symbolic_shape_has_to_be_given(tmp_path: Path) -> None:
    graph = Graph({"x": Value("x", np.dtype(np.float32), ("N", "H")), "y": Value("y", np.dtype(np.float32))})
    graph.nodes, graph.inputs, graph.outputs = [Node("Relu", ["x"], ["y"])], ["x"], ["y"]
    Model(graph).save(tmp_path / "m.mj")
    done = mj("inspect", tmp_path / "m.mj")
    assert done.exit_code == 2 and one_line(done.stderr) and "--shape x=" in done.stderr
    assert mj("inspect", tmp_path / "m.mj", "--shape", "x=2,7", "--target", "numpy").exit_code == 0


def test_kernels_do_not_depend_on_the_number_of_threads(model: Path) -> None:
    opened, shapes = Model.load(model), {"pixels": (1, 8, 8, 3)}
    chosen = any_target("cortex-a72")
    sets = [plan_program(opened, shapes, chosen, threads)[0].kernels().keys() for threads in (1, 2, 4)]
    assert sets[0] == sets[1] == sets[2]


def test_compile_for_another_cpu(copying: Path, tmp_path: Path) -> None:
    report = mj_json("compile", copying, "--target", "cortex-a72", "-o", tmp_path / "m.mjk")
    (found,) = kernel_file.decode((tmp_path / "m.mjk").read_bytes(), "m.mjk").parts
    assert (found.target, found.machine) == ("cortex-a72", "aarch64")
    assert sorted(found.kernels) == report["targets"][0]["kernels"] and any(
        name.startswith("reorder.") for name in found.kernels
    )
    assert report["bytes"] == (tmp_path / "m.mjk").stat().st_size


def test_one_file_for_several_targets(copying: Path, tmp_path: Path) -> None:
    """Each once, by whatever name it was asked for."""
    asked = ["cortex-a72", "raspberry-pi-5", "cortex-a76", "x86-64-v2"]
    options = [word for name in asked for word in ("--target", name)]
    report = mj_json("compile", copying, *options, "-o", tmp_path / "m.mjk")
    wanted = ["cortex-a72", "aarch64-dotprod", "x86-64-v2"]
    assert [part["target"] for part in report["targets"]] == wanted
    assert kernel_file.decode((tmp_path / "m.mjk").read_bytes(), "m.mjk").targets == wanted
    alone = [mj_json("compile", copying, "--target", name, "-o", tmp_path / "n.mjk") for name in wanted]
    assert [part["kernels"] for part in report["targets"]] == [found["targets"][0]["kernels"] for found in alone]


@LINUX
def test_one_file_for_several_shapes(tmp_path: Path) -> None:
    """Of which the first has one column, so that no rows are copied."""
    graph = Graph({"x": Value("x", np.dtype(np.float32), ("N", "H", "W")), "y": Value("y", np.dtype(np.float32))})
    graph.nodes = [Node("Transpose", ["x"], ["y"], {"perm": [0, 2, 1]}, "turn")]
    graph.inputs, graph.outputs = ["x"], ["y"]
    Model(graph).save(tmp_path / "m.mj")

    def kernels(*shapes: str) -> set[str]:
        options = [word for shape in shapes for word in ("--shape", shape)]
        report = mj_json("compile", tmp_path / "m.mj", *options, "-o", tmp_path / "m.mjk")
        assert report["shapes"] == [{"x": [int(n) for n in shape.split(",")]} for shape in shapes]
        return set(report["targets"][0]["kernels"])

    one, other = kernels("1,7,1"), kernels("2,3,5")
    assert one != other
    assert kernels("1,7,1", "2,3,5") == one | other
    for shape in ((1, 7, 1), (2, 3, 5)):
        np.save(tmp_path / "x.npy", np.ones(shape, np.float32))
        done = mj("run", tmp_path / "m.mj", "--kernels", tmp_path / "m.mjk", "--input", tmp_path / "x.npy")
        assert done.exit_code == 0 and target.detect().name in done.stdout, done.stderr


@LINUX
def test_compiled_kernels_run_without_numba(copying: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((1, 3, 5), np.float32))
    done = mj("compile", copying, "-o", tmp_path / "m.mjk")
    assert done.exit_code == 0 and target.detect().name in done.stdout, done.stderr
    code = (
        "import sys; sys.modules['numba'] = sys.modules['llvmlite'] = None\n"
        "from millijoule.tools.main import main; main()"
    )
    empty = str(tmp_path / "empty")
    ran = mj_process("run", copying, "--kernels", tmp_path / "m.mjk", code=code, MILLIJOULE_CACHE=empty)
    assert ran.returncode == 0, ran.stderr
    assert target.detect().name in ran.stdout
    refused = mj_process("run", copying, "--input", tmp_path / "x.npy", code=code, MILLIJOULE_CACHE=empty)
    assert refused.returncode == 2 and one_line(refused.stderr), refused.stderr
    assert "pip install numba" in refused.stderr and "mj compile MODEL --target" in refused.stderr
    refused = mj_process("compile", copying, "-o", tmp_path / "n.mjk", code=code, MILLIJOULE_CACHE=empty)
    assert refused.returncode == 2 and one_line(refused.stderr), refused.stderr
    assert "pip install numba" in refused.stderr and not (tmp_path / "n.mjk").exists()


@LINUX
def test_a_kernel_file_for_another_cpu_is_refused(copying: Path, tmp_path: Path) -> None:
    other = "x86-64-v2" if target.detect().machine == "aarch64" else "cortex-a72"
    mj("compile", copying, "--target", other, "-o", tmp_path / "m.mjk")
    done = mj("run", copying, "--kernels", tmp_path / "m.mjk")
    assert done.exit_code == 2 and other in done.stderr


def test_targets_are_listed() -> None:
    done = mj("compile", "--target", "list")
    assert done.exit_code == 0 and all(name in done.stdout for name in target.TARGETS)
    listed = mj_json("compile", "--target", "list")
    assert [item["target"] for item in listed] == list(target.TARGETS)


@pytest.mark.parametrize("name", ["z80", "numpy"])
def test_targets_that_cannot_be_compiled_for(name: str, copying: Path, tmp_path: Path) -> None:
    done = mj("compile", copying, "--target", name, "-o", tmp_path / "m.mjk")
    assert done.exit_code == 2 and one_line(done.stderr) and name in done.stderr
    assert not list(tmp_path.iterdir())


def test_sources_are_inspected_straight() -> None:
    pytest.importorskip("onnx")
    report = mj_json("inspect", EXAMPLE / "fashion_mnist_f32.onnx")
    assert report["macs"] > 3_000_000 and report["source"]["format"] == "onnx"
