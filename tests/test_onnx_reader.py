"""Damaged, hostile and too new or too old ONNX files: one ModelError that says what is wrong and where."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx_models import graph_from, model_of, node

from millijoule.converters.onnx.convert import convert
from millijoule.converters.onnx.reader import MAX_OPSET
from millijoule.runtime.errors import ModelError
from millijoule.runtime.evaluate.reference import run

WEIGHTS = np.arange(6, dtype=np.float32).reshape(2, 3)


def product(tensor: TensorProto | None = None, opset: int = 13) -> onnx.ModelProto:
    model = model_of([node("MatMul", "x w", "y")], {"x": ((4, 2), "float32")}, "y", opset=opset)
    model.graph.initializer.append(numpy_helper.from_array(WEIGHTS, "w") if tensor is None else tensor)
    return model


def error_of(source: onnx.ModelProto | Path) -> str:
    with pytest.raises(ModelError) as caught:
        convert(source)
    if isinstance(source, Path):
        assert str(source) in str(caught.value)
    return str(caught.value)


def saved(folder: Path, content: bytes | onnx.ModelProto) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
    return path


def test_a_file_converts(tmp_path: Path) -> None:
    graph = convert(saved(tmp_path, product())).graph
    found = graph.constant("w")
    assert found is not None
    np.testing.assert_array_equal(found, WEIGHTS)


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"hello", b"<!DOCTYPE html>", b"PK\3\4" + b"\0" * 60])
def test_something_else(tmp_path: Path, content: bytes) -> None:
    assert "not an ONNX model" in error_of(saved(tmp_path, content))


def test_pointer_of_git_lfs(tmp_path: Path) -> None:
    assert "git lfs pull" in error_of(saved(tmp_path, b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"))


def test_truncated_file(tmp_path: Path) -> None:
    whole = product().SerializeToString()
    assert "truncated or damaged" in error_of(saved(tmp_path, whole[: len(whole) // 2]))


def test_missing_file_and_folder(tmp_path: Path) -> None:
    assert "cannot be read" in error_of(tmp_path / "absent.onnx")
    assert "is not a file" in error_of(tmp_path)
    with pytest.raises(ModelError, match="not a path"):
        convert("a\0b.onnx")


def test_name_that_is_no_text(tmp_path: Path) -> None:
    damaged = product().SerializeToString().replace(b"MatMul", b"Mat\xfful")
    assert "not UTF-8" in error_of(saved(tmp_path, damaged))


def test_operator_sets_of_old_are_brought_up() -> None:
    """Until 5 Reshape's shape was an attribute, until 6 shapes broadcast only where an attribute said how."""
    inputs = {"x": ((4, 2), "float32")}
    graph = graph_from(model_of([node("Reshape", "x", "y", shape=[2, 4])], inputs, "y", opset=1))
    assert graph.values["y"].shape == (2, 4)
    added = graph_from(
        model_of([node("Add", "x z", "y", broadcast=1, axis=0)], inputs | {"z": ((4,), "float32")}, "y", opset=6)
    )
    x, z = np.ones((4, 2), np.float32), np.arange(4, dtype=np.float32)
    np.testing.assert_array_equal(run(added, {"x": x, "z": z})["y"], x + z[:, None])


def test_operator_set_that_nobody_can_bring_up() -> None:
    assert f"operator set 0; supported are 1 to {MAX_OPSET}" in error_of(product(opset=0))
    assert "operator set 6, which onnx.version_converter cannot bring to 7: " in error_of(
        model_of([node("Frob", "x", "y")], {"x": ((4, 2), "float32")}, "y", opset=6)
    )


def test_newer_versions_are_taken_where_nothing_has_changed() -> None:
    """A newer IR version always; a newer operator set where the onnx package can tell what has changed."""
    model = product()
    model.ir_version = 99
    assert graph_from(model).nodes
    newer = product(opset=MAX_OPSET + 71)
    text = error_of(newer)
    assert f"operator set {MAX_OPSET + 71} is newer than {MAX_OPSET}" in text and "MatMul 'y'" in text


def test_operator_set_between_ours_and_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """MatMul has not changed since 13, Cast has since 20: of a model of set 24 one converts, the other does not."""
    if onnx.defs.onnx_opset_version() < 24:
        pytest.skip("this onnx package does not know operator set 24")
    monkeypatch.setattr("millijoule.converters.onnx.importer.MAX_OPSET", 20)
    assert graph_from(product(opset=24)).nodes
    cast = model_of([node("Cast", "x", "y", to=7)], {"x": ((4,), "float32")}, "y", opset=24)
    assert "Cast x1: its form of operator set 24; supported are forms up to 20\n    Cast 'y'" in error_of(cast)


