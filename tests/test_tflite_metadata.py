"""Labels, normalization and description from TFLite Metadata, and what happens where it is damaged."""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("tflite")

import flatbuffers
from tflite_builder import Model, Operator, Tensor

from millijoule.converters.imported import Imported
from millijoule.converters.tflite.convert import convert
from millijoule.runtime.file.metadata import Preprocessing

AXIS_LABELS = 2
NORMALIZATION = 1


def table(b: flatbuffers.Builder, fields: dict[int, int], scalars: dict[int, int] | None = None) -> int:
    """A table whose fields are offsets, or (scalars) single bytes."""
    b.StartObject(12)
    for slot, offset in fields.items():
        b.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, value in (scalars or {}).items():
        b.PrependUint8Slot(slot, value, 0)
    return b.EndObject()


def vector(b: flatbuffers.Builder, offsets: list[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return b.EndVector()


def floats(b: flatbuffers.Builder, values: tuple[float, ...]) -> int:
    b.StartVector(4, len(values), 4)
    for value in reversed(values):
        b.PrependFloat32(value)
    return b.EndVector()


def packed(mean: tuple[float, ...], std: tuple[float, ...], label_file: str = "labels.txt") -> bytes:
    """ModelMetadata with a description, one normalized input and one labelled output."""
    b = flatbuffers.Builder(256)
    options = table(b, {0: floats(b, mean), 1: floats(b, std)})
    unit = table(b, {1: options}, {0: NORMALIZATION})
    tensor_in = table(b, {4: vector(b, [unit])})
    file = table(b, {0: b.CreateString(label_file)}, {2: AXIS_LABELS})
    tensor_out = table(b, {6: vector(b, [file])})
    subgraph = table(b, {2: vector(b, [tensor_in]), 3: vector(b, [tensor_out])})
    root = table(b, {0: b.CreateString("name"), 1: b.CreateString("what it does"), 3: vector(b, [subgraph])})
    b.Finish(root, b"M001")
    return bytes(b.Output())


def archive(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as written:
        for name, data in files.items():
            written.writestr(name, data)
    return content.getvalue()


def convert_with(folder: Path, metadata: bytes, files: dict[str, bytes] | None = None) -> Imported:
    tensors = [Tensor(name, (2, 3), "float32") for name in "xy"]
    model = Model(tensors, [Operator("RELU", [0], [1])], [0], [1], metadata=metadata)
    path = folder / "model.tflite"
    path.write_bytes(model.to_bytes() + (archive(files) if files else b""))
    return convert(path)


def test_labels_normalization_and_description(tmp_path: Path) -> None:
    metadata = packed((127.5, 120.0, 110.0), (128.0, 1.0, 2.0))
    found = convert_with(tmp_path, metadata, {"labels.txt": "cat\nZürich dog\r\nbird\n".encode()})
    assert found.labels == ["cat", "Zürich dog", "bird"]
    assert found.preprocessing == Preprocessing(mean=(127.5, 120.0, 110.0), std=(128.0, 1.0, 2.0))
    assert found.description == "what it does"


def test_without_metadata_nothing_is_claimed(tmp_path: Path) -> None:
    found = convert_with(tmp_path, b"")
    assert (found.labels, found.preprocessing, found.description) == (None, None, "")


@pytest.mark.parametrize(
    ("metadata", "files"),
    [
        (packed((0.0,), (0.0,)), {"labels.txt": b"a"}),
        (packed((), (1.0,)), {"labels.txt": b"a"}),
        (packed((float("nan"),), (1.0,)), {"labels.txt": b"a"}),
        (packed((0.0, 1.0), (1.0,)), {"labels.txt": b"a"}),
        (packed((0.0,), (1.0,)), None),
        (packed((0.0,), (1.0,), "absent.txt"), {"labels.txt": b"a"}),
        (packed((0.0,), (1.0,)), {"labels.txt": b"a" * (17 << 20)}),
        (b"not metadata at all", None),
        (packed((0.0,), (1.0,))[:40], None),
    ],
)
def test_damaged_metadata_costs_a_warning(metadata: bytes, files: dict[str, bytes] | None, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="metadata is damaged"):
        found = convert_with(tmp_path, metadata, files)
    assert found.graph.outputs == ["y"]


def test_good_metadata_warns_of_nothing(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        convert_with(tmp_path, packed((0.0,), (1.0,)), {"labels.txt": b"a\nb"})
