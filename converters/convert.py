"""From a source file to a Model: read, import, rewrite."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..runtime.errors import ModelError
from ..runtime.file.metadata import Metadata, Preprocessing, Source
from ..runtime.model import Model
from .imported import Imported
from .rewrites.pipeline import rewrite

FORMATS = {".onnx": "onnx", ".tflite": "tflite", ".lite": "tflite"}


def convert(
    source: str | os.PathLike[str],
    *,
    labels: Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
) -> Model:
    """Converts an .onnx or .tflite file.

    labels: class names in the order of the scores; preprocessing: how an image becomes the input. Both travel with the
    model, and stand in for what the source itself says.

    Raises ModelError where the file is damaged, of an unknown kind, or needs operators that are not supported; one
    error tells which, how many, why and where. Error where the converter's library is not installed.
    """
    name = os.fspath(source)
    kind = FORMATS.get(Path(name).suffix.lower())
    if kind is None:
        raise ModelError(f"{name}: not a source that can be converted; known are {', '.join(FORMATS)} (and .mj to run)")
    if not os.path.isfile(name):
        raise ModelError(f"{name}: no such file")
    imported = _import(kind, name)
    rewrite(imported.graph)
    return Model(imported.graph, _metadata(imported, kind, Path(name).name, labels, preprocessing))


def _import(kind: str, name: str) -> Imported:
    if kind == "onnx":
        from .onnx.convert import convert as convert_onnx

        return convert_onnx(name)
    from .tflite.convert import convert as convert_tflite

    return convert_tflite(name)


def _metadata(
    imported: Imported, kind: str, name: str, labels: Sequence[str] | None, preprocessing: Preprocessing | None
) -> Metadata:
    graph = imported.graph
    if preprocessing is None and imported.normalization is not None:
        normalization = imported.normalization
        preprocessing = Preprocessing(mean=tuple(normalization.mean), std=tuple(normalization.std))
    return Metadata(
        source=Source(name, kind, imported.description or ""),
        input_aliases={alias: value for alias, value in imported.aliases.items() if value in graph.inputs},
        output_aliases={alias: value for alias, value in imported.aliases.items() if value in graph.outputs},
        labels=list(labels if labels is not None else imported.labels or []),
        preprocessing=preprocessing,
        default_sizes=imported.default_sizes,
    )
