"""What a model gives for the inputs of its self-test, beside what it should give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ...runtime.graph import Graph, Node, Quantization, subgraphs
from ...runtime.ops import registry
from ...runtime.session import Session
from .distance import Distance, distance

Verdict = Literal["equal", "within", "differs"]
SAME_EVERYWHERE = frozenset({"QuantizeLinear", "DequantizeLinear", "Cast"})
"""Operators of one rounding for each element, which is the same on every CPU."""


@dataclass(frozen=True, slots=True)
class Limits:
    """tolerance: how far real numbers may be off, as a share of the output's largest magnitude. quanta: how far
    quantized integers that floats were computed for, on average in steps of their scale."""

    tolerance: float
    quanta: float


@dataclass(frozen=True, slots=True)
class Worst:
    """The element that is furthest off: of which input, where, and both numbers as stored."""

    number: int
    index: tuple[int, ...]
    found: float
    wanted: float


@dataclass(slots=True)
class OutputResult:
    """One output over all inputs. exact: it is the same bits on every CPU, as no float is computed for it. equal: for
    how many inputs it is. wrong_shape: for which input it has another shape, and which."""

    name: str
    exact: bool
    quant: Quantization | None
    cases: int = 0
    equal: int = 0
    furthest: Distance | None = None
    worst: Worst | None = None
    wrong_shape: tuple[int, tuple[int, ...], tuple[int, ...]] | None = None

    def add(self, number: int, found: np.ndarray, wanted: np.ndarray) -> None:
        self.cases += 1
        if found.shape != wanted.shape:
            self.wrong_shape = self.wrong_shape or (number, found.shape, wanted.shape)
            return
        if found.tobytes() == wanted.tobytes():
            self.equal += 1
            return
        new = distance(found, wanted, self.quant)
        if self.furthest is None or new.max_abs > self.furthest.max_abs:
            self.worst = _worst(number, found, wanted)
        self.furthest = new if self.furthest is None else self.furthest.worse(new)

    def verdict(self, limits: Limits) -> Verdict:
        if self.wrong_shape is not None:
            return "differs"
        if self.furthest is None:
            return "equal"
        quanta = 0.0 if self.exact else limits.quanta
        # Zeros of either sign, and NaN of any payload, are the same numbers in other bits.
        tolerance = 0.0 if self.exact or self._plain_integers else limits.tolerance
        return "within" if self.furthest.within(tolerance, quanta) else "differs"

    @property
    def _plain_integers(self) -> bool:
        return self.quant is None and self.worst is not None and isinstance(self.worst.wanted, int)

    def describe(self, limits: Limits) -> dict[str, Any]:
        far = self.furthest
        worst = self.worst
        return {
            "name": self.name,
            "verdict": self.verdict(limits),
            "exact": self.exact,
            "inputs": self.cases,
            "equal": self.equal,
            "max_abs": None if far is None else far.max_abs,
            "relative": None if far is None else far.relative,
            "max_quanta": None if far is None else far.max_quanta,
            "mean_quanta": None if far is None else far.mean_quanta,
            "worst": None if worst is None else {
                "input": worst.number, "index": list(worst.index), "found": worst.found, "wanted": worst.wanted,
            },
            "wrong_shape": None if self.wrong_shape is None else {
                "input": self.wrong_shape[0], "found": list(self.wrong_shape[1]), "wanted": list(self.wrong_shape[2]),
            },
        }  # fmt: skip


def run_self_test(session: Session) -> list[OutputResult]:
    """The model's self-test, which it has. Its outputs in their order."""
    model = session.model
    exact = exact_values(model.graph)
    results = {name: OutputResult(name, name in exact, info.quant) for name, info in model.outputs.items()}
    for number, case in enumerate(model.self_test):
        session.reset()
        session.resize({name: array.shape for name, array in case.inputs.items()})
        for name, array in case.inputs.items():
            session.inputs[name][...] = array
        session.invoke()
        for name, result in results.items():
            result.add(number, session.outputs[name], case.outputs[name])
    return list(results.values())


def exact_values(graph: Graph) -> set[str]:
    """Values that are the same bits on every CPU: what is computed in integers, and one rounding of such."""
    found = {name for name, value in graph.values.items() if value.data is not None} | set(graph.inputs)
    for node in graph.nodes:
        if _is_exact(node, graph) and all(not name or name in found for name in node.inputs):
            found.update(node.outputs)
    return found


def _is_exact(node: Node, graph: Graph) -> bool:
    if any(True for _ in subgraphs(node)):
        return False
    op = registry.find(node.op)
    assert op is not None  # as the graph was validated
    if node.op in SAME_EVERYWHERE or (op.moves_data and node.attrs.get("activation") is None):
        return True
    values = [graph.values[name] for name in (*node.inputs, *node.outputs) if name]
    if any(value.dtype.kind == "f" for value in values):
        return False
    # Without an integer implementation, quantized integers are computed with as floats.
    return op.quantized is not None or all(value.quant is None for value in values)


def _worst(number: int, found: np.ndarray, wanted: np.ndarray) -> Worst:
    with np.errstate(all="ignore"):
        apart = np.abs(found.astype(np.float64) - wanted.astype(np.float64))
    # What is not a number on one side alone is as far off as can be.
    apart = np.where(np.isnan(found) & np.isnan(wanted) if found.dtype.kind == "f" else False, 0.0, apart)
    flat = int(np.argmax(np.where(np.isnan(apart), np.inf, apart)))
    index = np.unravel_index(flat, found.shape)
    return Worst(number, tuple(map(int, index)), found[index].item(), wanted[index].item())


def overall(results: Sequence[dict[str, Any]]) -> Verdict:
    """The least good verdict of described outputs."""
    verdicts = {result["verdict"] for result in results}
    return "differs" if "differs" in verdicts else "within" if "within" in verdicts else "equal"
