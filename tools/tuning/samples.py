"""Labelled samples, and what both stages of a cascade say of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ...runtime.errors import InputError
from .outcomes import Outcomes, from_records

if TYPE_CHECKING:
    from ...runtime.cascade.cascade import Cascade

LABELS = "labels"


def read_samples(path: str, names: list[str]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Arrays by input name, a row for each sample, and the classes in truth, of an .npz file with both."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive}
    except (OSError, ValueError, EOFError) as problem:
        raise InputError(f"cannot read {path}: {problem}") from None
    lacking = [name for name in (*names, LABELS) if name not in arrays]
    if lacking:
        raise InputError(f"{path} has no array '{lacking[0]}'; wanted are {', '.join(names)} and {LABELS}")
    labels = arrays[LABELS].reshape(-1)
    if labels.dtype.kind not in "iu" or not labels.size:
        raise InputError(f"{path}: '{LABELS}' must be the class of each sample, as integers from 0 on")
    wrong = next((name for name in names if arrays[name].shape[:1] != labels.shape), None)
    if wrong is not None:
        raise InputError(f"{path}: '{wrong}' of shape {arrays[wrong].shape} is not one row for each of {labels.size}")
    return {name: arrays[name] for name in names}, labels.astype(np.int64)


def outcomes(
    cascade: Cascade, arrays: dict[str, np.ndarray], labels: np.ndarray, progress: Callable[[int], None]
) -> Outcomes:
    """Both stages run once on every sample."""
    gates = [node.outputs[0] for node in cascade.model.graph.nodes if node.op == "ConfidenceGate"]
    records = np.empty((labels.size, 2, 2), np.float32)
    for index in range(labels.size):
        found = cascade.run({name: array[index : index + 1] for name, array in arrays.items()}, outputs=gates)
        records[index] = [found[gate][:2] for gate in gates]
        progress(index + 1)
    return from_records(records, labels, cascade.gate.post_check)
