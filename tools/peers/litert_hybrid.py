"""Where LiteRT quantizes on the fly: operators that read real numbers and int8 weights."""

from __future__ import annotations

from collections import Counter

import numpy as np

# Positions of the activations and of the weights among each operator's inputs.
HYBRID = {"CONV_2D": (0, 1), "DEPTHWISE_CONV_2D": (0, 1), "FULLY_CONNECTED": (0, 1), "BATCH_MATMUL": (0, 1)}


def hybrid_operators(source: str) -> dict[str, int]:
    """How many such operators of each kind a .tflite file has; empty where the package that reads it is missing.

    ModelError where the file is damaged.
    """
    try:
        from ...converters.tflite.reader import read
    except ImportError:
        return {}
    model = read(source)
    found: Counter[str] = Counter()
    for operator in model.operators:
        if operator.kind not in HYBRID:
            continue
        x, w = (model.tensors[operator.inputs[position]] for position in HYBRID[operator.kind])
        if x.dtype == np.float32 and w.dtype == np.int8 and w.scale is not None:
            found[operator.kind] += 1
    return dict(found)


def explanation(source: str) -> str | None:
    """Why results differ by design, as a sentence; None where they do not."""
    found = hybrid_operators(source)
    if not found:
        return None
    listed = ", ".join(f"{kind} x{count}" for kind, count in found.items())
    return (
        f"a hybrid model: {listed} have int8 weights and real inputs, which LiteRT rounds to 8 bits during inference "
        "and millijoule does not, so results differ by design; --tolerance 0.05 allows for it"
    )