def test_versions_that_are_missing_or_contradict_each_other() -> None:
    model = product()
    del model.opset_import[:]
    assert "names no operator set" in error_of(model)
    model.opset_import.extend([helper.make_opsetid("", 13), helper.make_opsetid("ai.onnx", 14)])
    assert "in two versions" in error_of(model)
    model = product()
    model.ir_version = 2
    assert "IR version 2; supported are 3 and newer" in error_of(model)


def change(edit: Callable[[TensorProto], object]) -> onnx.ModelProto:
    model = product()
    edit(model.graph.initializer[0])
    return model


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: t.dims.append(2), "needs 48 bytes of data, found 24"),
        (lambda t: t.dims.append(-1), "is not possible"),
        (lambda t: t.dims.extend([1 << 40, 1 << 40]), "is not possible"),
        (lambda t: t.dims.extend([1] * 40), "is not possible"),
        (lambda t: setattr(t, "data_type", TensorProto.STRING), "needs 6 elements, found 0"),
        (lambda t: setattr(t, "data_type", 77), "element type number 77 is not supported"),
        (lambda t: setattr(t, "raw_data", np.full(6, np.nan, np.float32).tobytes()), "contains NaN"),
        (lambda t: t.ClearField("raw_data"), "needs 6 elements, found 0"),
        (lambda t: setattr(t.segment, "begin", 1), "segmented"),
    ],
)
def test_damaged_weights(edit: Callable[[TensorProto], object], message: str) -> None:
    text = error_of(change(edit))
    assert "tensor 'w'" in text and message in text


def test_weights_out_of_range_of_their_type() -> None:
    tensor = TensorProto(name="w", data_type=TensorProto.INT8, dims=[2, 3], int32_data=[0, 1, 2, 3, 4, 128])
    assert "outside of the range of int8" in error_of(product(tensor))


def test_nan_in_a_constant_node_and_in_a_fill_value() -> None:
    nan = numpy_helper.from_array(np.array([np.nan], np.float32), "broken")
    assert "Constant 'y'" in error_of(model_of([node("Constant", "", "y", value=nan)], {}, "y"))
    assert graph_from(model_of([node("ConstantOfShape", "s", "y", value=nan)], {}, "y", {"s": np.array([2])})).nodes


@pytest.mark.parametrize("indices", [[6, 0], [-1, 0], [0]])
def test_sparse_weights_out_of_place(indices: list[int]) -> None:
    values = numpy_helper.from_array(np.ones(2, np.float32), "w")
    sparse = helper.make_sparse_tensor(values, numpy_helper.from_array(np.array(indices)), [2, 3])
    model = product()
    del model.graph.initializer[:]
    model.graph.sparse_initializer.append(sparse)
    assert "sparse" in error_of(model)


def test_sparse_weights_that_explode() -> None:
    values = numpy_helper.from_array(np.ones(1, np.float32), "w")
    sparse = helper.make_sparse_tensor(values, numpy_helper.from_array(np.array([0])), [1 << 15, 1 << 15])
    model = product()
    del model.graph.initializer[:]
    model.graph.sparse_initializer.append(sparse)
    assert "too large" in error_of(model)


def outside(model: onnx.ModelProto, **entries: str) -> onnx.ModelProto:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return model


def test_weights_in_a_file_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w.bin").write_bytes(b"12345678" + WEIGHTS.tobytes())
    model = outside(product(), location="sub/w.bin", offset="8", length="24")
    found = convert(saved(tmp_path, model)).graph.constant("w")
    assert found is not None
    np.testing.assert_array_equal(found, WEIGHTS)
    assert "not read from a file" in error_of(model)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"location": "absent.bin"}, "not a file inside"),
        ({"location": "../secret.bin"}, "not a file inside"),
        ({"location": "/etc/passwd"}, "not a file inside"),
        ({"location": "link.bin"}, "not a file inside"),
        ({"location": ""}, "not a file inside"),
        ({"location": "."}, "not a file inside"),
        ({"location": "a\0b"}, "cannot be read"),
        ({"location": "w.bin", "offset": "4"}, "which has 24"),
        ({"location": "w.bin", "offset": "-1"}, "is not a number"),
        ({"location": "w.bin", "offset": "x"}, "is not a number"),
        ({"location": "w.bin", "length": "25"}, "needs 24 bytes, but 25 are declared"),
    ],
)
def test_external_data_stays_in_the_models_folder(tmp_path: Path, entries: dict[str, str], message: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(WEIGHTS.tobytes())
    (folder / "w.bin").write_bytes(WEIGHTS.tobytes())
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    text = error_of(saved(folder, outside(product(), **entries)))
    assert "tensor 'w'" in text and message in text


def test_without_the_onnx_package() -> None:
    code = "import sys; sys.modules['onnx'] = None; import millijoule.converters.onnx.convert"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(sys.executable).parent
    )
    assert ended.returncode == 1 and "pip install 'millijoule[onnx]'" in ended.stderr.splitlines()[-1]
