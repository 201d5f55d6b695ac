"""What a file says of a cascade besides its stages' graphs."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InputError, ModelError
from ..file import schema
from ..file.metadata import Metadata
from ..memory.memory import Memory
from ..memory.similar import Similar
from ..model import Model
from .gate import Gate
from .model import CascadeModel


def encode(model: CascadeModel, others: Sequence[Metadata]) -> schema.GateRecord:
    """others: what travels with the stages behind the first."""
    gate, count = model.gate, len(model.stages)
    return schema.GateRecord(
        list(others), gate.score, list(gate.thresholds(count)), list(gate.temperatures(count)),  # type: ignore[arg-type]
        gate.post_check, gate.abstain, None if model.memory is None else _memory_record(model.memory),
    )  # fmt: skip


def decode(stages: Sequence[Model], record: schema.GateRecord) -> CascadeModel:
    """ModelError where the record is no cascade's of these stages."""
    try:
        gate = Gate(
            record.score, tuple(record.threshold) or 0.5, tuple(record.temperature), record.post_check, record.abstain
        )
        memory = None if record.memory is None else _memory(record.memory)
        model = CascadeModel.of(stages, gate, memory)
    except InputError as problem:
        raise ModelError(f"its gate or memory is not sound: {problem}") from None
    model._mapping = stages[0]._mapping
    return model


def _memory_record(memory: Memory) -> schema.MemoryRecord:
    like = memory.similar
    similar = None
    if like is not None:
        assert like.radius is not None
        similar = schema.SimilarRecord(like.fingerprint, like.radius, like.tolerance, like.audit)  # type: ignore[arg-type]
    return schema.MemoryRecord(memory.entries, memory.max_bytes, memory.expire, memory.min_score, similar)


def _memory(record: schema.MemoryRecord) -> Memory:
    like = record.similar
    return Memory(
        record.entries, record.max_bytes, expire=record.expire, min_score=record.min_score,
        similar=None if like is None else Similar(like.fingerprint, like.radius, like.tolerance, like.audit),
    )  # fmt: skip
