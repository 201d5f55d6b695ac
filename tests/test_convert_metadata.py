"""What convert takes for labels, and how it finds out how images are prepared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx
from onnx import TensorProto, helper

from millijoule import InputError, LabelsWarning, Preprocessing, convert

UNIT, SIGNED = Preprocessing(scale=1 / 255), Preprocessing(mean=(127.5,), std=(127.5,))
PADDED = Preprocessing(scale=1 / 255, resize="pad", pad_value=114.0)


def saved(
    folder: Path, metadata: dict[str, str] | None = None, quantizer: tuple[float, int, type] | None = None
) -> Path:
    """image (1, 3, 4, 4) -> scores (1, 3), perhaps quantized first: (scale, zero point, dtype)."""
    nodes, constants, name = [], [], "image"
    if quantizer is not None:
        scale, zero_point, dtype = quantizer
        constants = [("scale", np.float32(scale)), ("zero_point", dtype(zero_point))]
        nodes = [helper.make_node("QuantizeLinear", ["image", "scale", "zero_point"], ["q"]),
                 helper.make_node("DequantizeLinear", ["q", "scale", "zero_point"], ["real"])]  # fmt: skip
        name = "real"
    nodes.append(helper.make_node("GlobalAveragePool", [name], ["pooled"]))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["scores"]))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 4, 4])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 3])
    arrays = [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants]
    model = helper.make_model(helper.make_graph(nodes, "g", [image], [scores], arrays))
    helper.set_model_props(model, metadata or {})
    path = folder / "model.onnx"
    onnx.save(model, path)
    return path


def test_labels_are_names_or_a_file(tmp_path: Path) -> None:
    source = saved(tmp_path)
    file = tmp_path / "labels.txt"
    file.write_text("a\nb\nc\n")
    for given in (["a", "b", "c"], ("a", "b", "c"), file, str(file)):
        assert convert(source, labels=given).metadata.labels == ["a", "b", "c"]
    names: Any = np.array(["a", "b", "c"])  # which no annotation promises
    assert [type(label) for label in convert(source, labels=names).metadata.labels] == [str] * 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("yes", "labels='yes': no such file; labels are a list of names, or the path"),
        (".", "labels='.': a folder; labels are a list of names"),
        ([1, 2, 3], "labels are names: 1 is none"),
        (["a", "b"], "2 labels for 3 scores"),
        ({"a", "b", "c"}, "labels of type set: labels are a list of names, .* in the order of the scores"),
        ({0: "a", 1: "b", 2: "c"}, "labels of type dict: "),
        ({"c": 2, "b": 1, "a": 0}, "labels of type dict: "),
        (b"abc", "labels of type bytes: "),
        (3, "labels of type int: "),
        (["a\n", "b\n", "c\n"], r"labels are names of one line: 'a\\n' is none"),
    ],
)
def test_what_are_no_labels(tmp_path: Path, given: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        convert(saved(tmp_path), labels=given)


def test_labels_of_the_source_that_do_not_fit_are_only_warned_of(tmp_path: Path) -> None:
    with pytest.warns(LabelsWarning, match=r"model\.onnx: 2 labels for 3 scores"):
        found = convert(saved(tmp_path, {"names": json.dumps(["a", "b"])}))
    assert found.metadata.labels == ["a", "b"]


@pytest.mark.parametrize(
    ("metadata", "wanted"),
    [
        ({}, None),
        ({"Image.NominalPixelRange": "Normalized_0_1"}, UNIT),
        ({"image.nominalpixelrange": "normalized_1_1", "Image.BitmapPixelFormat": "Rgb8"}, SIGNED),
        (
            {"Image.NominalPixelRange": "NominalRange_0_255", "Image.BitmapPixelFormat": "Bgr8"},
            Preprocessing(color="bgr"),
        ),
        ({"Image.NominalPixelRange": "Normalized_0_1", "Image.ColorSpaceGamma": "Linear"}, None),
        ({"Image.NominalPixelRange": "Normalized_0_1", "Image.BitmapPixelFormat": "Yuv2"}, None),
        ({"Image.NominalPixelRange": "odd"}, None),
        ({"Image.BitmapPixelFormat": "Bgr8"}, None),
        ({"author": "Ultralytics", "task": "detect"}, PADDED),
        ({"author": "Ultralytics", "task": "classify"}, Preprocessing(scale=1 / 255, resize="crop")),
        ({"author": "Ultralytics"}, None),
        ({"author": "somebody", "task": "detect"}, None),
    ],
)
def test_preprocessing_from_what_exporters_write(
    metadata: dict[str, str], wanted: Preprocessing | None, tmp_path: Path
) -> None:
    assert convert(saved(tmp_path, metadata)).metadata.preprocessing == wanted


def test_sixteen_to_235(tmp_path: Path) -> None:
    found = convert(saved(tmp_path, {"Image.NominalPixelRange": "NominalRange_16_235"})).metadata.preprocessing
    assert found is not None
    black, white = (pixel * found.scale - found.mean[0] for pixel in (0, 255))
    assert (black, white) == (16, pytest.approx(235))


@pytest.mark.parametrize(
    ("quantizer", "wanted"),
    [
        ((1 / 255, -128, np.int8), UNIT), ((1 / 255, 0, np.uint8), UNIT), ((2 / 255, 0, np.int8), SIGNED),
        ((1 / 128, 128, np.uint8), SIGNED), ((1.0, -128, np.int8), Preprocessing()),
        ((0.01866, -14, np.int8), None), ((1 / 255, 0, np.int8), None), ((0.9 / 255, -128, np.int8), None),
    ],
)  # fmt: skip
def test_preprocessing_from_the_range_that_is_quantized(
    quantizer: Any, wanted: Preprocessing | None, tmp_path: Path
) -> None:
    source = saved(tmp_path, quantizer=quantizer)
    assert convert(source).metadata.preprocessing == wanted
    own = Preprocessing(mean=(1.0,))
    assert convert(source, preprocessing=own).metadata.preprocessing == own
