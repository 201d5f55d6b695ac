"""Self-tests: what a file holds of them, which inputs are made, and what is said of a model that gives others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from classifiers import classifier
from cli import mj, mj_json, one_line
from file_parts import Parts, put_together, take_apart
from small_model import small_model

import millijoule
from millijoule.converters.self_test import make_self_test
from millijoule.runtime.errors import InputError, ModelError
from millijoule.runtime.file import self_test as limits
from millijoule.runtime.file.metadata import Metadata, Preprocessing
from millijoule.runtime.file.self_test import Case
from millijoule.runtime.graph import Graph, Node, Quantization, Value
from millijoule.runtime.model import Model
from millijoule.tools.measure.self_test import Limits, OutputResult, exact_values


def proved(count: int = 2) -> Model:
    model = small_model()
    model.self_test = make_self_test(model, count)
    return model


@pytest.fixture
def path(tmp_path: Path) -> Path:
    proved().save(tmp_path / "tested.mj")
    return tmp_path / "tested.mj"


def test_a_file_keeps_it(path: Path, tmp_path: Path) -> None:
    loaded = Model.load(path)
    for case, wanted in zip(loaded.self_test, proved().self_test, strict=True):
        for side, expected in zip(case, wanted, strict=True):
            assert list(side) == list(expected)
            assert all(np.array_equal(side[name], expected[name]) for name in expected)
    loaded.save(tmp_path / "again.mj")
    assert (tmp_path / "again.mj").read_bytes() == path.read_bytes()


def test_only_files_with_one_are_of_the_version_that_has_it(path: Path, tmp_path: Path) -> None:
    small_model().save(tmp_path / "plain.mj")
    versions = [take_apart(file.read_bytes()).record["version"] for file in (tmp_path / "plain.mj", path)]
    assert versions == [1, 4]


def test_outputs_are_those_of_the_references() -> None:
    from millijoule.runtime.evaluate import reference

    model = proved()
    for case in model.self_test:
        wanted = reference.run(model.graph, case.inputs)
        assert all(np.array_equal(case.outputs[name], wanted[name]) for name in wanted)


def test_images_are_pixels_prepared_as_the_model_says() -> None:
    model = small_model()
    inputs = [case.inputs["pixels"] for case in make_self_test(model, 3)]
    # (pixel - 127.5) / 127.5 of whole pixels.
    pixels = [array * 127.5 + 127.5 for array in inputs]
    assert all(np.abs(array - array.round()).max() < 1e-3 and 0 <= array.min() < array.max() <= 255 for array in pixels)
    sides = [np.unique(array[0, :4, :4, 0]).size for array in pixels]
    assert sides[0] > 8 and sides[1] == 1 and np.unique(pixels[2][..., 0]).size == 1
    assert len({array.tobytes() for array in inputs}) == 3


def test_quantized_integers_are_over_their_whole_range() -> None:
    graph = Graph()
    quant = Quantization.per_tensor(0.1, 3)
    for name in ("x", "y"):
        graph.add_value(Value(name, np.dtype(np.int8), ("N", 1000), quant))
    graph.inputs, graph.outputs, graph.nodes = ["x"], ["y"], [Node("Relu", ["x"], ["y"])]
    (case,) = make_self_test(Model(graph), 1)
    assert case.inputs["x"].shape == (1, 1000) and (case.inputs["x"].min(), case.inputs["x"].max()) == (-128, 127)


def test_inputs_may_be_given(tmp_path: Path) -> None:
    model = small_model()
    images = np.random.default_rng(0).normal(size=(5, 8, 8, 3)).astype(np.float32)
    found = make_self_test(model, [{"image": image[None]} for image in images[:2]])
    assert [case.inputs["pixels"].tobytes() for case in found] == [images[0].tobytes(), images[1].tobytes()]
    with pytest.raises(InputError, match="input 'pixels'"):
        make_self_test(model, [{"pixels": images[0]}])


def unsized() -> Model:
    graph = Graph()
    for name in ("x", "y"):
        graph.add_value(Value(name, np.dtype(np.float32), (1, "T")))
    graph.inputs, graph.outputs, graph.nodes = ["x"], ["y"], [Node("Relu", ["x"], ["y"])]
    return Model(graph)


def test_sizes_that_only_inputs_tell() -> None:
    with pytest.raises(InputError, match=r"'x'.*no definite size.*--self-test-data"):
        make_self_test(unsized(), 1)
    sizes = [
        case.outputs["y"].shape for case in make_self_test(unsized(), [{"x": np.ones((1, n), "f")} for n in (3, 5)])
    ]
    assert sizes == [(1, 3), (1, 5)]


@pytest.mark.parametrize("count", [-1, 65, True])
def test_counts_that_are_none(count: Any) -> None:
    with pytest.raises(InputError, match="1 to 64"):
        make_self_test(small_model(), count)


def test_what_is_too_large(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    for home in ("millijoule.converters.self_test", "millijoule.runtime.file.self_test"):
        monkeypatch.setattr(f"{home}.MOST_BYTES", 500)
    with pytest.raises(InputError, match="above the limit of 500"):
        make_self_test(small_model(), 1)
    with pytest.raises(ModelError, match="above the limit of 500"):
        Model.load(path)
    assert limits.MOST_CASES == 64


def drop_input(parts: Parts) -> None:
    case = parts.record["self_test"][0]
    case["outputs"].append(case["inputs"].pop())


def swap_sides(parts: Parts) -> None:
    case = parts.record["self_test"][0]
    case["inputs"][0], case["outputs"][0] = case["outputs"][0], case["inputs"][0]


def another_dtype(parts: Parts) -> None:
    case = parts.record["self_test"][1]
    case["outputs"].append(case["inputs"].pop())
    case["inputs"].append(next(key for key, entry in parts.entries.items() if entry["dtype"] == "I8"))


def no_such_tensor(parts: Parts) -> None:
    parts.record["self_test"][0]["outputs"][0] = "nothing"


def not_referred_to(parts: Parts) -> None:
    del parts.record["self_test"][1]


def older_version(parts: Parts) -> None:
    parts.record["version"] = 3


def too_many(parts: Parts) -> None:
    parts.record["self_test"] *= 40


def unknown_key(parts: Parts) -> None:
    parts.record["self_test"][0]["seed"] = 1


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (drop_input, "self-test 0 has 0 inputs; the model has 1"),
        (swap_sides, "self-test 0, input 'pixels' is float32 of shape"),
        (another_dtype, "self-test 1, input 'pixels' is int8"),
        (no_such_tensor, "self-test 0: the file has no tensor 'nothing'"),
        (not_referred_to, "belongs to no value"),
        (older_version, "version 3 of the format has no self-test"),
        (too_many, "self_test"),
        (unknown_key, "unknown field"),
    ],
)
def test_damage_is_one_clear_error(damage: Callable[[Parts], None], problem: str, path: Path) -> None:
    parts = take_apart(path.read_bytes())
    damage(parts)
    path.write_bytes(put_together(parts))
    for verify in (True, False):
        with pytest.raises(ModelError, match=problem) as caught:
            Model.load(path, verify=verify)
        assert "\n" not in str(caught.value)


def test_one_that_is_no_more_the_models_is_not_saved(tmp_path: Path) -> None:
    model = proved()
    model.self_test = [Case({"image": case.inputs["pixels"]}, case.outputs) for case in model.self_test]
    with pytest.raises(ModelError, match="self-test 0 has the inputs"):
        model.save(tmp_path / "a.mj")
    assert not (tmp_path / "a.mj").exists()


def test_verify_says_bit_equal(path: Path) -> None:
    report = mj_json("verify", path, "--target", "numpy")
    assert report["verdict"] == "equal" and report["inputs"] == 2 and report["target"] == "numpy"
    assert [(row["name"], row["equal"], row["inputs"]) for row in report["outputs"]] == [
        ("scores", 2, 2), ("means", 2, 2), ("table", 2, 2),
    ]  # fmt: skip
    done = mj("verify", path, "--target", "numpy")
    assert done.exit_code == 0 and "bit-equal" in done.stdout


def nudged(model: Model, name: str, amount: float) -> Model:
    """The model, its second self-test as if one element of an output had been larger by a share of the largest."""
    case = model.self_test[1]
    changed = case.outputs[name].copy()
    changed[0, 2] += changed.dtype.type(amount * np.abs(changed).max())
    model.self_test = [model.self_test[0], Case(case.inputs, {**case.outputs, name: changed})]
    return model


def test_verify_says_within(tmp_path: Path) -> None:
    nudged(proved(), "means", 1e-5).save(tmp_path / "a.mj")
    report = mj_json("verify", tmp_path / "a.mj", "--target", "numpy")
    assert report["verdict"] == "within"
    assert [row["verdict"] for row in report["outputs"]] == ["equal", "within", "equal"]
    assert report["outputs"][1]["relative"] == pytest.approx(1e-5, rel=0.05)


def test_verify_says_which_output_differs_and_by_how_much(tmp_path: Path) -> None:
    model = nudged(proved(), "means", 0.25)
    model.save(tmp_path / "a.mj")
    done = mj("verify", tmp_path / "a.mj", "--target", "numpy", "--json")
    report = json.loads(done.stdout)
    assert done.exit_code == 1 and report["verdict"] == "differs"
    row = report["outputs"][1]
    assert row["verdict"] == "differs" and (row["worst"]["input"], row["worst"]["index"]) == (1, [0, 2])
    assert row["worst"]["wanted"] == model.self_test[1].outputs["means"][0, 2]
    said = mj("verify", tmp_path / "a.mj", "--target", "numpy")
    assert said.exit_code == 1 and "output 'means' differs, most for input 1: [0, 2] is" in said.stdout
    assert mj("verify", tmp_path / "a.mj", "--target", "numpy", "--tolerance", "0.5").exit_code == 0


def test_verify_runs_compiled_kernels(path: Path) -> None:
    report = mj_json("verify", path, "--threads", 1)
    assert report["verdict"] in ("equal", "within") and report["target"] != "numpy"
    assert all(row["relative"] is None or row["relative"] < 1e-5 for row in report["outputs"])


def test_verify_of_a_model_without_one(tmp_path: Path) -> None:
    small_model().save(tmp_path / "plain.mj")
    done = mj("verify", tmp_path / "plain.mj")
    assert done.exit_code == 2 and one_line(done.stderr) and "--self-test" in done.stderr


def test_verify_of_a_damaged_file(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    done = mj("verify", path)
    assert done.exit_code == 2 and one_line(done.stderr) and "damaged" in done.stderr


def test_a_cascade_is_verified_as_a_whole(tmp_path: Path) -> None:
    with millijoule.Cascade([classifier(1), classifier(2)], millijoule.Gate("margin", 0.5), target="numpy") as cascade:
        cascade.model.save(tmp_path / "untested.mj")
    mj_json("convert", tmp_path / "untested.mj", "-o", tmp_path / "pair.mj", "--self-test", 6)
    model = Model.load(tmp_path / "pair.mj")
    assert take_apart((tmp_path / "pair.mj").read_bytes()).record["version"] == 4
    asked = {float(array[4]) for case in model.self_test for array in case.outputs.values() if array.shape == (5,)}
    assert asked == {1.0, 2.0}  # so that both ways are seen
    for target in ("numpy", "host"):
        report = mj_json("verify", tmp_path / "pair.mj", "--target", target, "--threads", 1)
        assert report["verdict"] == ("equal" if target == "numpy" else "within"), report["outputs"]


def test_what_is_computed_in_integers_has_to_be_equal() -> None:
    graph = small_model().graph
    exact = exact_values(graph)
    assert {"pixels", "w1"} <= exact and not {"features", "mixed", "logits", "scores", "table"} & exact
    from_here = Graph(values=graph.values, nodes=graph.nodes[graph.nodes.index(_maker(graph, "mixed")) :])
    from_here.inputs = ["quantized"]
    assert {"mixed", "flat", "logits", "real"} <= exact_values(from_here) and "scores" not in exact_values(from_here)


def _maker(graph: Graph, name: str) -> Node:
    return next(node for node in graph.nodes if name in node.outputs)


@pytest.mark.parametrize(
    ("exact", "quant", "off", "verdict"),
    [
        (True, True, 0, "equal"),
        (True, True, 1, "differs"),
        (False, True, 1, "within"),
        (False, True, 9, "differs"),
        (False, False, 1, "differs"),  # classes, places: one off is another one
    ],
)
def test_integers(exact: bool, quant: bool, off: int, verdict: str) -> None:
    result = OutputResult("y", exact, Quantization.per_tensor(0.1, 0) if quant else None)
    wanted = np.arange(20, dtype=np.int8)
    found = wanted.copy()
    found[3] += off
    result.add(0, found, wanted)
    assert result.verdict(Limits(1e-4, 0.25)) == verdict


def test_a_shape_that_is_another_differs() -> None:
    result = OutputResult("y", False, None)
    result.add(0, np.zeros((1, 3), np.float32), np.zeros((1, 4), np.float32))
    assert result.verdict(Limits(1, 1)) == "differs"
    assert result.describe(Limits(1, 1))["wrong_shape"] == {"input": 0, "found": [1, 3], "wanted": [1, 4]}


def test_convert_puts_it_into_the_file(tmp_path: Path) -> None:
    from cli import EXAMPLE

    pytest.importorskip("onnx")
    source = EXAMPLE / "fashion_mnist_f32.onnx"
    images = np.random.default_rng(1).normal(size=(3, 1, 28, 28)).astype(np.float32)
    np.savez(tmp_path / "samples.npz", image=images)
    out = tmp_path / "out.mj"
    report = mj_json("convert", source, "-o", out, "--self-test", 2, "--self-test-data", tmp_path / "samples.npz")
    model = Model.load(out)
    assert report["self_test"]["inputs"] == len(model.self_test) == 2
    assert np.array_equal(model.self_test[1].inputs["image"], images[1:2])
    assert mj_json("verify", out, "--target", "numpy")["verdict"] == "equal"
    done = mj("convert", source, "-o", out, "--self-test", 4, "--self-test-data", tmp_path / "samples.npz")
    assert done.exit_code == 2 and one_line(done.stderr) and "4 samples are wanted, and it has 3" in done.stderr
    assert mj("convert", source, "-o", out, "--self-test-data", tmp_path / "samples.npz").exit_code == 2
    assert millijoule.convert(source, self_test=1).self_test[0].inputs["image"].shape == (1, 1, 28, 28)
    assert Model(Graph(), Metadata(preprocessing=Preprocessing())).self_test == ()
