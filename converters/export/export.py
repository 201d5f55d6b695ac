"""A Model written as an ONNX file."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path
from reprlib import repr as short
from typing import TYPE_CHECKING

from ...runtime.arguments import path as path_of
from ...runtime.cascade.model import CascadeModel
from ...runtime.errors import Error, InputError, ModelError
from ...runtime.file.atomic import replacing
from ...runtime.model import Model

if TYPE_CHECKING:
    import onnx

SUFFIX = ".onnx"
MOST_BYTES = (1 << 31) - (1 << 20)
"""Of a file without external data, which protobuf limits."""


def export(model: Model, path: str | os.PathLike[str]) -> None:
    """Writes the model as an ONNX file for other engines: quantized layers between QuantizeLinear and DequantizeLinear,
    images with their channels second, inputs and outputs as they are.

    ModelError, naming the node, where ONNX cannot say what it does, and where the model is a cascade or keeps state
    from one run to the next. InputError where path does not end in .onnx. Error
    where it cannot be written, or the onnx package is missing.
    """
    if not isinstance(model, Model):
        raise InputError(f"model={short(model)}: what mj.convert or mj.Model.load gives is wanted")
    name = os.fspath(path_of("path", path))
    if Path(name).suffix.lower() != SUFFIX:
        raise InputError(f"{name}: an ONNX file's name ends in {SUFFIX}")
    data = as_onnx(model).SerializeToString(deterministic=True)
    with replacing(name) as file:
        file.write(data)


def as_onnx(model: Model) -> onnx.ModelProto:
    """The model as ONNX has it, found sound by onnx's own checker."""
    if find_spec("onnx") is None:
        raise Error("writing ONNX files takes the onnx package: pip install 'millijoule[onnx]'")
    if isinstance(model, CascadeModel):
        raise ModelError("a cascade decides while it runs which stage to ask, which ONNX cannot say: export its stages")
    if model.metadata.states:
        kept = ", ".join(f"'{name}'" for name in model.metadata.states)
        raise ModelError(f"the model keeps state from one run to the next, which ONNX cannot say: {kept}")
    if model.graph.constant_bytes() > MOST_BYTES:
        raise ModelError("the weights take more than the 2 GB that one ONNX file holds")
    from .graph import model_of

    found = model_of(model.graph)
    if model.metadata.labels:
        entry = found.metadata_props.add()
        entry.key, entry.value = "labels", json.dumps(model.metadata.labels)
    return found
