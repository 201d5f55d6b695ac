"""What the TFLite converter makes of names, dynamic dimensions and damaged files, and of what it cannot convert."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tflite")

from tflite_builder import Model, Operator, Signature, Tensor, converted, one_operator

from millijoule.converters.tflite.convert import convert
from millijoule.converters.tflite.handlers import names
from millijoule.runtime.errors import Error, ModelError
from millijoule.runtime.evaluate.reference import run
from millijoule.runtime.ops import registry

ADD: tuple[str, dict[str, Any]] = ("AddOptions", {})


def real(name: str, shape: tuple[int, ...] = (2, 3), **fields: Any) -> Tensor:
    return Tensor(name, shape, "float32", **fields)


def chain(*names: str) -> Model:
    """x + x, + the first sum, ...: one tensor per name, the first is the input, the last the output."""
    operators = [Operator("ADD", [i, i], [i + 1], ADD) for i in range(len(names) - 1)]
    return Model([real(name) for name in names], operators, [0], [len(names) - 1])


def error_of(model: Model, folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        converted(model, folder)
    assert str(folder) in str(caught.value)
    return str(caught.value)


def test_public_names_stay_and_repeated_ones_become_unique(tmp_path: Path) -> None:
    graph = converted(chain("in", "out", "out", "", "out"), tmp_path).graph
    assert (graph.inputs, graph.outputs) == (["in"], ["out"])
    assert [node.outputs for node in graph.nodes] == [["out.1"], ["out.2"], ["tensor_3"], ["out"]]
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(run(graph, {"in": x})["out"], 16 * x)


def test_signature_names_are_aliases(tmp_path: Path) -> None:
    model = chain("serving_default_x:0", "Identity:0")
    model.signatures = [Signature({"x": 0}, {"scores": 1})]
    assert converted(model, tmp_path).aliases == {"x": "serving_default_x:0", "scores": "Identity:0"}


def test_an_ambiguous_signature_name_is_no_alias(tmp_path: Path) -> None:
    model = chain("serving_default_x:0", "Identity:0")
    model.signatures = [Signature({"x": 0}, {"x": 1})]
    assert converted(model, tmp_path).aliases == {}


def test_dynamic_dimensions_are_symbols(tmp_path: Path) -> None:
    model = chain("x", "hidden", "y")
    for tensor in model.tensors:
        tensor.shape, tensor.signature = (1, 3), (-1, 3)
    found = converted(model, tmp_path)
    graph = found.graph
    assert graph.values["x"].shape == ("batch", 3)
    assert graph.values["y"].shape == ("batch", 3)
    assert graph.values["hidden"].shape is None
    assert found.default_sizes == {"batch": 1}
    assert run(graph, {"x": np.ones((5, 3), np.float32)})["y"].shape == (5, 3)


def test_other_dynamic_dimensions_are_called_after_their_tensor(tmp_path: Path) -> None:
    model = chain("x", "y")
    model.tensors[0].shape, model.tensors[0].signature = (2, 7), (-1, -1)
    model.tensors[1].shape, model.tensors[1].signature = (14, 1), (-1, -1)  # not one row for each of the batch
    found = converted(model, tmp_path)
    assert found.graph.values["x"].shape == ("batch", "x_1")
    assert found.graph.values["y"].shape == ("y_0", "y_1")
    assert found.default_sizes == {"batch": 2, "x_1": 7}


@pytest.mark.parametrize(
    ("stored", "wanted"),
    [
        (((1, 3), (1, 3)), (("batch", 3), ("batch", 3))),
        (((1, 3), (2, 3)), (("a_0", 3), ("b_0", 3))),
        (((1, 3), (0, 3)), (("a_0", 3), ("b_0", 3))),
    ],
)
def test_a_batch_is_what_all_inputs_share(
    stored: tuple[tuple[int, int], ...], wanted: tuple[tuple[str, int], ...], tmp_path: Path
) -> None:
    tensors = [real(name, shape, signature=(-1, 3)) for name, shape in zip("ab", stored, strict=True)]
    tensors += [real("c", (1, 3)), real("d", (1, 3))]
    found = converted(
        Model(tensors, [Operator("RELU", [0], [2]), Operator("RELU", [1], [3])], [0, 1], [2, 3]), tmp_path
    )
    assert tuple(found.graph.values[name].shape for name in "ab") == wanted
    sizes = {symbol: shape[0] for shape, (symbol, _) in zip(stored, wanted, strict=True) if shape[0]}
    assert found.default_sizes == sizes


def test_a_first_dimension_that_not_all_inputs_have_dynamic_is_no_batch(tmp_path: Path) -> None:
    model = chain("x", "y")
    model.tensors.append(real("z", (1, 3)))
    model.inputs = [0, 2]
    model.tensors[0].shape, model.tensors[0].signature = (1, 3), (-1, 3)
    assert converted(model, tmp_path).graph.values["x"].shape == ("x_0", 3)


def test_what_no_output_needs_is_dropped(tmp_path: Path) -> None:
    model = chain("x", "y", "unused")
    model.outputs = [1]
    graph = converted(model, tmp_path).graph
    assert len(graph.nodes) == 1
    assert sorted(graph.values) == ["x", "y"]


def test_an_output_may_be_a_constant(tmp_path: Path) -> None:
    model = chain("x", "y")
    data = np.array([3, 4], np.uint8)
    model.tensors += [
        Tensor("plain", (2,), "float32", data.astype(np.float32)),
        Tensor("quantized", (2,), "uint8", data, scale=0.5, zero_point=2),
    ]
    model.outputs = [1, 2, 3]
    found = run(converted(model, tmp_path).graph, {"x": np.ones((2, 3), np.float32)})
    np.testing.assert_array_equal(found["plain"], [3, 4])
    np.testing.assert_array_equal(found["quantized"], data)


def test_public_uint8_stays(tmp_path: Path) -> None:
    tensors = [Tensor(name, (4,), "uint8", scale=0.5, zero_point=128) for name in ("x", "y")]
    graph = converted(Model(tensors, [Operator("ADD", [0, 0], [1], ADD)], [0], [1]), tmp_path).graph
    assert [node.op for node in graph.nodes] == ["Requantize", "Add", "Requantize"]
    inside = graph.values[graph.nodes[1].inputs[0]]
    assert inside.dtype == np.int8
    assert inside.quant is not None
    assert inside.quant.zero_point.tolist() == [0]
    x = np.array([128, 130, 0, 255], np.uint8)
    np.testing.assert_array_equal(run(graph, {"x": x})["y"], [128, 132, 0, 255])


def test_unsupported_operators_are_listed_together(tmp_path: Path) -> None:
    model = Model(
        [real("x"), real("a"), real("b"), real("c"), Tensor("text", (1,), "float32", type_name="string"), real("d")],
        [
            Operator("CUSTOM FlexErf", [0], [1]),
            Operator("ADD", [1, 0], [2], ("AddOptions", {"FusedActivationFunction": 9})),
            Operator("SKIP_GRAM", [2], [3], ("SkipGramOptions", {})),
            Operator("ADD", [3, 4], [5], ADD),
        ],
        [0],
        [5],
    )
    message = error_of(model, tmp_path)
    assert "4 operators are not supported:" in message
    for part in (
        "CUSTOM FlexErf at position 0, which makes 'a'",
        "function 9",
        "text cannot be converted",
        "tensor 'text' holds STRING",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"data": np.array([[1, np.nan, 2]] * 2, np.float32)}, "constant tensor 'c' holds NaN"),
        ({"raw": b"\0" * 20}, "tensor 'c' needs 24 bytes by its shape, but its buffer holds 20"),
        ({"scale": 0.0, "dtype": "int8"}, "tensor 'c' has a scale that is not a positive number"),
        ({"scale": float("nan"), "dtype": "int8"}, "tensor 'c' has a scale"),
        ({"scale": float("inf"), "dtype": "int8"}, "tensor 'c' has a scale"),
        ({"scale": 0.1, "zero_point": 200, "dtype": "int8"}, "tensor 'c' has a zero point outside int8"),
        ({"scale": [0.1, 0.2], "axis": 7, "dtype": "int8"}, "quantized along axis 7"),
        ({"scale": [0.1, 0.2], "axis": 1, "dtype": "int8"}, "has 2 scales"),
        ({"shape": (2, -3)}, "negative dimension"),
        ({"shape": (1,) * 40}, "40 dimensions"),
    ],
)
def test_bad_tensors_are_named(fields: dict[str, Any], part: str, tmp_path: Path) -> None:
    dtype = fields.get("dtype", "float32")
    fields = {"name": "c", "shape": (2, 3), "dtype": dtype, "raw": b"\0" * 6 * np.dtype(dtype).itemsize, **fields}
    model = one_operator("ADD", [real("x"), Tensor(**fields)], [real("y")], ADD)
    assert part in error_of(model, tmp_path)


@pytest.mark.parametrize(
    ("operators", "part"),
    [
        ([Operator("ADD", [0, 2], [1], ADD)], "reads tensor 'later', which nothing has made yet"),
        (
            [Operator("ADD", [0, 0], [1], ADD), Operator("ADD", [0, 0], [1], ADD)],
            "makes tensor 'y', which exists already",
        ),
        ([Operator("ADD", [0, 9], [1], ADD)], "names tensor 9"),
        ([Operator("ADD", [0, 0], [2], ADD)], "nothing makes output 'y'"),
        ([Operator("ADD", [0], [1], ADD)], "input 1 is missing"),
        ([Operator("ADD", [0, -1], [1], ADD)], "input 1 is missing"),
        ([Operator("CONV_2D", [0, 0], [1], ADD)], "weights 'x' have 2 dimensions"),
    ],
)
def test_operators_that_do_not_fit_together(operators: list[Operator], part: str, tmp_path: Path) -> None:
    assert part in error_of(Model([real("x"), real("y"), real("later")], operators, [0], [1]), tmp_path)


def test_files_that_are_no_model(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    for content, part in (
        (b"", "is not a TFLite model"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"\x1c\0\0\0TFL3", "truncated or damaged"),
        (b"PK\x03\x04 and so on", "is not a TFLite model"),
    ):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=part):
            convert(path)
    with pytest.raises(ModelError, match="cannot be read"):
        convert(tmp_path / "absent.tflite")
    with pytest.raises(ModelError, match="is not a file"):
        convert(tmp_path)
    model = chain("x", "y")
    model.version = 2
    assert "schema version 2" in error_of(model, tmp_path)


def test_buffers_behind_the_flatbuffer(tmp_path: Path) -> None:
    """Large models keep weights outside: a buffer is then an offset and a size. The builder writes none, so the
    reader is asked directly."""
    import tflite

    from millijoule.converters.tflite.reader import _Reader

    content = chain("x", "y").to_bytes()

    class Outside:
        def __init__(self, offset: int, size: int) -> None:
            self.Offset, self.Size, self.DataLength = (lambda: offset), (lambda: size), (lambda: 0)

    class Root:
        BuffersLength = staticmethod(lambda: 3)
        Buffers = staticmethod([Outside(0, 0), Outside(len(content), 4), Outside(len(content), 5)].__getitem__)

    reader = _Reader("outside.tflite", content + b"\1\2\3\4")
    assert isinstance(reader.root, tflite.Model)
    reader.root = Root()
    assert reader.buffer(0) is None
    assert bytes(reader.buffer(1) or b"") == b"\1\2\3\4"
    with pytest.raises(ModelError, match="truncated"):
        reader.buffer(2)


def test_without_the_package_tflite_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("millijoule.converters.tflite")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tflite", None)
    with pytest.raises(Error, match=r"millijoule\[tflite\]"):
        importlib.import_module("millijoule.converters.tflite")


def test_every_handler_emits_operators_that_exist() -> None:
    """Names that handlers emit, found in their source as first arguments of node, new and finish, are registered."""
    import re

    import millijoule.converters.tflite as package

    folder = Path(package.__file__ or "").parent
    pattern = re.compile(r'op\.(?:node|new|finish)\(\s*"(\w+)"')
    emitted = {name for file in folder.rglob("*.py") for name in pattern.findall(file.read_text())}
    assert len(emitted) > 30
    assert emitted <= set(registry.names())
    assert len(names()) > 100
