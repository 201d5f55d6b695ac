"""Writes a graph as one .mj file, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..arguments import path as path_of
from ..errors import InputError, ModelError
from ..graph import Graph
from . import atomic, container, schema, validate
from .decode import decode_record
from .encode import encode_model
from .mapping import LENGTH_BYTES
from .metadata import Metadata, named_as_source
from .self_test import Arrays


def serialize(
    graph: Graph,
    metadata: Metadata,
    cascade: schema.GateRecord | None = None,
    more: Sequence[Graph] = (),
    self_test: Sequence[Arrays] = (),
) -> bytes:
    """The file's bytes, the same for the same arguments; ModelError where no reader would take them. cascade, more,
    self_test: as encode_model."""
    from safetensors.numpy import save  # only writers need it

    for stage in (graph, *more):
        validate.validate(stage)
    record, tensors = encode_model(graph, metadata, cascade, more, self_test)
    try:
        text = schema.encoder.encode(record).decode()
    except UnicodeEncodeError as error:
        raise ModelError(f"a name or string of the graph is not valid Unicode: {error.object!r:.60}") from None
    decode_record(text)
    # The library gives metadata no order: with one key there is none to give.
    data = save(tensors, {schema.METADATA_KEY: text})
    at = data.index(container.CHECKSUM_MARK) + len(container.CHECKSUM_MARK)
    header = int.from_bytes(data[:LENGTH_BYTES], "little")
    if header > schema.MAX_HEADER:
        raise ModelError(f"the graph takes {header} bytes, above the limit of {schema.MAX_HEADER}")
    return b"".join((data[:at], container.checksum(data, at), data[at + container.CHECKSUM_DIGITS :]))


def write(path: str | os.PathLike[str], data: bytes) -> None:
    """Error where path cannot be written, InputError where its name is that of a source; what was there before then
    stays as it was."""
    check_name(path_of("path", path))
    with atomic.replacing(path) as file:
        file.write(data)


def check_name(path: str | os.PathLike[str]) -> None:
    """InputError where a file by that name would be taken for what is yet to be converted."""
    if named_as_source(path):
        raise InputError(
            f"{os.fspath(path)}: a file named so would be taken for a source when it is loaded: name it .mj, or export "
            "the model as ONNX (mj export, mj.export)"
        )
