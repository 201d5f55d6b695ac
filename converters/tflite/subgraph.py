"""The operators of one subgraph, in order: checked, and handed to their handlers."""

from __future__ import annotations

from ..refusal import Refused
from .handlers import Unsupported, find
from .importer import Importer
from .operator import Operator
from .records import ModelRecord, OperatorRecord


def convert_operators(importer: Importer) -> None:
    """Adds their nodes to the importer's graph; and to `refused`, which of them cannot be converted and why."""
    for record in importer.model.operators:
        handler = find(record.kind)
        if handler is None:
            importer.refused.append(Refused(record.kind, _where(importer, record)))
            continue
        try:
            handler(Operator(importer, record))
        except Unsupported as reason:
            importer.refused.append(Refused(record.kind, _where(importer, record), str(reason)))


def _where(importer: Importer, record: OperatorRecord) -> str:
    output = importer.model.tensors[record.outputs[0]].name if record.outputs else ""
    inside = f" of {importer.prefix.rstrip('/')}" if importer.prefix else ""
    return f"at position {record.index}{inside}" + (f", which makes '{output}'" if output else "")


def check_order(model: ModelRecord) -> None:
    """ModelError where an index is out of range, a tensor is made twice, or read before it is made."""
    count = len(model.tensors)
    lasting = (record.index for record in model.tensors if record.data is not None or record.variable)
    known = {*model.inputs, *lasting}
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
