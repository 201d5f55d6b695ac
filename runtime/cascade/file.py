"""What a file says of a cascade besides its stages' graphs."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InputError, ModelError
from ..file import schema
from ..file.metadata import Metadata
from ..memory.memory import Memory
from ..model import Model
from .gate import Gate
from .model import CascadeModel


def encode(model: CascadeModel, others: Sequence[Metadata]) -> schema.GateRecord:
    """others: what travels with the stages behind the first."""
    gate, memory, count = model.gate, model.memory, len(model.stages)
    kept = None
    if memory is not None:
        kept = schema.MemoryRecord(memory.entries, memory.max_bytes, memory.expire, memory.min_score)
    return schema.GateRecord(
        list(others), gate.score, list(gate.thresholds(count)), list(gate.temperatures(count)),  # type: ignore[arg-type]
        gate.post_check, gate.abstain, kept,
    )  # fmt: skip


def decode(stages: Sequence[Model], record: schema.GateRecord) -> CascadeModel:
    """ModelError where the record is no cascade's of these stages."""
    kept = record.memory
    try:
        gate = Gate(
            record.score, tuple(record.threshold) or 0.5, tuple(record.temperature), record.post_check, record.abstain
        )
        memory = None
        if kept is not None:
            memory = Memory(kept.entries, kept.max_bytes, expire=kept.expire, min_score=kept.min_score)
        model = CascadeModel.of(stages, gate, memory)
    except InputError as problem:
        raise ModelError(f"its gate is not sound: {problem}") from None
    model._mapping = stages[0]._mapping
    return model
