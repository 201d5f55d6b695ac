"""A path or a ModelProto -> a model whose outer form has been checked."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from ...runtime.errors import ModelError

MIN_OPSET = 7
"""Oldest operator set that the handlers know."""
MAX_OPSET = 28
"""Newest operator set that the handlers know. A newer model converts where none of its operators has changed since."""

MOST_OPSETS = 1000
"""That a model may import; those of real ones are a handful."""

_MAX_FILE = (1 << 31) - 1


@dataclass(slots=True)
class Source:
    """A parsed model. folder: where its external data lies, if it came from a file."""

    model: onnx.ModelProto
    label: str
    folder: Path | None


def load(source: str | os.PathLike[str] | onnx.ModelProto) -> Source:
    """Reads and checks a model. ModelError: no such file, not ONNX, damaged, no graph, versions not supported."""
    if isinstance(source, onnx.ModelProto):
        loaded = Source(source, "ONNX model", None)
    else:
        path = Path(source)
        loaded = Source(_parse(_read(path), path), str(path), path.parent)
    _check(loaded)
    version = opsets(loaded.model.opset_import, loaded.label).get("")
    return loaded if version is None or version >= MIN_OPSET else _brought_up(loaded, version)


def _brought_up(loaded: Source, version: int) -> Source:
    """A model of an older operator set than the handlers know, by onnx's own converter. ModelError where it fails."""
    from onnx import shape_inference, version_converter  # which few models need

    try:
        return replace(loaded, model=version_converter.convert_version(loaded.model, MIN_OPSET))
    except (
        RuntimeError, ValueError, DecodeError, version_converter.ConvertError, shape_inference.InferenceError
    ) as problem:  # fmt: skip
        lines = str(problem).splitlines()
        raise ModelError(
            f"{loaded.label}: ONNX operator set {version}, which onnx.version_converter cannot bring to {MIN_OPSET}: "
            f"{lines[0] if lines else 'it gives no reason'}; export the model anew"
        ) from None


def opsets(entries: Iterable[onnx.OperatorSetIdProto], label: str) -> dict[str, int]:
    """Domain -> operator set version; the default domain is the empty string."""
    found: dict[str, int] = {}
    for entry in entries:
        domain = "" if entry.domain == "ai.onnx" else entry.domain
        if domain in found and found[domain] != entry.version:
            raise ModelError(f"{label}: imports operator set '{domain or 'ai.onnx'}' in two versions")
        found[domain] = entry.version
    return found


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise ModelError(f"{path}: is not a file")
        if size > _MAX_FILE:
            raise ModelError(f"{path}: {size} bytes; an ONNX file holds at most 2 GiB, larger weights go beside it")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise ModelError(f"{path!s:.200}: is not a path: {error}") from None


def _parse(data: bytes, path: Path) -> onnx.ModelProto:
    if data.startswith(b"version https://git-lfs"):
        raise ModelError(f"{path}: is a Git LFS pointer, not the model; run `git lfs pull`")
    try:
        model = onnx.ModelProto.FromString(data)
    except (DecodeError, RecursionError):
        raise ModelError(f"{path}: is not an ONNX model, or it is truncated or damaged ({len(data)} bytes)") from None
    if len(model.opset_import) > MOST_OPSETS:
        raise ModelError(f"{path}: imports {len(model.opset_import)} operator sets; {MOST_OPSETS} are the most")
    if not _text_is_valid(model):
        raise ModelError(f"{path}: is damaged: a name in it is not UTF-8 text")
    return model


def _text_is_valid(model: Message) -> bool:
    """Whether all strings are text: protobuf hands out bytes where the file's are not."""
    pending: list[Message] = [model]
    while pending:
        message = pending.pop()
        if isinstance(message, onnx.TensorProto):
            if not isinstance(message.name, str):
                return False
            pending.extend(message.external_data)
            continue
        for field, value in message.ListFields():
            values: Any = [value] if isinstance(value, (str, bytes, Message)) else value
            if field.type == FieldDescriptor.TYPE_STRING and any(not isinstance(item, str) for item in values):
                return False
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                pending.extend(values)
    return True


def _check(loaded: Source) -> None:
    model, label = loaded.model, loaded.label
    if not model.HasField("graph") or (not model.graph.node and not model.graph.output):
        raise ModelError(f"{label}: is not an ONNX model, or it is damaged: it holds no graph")
    if model.ir_version < 3:
        raise ModelError(f"{label}: ONNX IR version {model.ir_version}; supported are 3 and newer")
    version = opsets(model.opset_import, label).get("")
    if version is None:
        if not model.opset_import:
            raise ModelError(f"{label}: names no operator set; supported are 1 to {MAX_OPSET}")
        return
    if version < 1:
        raise ModelError(f"{label}: ONNX operator set {version}; supported are 1 to {MAX_OPSET}")
