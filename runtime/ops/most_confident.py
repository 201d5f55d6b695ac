"""MostConfident: the answer of a cascade so far beside its next stage's."""

from __future__ import annotations

import numpy as np

from .confidence_gate import RAN, RECORD, SCORE, STAGE, SURE
from .registry import Context, Inferred, Op, register


def most_confident(
    p: np.ndarray, record: np.ndarray, next_p: np.ndarray, next_record: np.ndarray, *, stage: int, post_check: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and ConfidenceGate's record of the answer so far where that was sure; what is next then never ran,
    and holds anything. Else those of the next stage, number `stage`; or of whichever has the higher score, of equal
    ones the first, with post_check. Its record's last elements say which stage it is of and that `stage` + 1 ran."""
    if record[SURE] != 0:
        return p.copy(), record.copy()
    first = post_check and not next_record[SCORE] > record[SCORE]
    chosen = (record if first else next_record).copy()
    chosen[SURE] = next_record[SURE]
    chosen[STAGE] = chosen[STAGE] if first else stage
    chosen[RAN] = stage + 1
    return (p if first else next_p).copy(), chosen


def infer(ctx: Context) -> list[Inferred]:
    p, record, other, other_record = (ctx.input(i) for i in range(4))
    kinds = {tensor.dtype for tensor in (p, record, other, other_record)}
    if kinds != {np.dtype(np.float32)} or p.size != other.size or {record.shape, other_record.shape} != {(RECORD,)}:
        raise ctx.error(f"two stages' probabilities and records are wanted, not {p.shape} and {other.shape}")
    return [(p.shape, p.dtype), (record.shape, record.dtype)]


register(Op("MostConfident", most_confident, infer, data=(0, 2)))
