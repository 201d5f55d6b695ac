"""A .tflite file -> Graph, with all operators that cannot be converted told in one error."""

from __future__ import annotations

import os

from ...runtime.errors import ModelError
from ...runtime.ops.meaning import check as check_meanings
from ..imported import Imported
from ..refusal import Refused, refusal
from . import metadata, tensors
from .handlers import Unsupported, find
from .importer import Importer
from .names import aliases
from .operator import Operator
from .prune import prune
from .reader import read
from .records import ModelRecord, OperatorRecord


def convert(path: str | os.PathLike[str]) -> Imported:
    """The main graph of a model, in the form of the source: nothing folded or fused that the file does not fuse.

    ModelError where the file is no TFLite model, is damaged, or holds operators that are not supported; one error
    tells of all. So does one that takes quantized tensors for plain integers, or these for those.
    """
    model = read(path)
    _check_order(model)
    importer = Importer(model)
    importer.enter()
    refused = [problem for record in model.operators for problem in _convert_operator(importer, record)]
    if refused:
        raise model.error(refusal(refused))
    importer.leave()
    graph = importer.graph
    graph.name = os.path.splitext(os.path.basename(model.path))[0]
    prune(graph)
    try:
        check_meanings(graph)
    except ModelError as problem:
        raise model.error(str(problem)) from None
    notes = metadata.read(model)
    return Imported(
        graph,
        aliases(model, importer.names),
        notes.labels,
        notes.preprocessing,
        notes.description,
        tensors.default_sizes(model, importer.names),
    )


def _convert_operator(importer: Importer, record: OperatorRecord) -> list[Refused]:
    """Why the operator cannot be converted; empty where it was."""
    handler = find(record.kind)
    where = _where(importer.model, record)
    if handler is None:
        return [Refused(record.kind, where)]
    try:
        handler(Operator(importer, record))
    except Unsupported as reason:
        return [Refused(record.kind, where, str(reason))]
    return []


def _where(model: ModelRecord, record: OperatorRecord) -> str:
    output = model.tensors[record.outputs[0]].name if record.outputs else ""
    return f"at position {record.index}" + (f", which makes '{output}'" if output else "")


def _check_order(model: ModelRecord) -> None:
    """ModelError where an index is out of range, a tensor is made twice, or read before it is made."""
    count = len(model.tensors)
    known = {*model.inputs, *(record.index for record in model.tensors if record.data is not None)}
    for where, indices in (("input", model.inputs), ("output", model.outputs)):
        if any(not 0 <= index < count for index in indices):
            raise model.error(f"the TFLite file is damaged: it names an {where} that does not exist")
    made: set[int] = set(model.inputs)
    for record in model.operators:
        where = f"the TFLite file is damaged: {record.kind} at position {record.index}"
        for index in (*record.inputs, *record.outputs):
            if not -1 <= index < count or (index < 0 and index in record.outputs):
                raise model.error(f"{where} names tensor {index}, but there are {count}")
        for index in record.outputs:
            if index in made:
                raise model.error(f"{where} makes tensor '{model.tensors[index].name}', which exists already")
            made.add(index)
        missing = [index for index in record.inputs if index >= 0 and index not in known]
        if missing and not model.tensors[missing[0]].problem:
            raise model.error(f"{where} reads tensor '{model.tensors[missing[0]].name}', which nothing has made yet")
        known.update(record.outputs)
    for index in model.outputs:
        if index not in known and not model.tensors[index].problem:
            raise model.error(f"the TFLite file is damaged: nothing makes output '{model.tensors[index].name}'")
