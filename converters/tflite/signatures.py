"""Which subgraph of a file is converted: the one that a signature names, or else the first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .records import ModelRecord, Signature


def chosen(model: ModelRecord, name: str | None) -> tuple[ModelRecord, list[Signature]]:
    """The subgraph to convert, and the signatures whose names are aliases of its inputs and outputs.

    name: of a signature, whose own names the inputs and outputs then bear; None for the first subgraph with the
    tensors' names. ModelError where there is no such signature.
    """
    if name is None:
        return model, [signature for signature in model.signatures if signature.subgraph == 0]
    found = [signature for signature in model.signatures if signature.name == name]
    if not found:
        known = ", ".join(f"'{signature.name}'" for signature in model.signatures) or "none"
        raise model.error(f"it has no signature '{name}'; its signatures: {known}")
    signature = found[0]
    if not 0 <= signature.subgraph < len(model.subgraphs):
        raise model.error(f"the TFLite file is damaged: signature '{name}' is of subgraph {signature.subgraph}")
    part = model.subgraphs[signature.subgraph]
    names = {**_names(model, part, signature.outputs), **_names(model, part, signature.inputs)}
    tensors = tuple(
        replace(record, name=names[record.index]) if record.index in names else record for record in part.tensors
    )
    outputs = tuple(signature.outputs.values()) or part.outputs
    if not set(outputs) <= set(part.outputs):
        raise model.error(f"the TFLite file is damaged: signature '{name}' has outputs that its subgraph has not")
    return replace(
        part,
        tensors=tensors,
        outputs=outputs,
        metadata=model.metadata,
        content=model.content,
        subgraphs=model.subgraphs,
    ), [signature]


def _names(model: ModelRecord, part: ModelRecord, tensors: Mapping[str, int]) -> dict[int, str]:
    if any(not 0 <= index < len(part.tensors) for index in tensors.values()):
        raise model.error("the TFLite file is damaged: a signature names a tensor that does not exist")
    return {index: name for name, index in tensors.items()}
