"""A cascade's answers, as memories keep them."""

from __future__ import annotations

import msgspec

from ..memory.encoding import ArrayRecord, decoded, encoded
from ..memory.memory import Memory
from ..memory.shelf import OBJECT
from .answer import Answer
from .model import CascadeModel


class AnswerRecord(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    label: int
    probabilities: ArrayRecord
    score: float
    stage: int
    ran: int


class CascadeAnswers:
    """Answers of one cascade: which are sure enough to be kept, which say the same, and how they are written."""

    def __init__(self, model: CascadeModel, memory: Memory) -> None:
        stages = range(len(model.stages))
        self._least = [memory.least_score(model.gate.sure(stage, len(stages))) for stage in stages]

    def is_sure(self, answer: Answer) -> bool:
        return bool(answer.score >= self._least[answer.stage])

    def same(self, known: Answer, fresh: Answer) -> bool:
        """Whether both have the same class, or neither one."""
        return bool(known.label == fresh.label)

    def size(self, answer: Answer) -> int:
        """Bytes in Python: of the probabilities, and of the objects."""
        return int(answer.probabilities.nbytes) + 2 * OBJECT

    def encode(self, answer: Answer) -> bytes:
        label, probabilities, score, stage, ran, _ = answer
        return msgspec.msgpack.encode(AnswerRecord(label, encoded(probabilities), score, stage, ran))

    def decode(self, data: bytes) -> Answer:
        """ValueError where these bytes are no answer of this cascade."""
        record = msgspec.msgpack.decode(data, type=AnswerRecord)
        if not 0 <= record.stage < len(self._least):
            raise ValueError(f"stage {record.stage} of {len(self._least)}")
        probabilities = decoded(record.probabilities)
        probabilities.setflags(write=False)
        return Answer(record.label, probabilities, record.score, record.stage, record.ran, True)
