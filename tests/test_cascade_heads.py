"""What the gate takes for a converted model's logits, whatever the converter has made of the model's end."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_models import model_of, node

import millijoule as mj

RNG = np.random.default_rng(0)
FEATURES, ROWS = 16, 30
ENDS = {
    "logits": "logits",
    "Softmax": "scores",
    "LogSoftmax": "scores",
    "Sigmoid": "scores",
    "Sigmoid, reshaped": "row",
    "uint8 logits": "integers",
    "Softmax, uint8": "integers",
    "Sigmoid, uint8": "integers",
}
CASES = [
    (classes, end, quantize) for classes in (1, 3) for end in ENDS for quantize in (None, "int8", "dynamic")
    if (classes > 1 or "Soft" not in end) and (quantize is None or "uint8" not in end)
]  # fmt: skip


@pytest.mark.parametrize(("classes", "end", "quantize"), CASES)
def test_a_function_that_a_model_ends_in_is_not_computed_twice(classes: int, end: str, quantize: str | None) -> None:
    function, integers = end.split(",")[0].removeprefix("uint8 "), "uint8" in end
    last = "logits" if function == "logits" else "scores"
    nodes = [node("Gemm", "x w b", "logits")]
    if last == "scores":
        nodes.append(node(function, "logits", "scores"))
    if integers:
        nodes.append(node("QuantizeLinear", f"{last} scale zero", "integers"))
    if "reshaped" in end:
        nodes.append(node("Reshape", "scores shape", "row"))
    w, b = RNG.normal(0, 0.5, (FEATURES, classes)).astype(np.float32), RNG.normal(0, 1, classes).astype(np.float32)
    scale, zero = (0.05, 128) if last == "logits" else (1 / 256, 0)
    constants = {"w": w, "b": b, "scale": np.float32(scale), "zero": np.uint8(zero), "shape": np.array([-1, classes])}
    source = model_of(nodes, {"x": (["N", FEATURES], "float32")}, ENDS[end], constants)
    x = RNG.normal(0, 1, (ROWS, FEATURES)).astype(np.float32)
    how = {"quantize": quantize, "calibration": {"x": x}} if quantize == "int8" else {"quantize": quantize}
    with mj.Cascade([mj.convert(source, **how)], mj.Gate("max")) as cascade:
        found = cascade.run(x).probabilities
    z = (x @ w + b).astype(np.float64)
    z = np.hstack([np.zeros_like(z), z]) if classes == 1 else z
    wanted = np.exp(z - z.max(axis=1, keepdims=True))
    wanted /= wanted.sum(axis=1, keepdims=True)
    rounding = 0.05 if quantize else 0.02 if end == "uint8 logits" else 1e-5
    np.testing.assert_allclose(found, wanted, atol=rounding)


def test_a_memory_knows_how_sure_a_sigmoid_is() -> None:
    """As that of the gate: of one probability the farther of it and of 1 less it."""
    w = RNG.normal(0, 1, (FEATURES, 1)).astype(np.float32)
    nodes = [node("MatMul", "x w", "logit"), node("Sigmoid", "logit", "scores")]
    source = model_of(nodes, {"x": ((1, FEATURES), "float32")}, "scores", {"w": w})
    x = RNG.normal(0, 1, (ROWS, 1, FEATURES)).astype(np.float32)
    sure = int((1 / (1 + np.exp(-abs(x @ w))) >= 0.9).sum())
    memory = mj.Memory(min_score=0.9)
    with mj.load(mj.convert(source), memory=memory, target="numpy") as session:
        for row in x:
            session.run(row)
    assert len(memory) == sure and 0 < sure < ROWS
