"""Shared by the tests of reassociation: random chains of constants, and how far off the operations as written may be.

Errors are bounded as one does it by hand (Higham, Accuracy and Stability of Numerical Algorithms, 3.3 and 3.1): each
operation is charged the unit roundoff times its result, a sum of n products n times that of their magnitudes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rewriting import Sketch

from millijoule.runtime.graph import Graph

FEATURES = 5
OUTPUTS = 3
ROWS = 16


@dataclass(frozen=True)
class Step:
    """x op constant, constant being a scalar or one number per feature."""

    op: str
    constant: np.ndarray


@dataclass
class Bounded:
    """Values in float64, and by how much the computed ones may differ. Infinite where an operation overflows.

    terms: sums of the magnitudes of the products that a value was added up from, in any order; 0 where it was not.
    """

    value: np.ndarray
    error: np.ndarray
    terms: np.ndarray


def draw_constant(random: np.random.Generator, dtype: np.dtype, size: tuple[int, ...], wide: bool) -> np.ndarray:
    """Over 40 decades, or as many as the type has; or near 1, where chains cancel."""
    limits = np.finfo(dtype)
    low, high = max(-20.0, np.log10(limits.tiny)), min(20.0, np.log10(limits.max))
    exponents = random.uniform(low, high, size) if wide else random.uniform(max(low, -2), min(high, 7), size)
    return (random.choice([-1.0, 1.0], size) * 10.0**exponents).astype(dtype)


def draw_chain(random: np.random.Generator, dtype: np.dtype, features: int) -> list[Step]:
    wide, size = bool(random.integers(2)), (features,) if random.integers(3) == 0 else ()
    return [
        Step(str(random.choice(["Add", "Sub", "Mul", "Div"])), draw_constant(random, dtype, size, wide))
        for _ in range(random.integers(2, 5))
    ]


def draw_inputs(random: np.random.Generator, chain: list[Step], dtype: np.dtype, features: int) -> np.ndarray:
    """(ROWS, features): numbers of all sizes, and many from which a step of the chain makes something near 0."""
    x = draw_constant(random, dtype, (ROWS, features), True)
    for row in range(3, ROWS):
        near = np.full(features, random.choice([0.0, 1e-5, 1e-2, 1.0])) * random.standard_normal(features)
        for step in reversed(chain[: random.integers(1, len(chain) + 1)]):
            c = step.constant.astype(np.float64)
            near = {"Add": near - c, "Sub": near + c, "Mul": near / c, "Div": near * c}[step.op]
        with np.errstate(over="ignore"):
            x[row] = near.astype(dtype)
    return np.where(np.isfinite(x), x, 0).astype(dtype)


def sketch_chain(sketch: Sketch, x: str, chain: list[Step]) -> str:
    for step in chain:
        x = sketch.node(step.op, x, sketch.constant(step.constant, step.constant.dtype.name))
    return x


def bound_chain(x: Bounded, chain: list[Step], dtype: np.dtype) -> Bounded:
    """The chain in float64 and its running error."""
    limits = np.finfo(dtype)
    value, error, terms = x.value, x.error, x.terms
    for step in chain:
        c = step.constant.astype(np.float64)
        if step.op in ("Add", "Sub"):
            value = value + c if step.op == "Add" else value - c
        else:
            factor = c if step.op == "Mul" else 1 / c
            value, error, terms = value * factor, error * np.abs(factor), terms * np.abs(factor)
        error = error + limits.eps / 2 * np.abs(value) + float(limits.smallest_subnormal)
        largest = np.maximum(np.abs(value), terms) + error
        error = np.where(largest < float(limits.max) * (1 - float(limits.eps)), error, np.inf)
    return Bounded(value, error, terms)


def bound_product(x: Bounded, w: np.ndarray, dtype: np.dtype) -> Bounded:
    """x @ w, w (features, outputs), summed in float32 at least and then of the type again."""
    limits, wide = np.finfo(dtype), np.abs(w.astype(np.float64))
    value = x.value @ w.astype(np.float64)
    known = np.isfinite(x.error).all(1, keepdims=True)
    error = np.where(np.isfinite(x.error), x.error, 0) @ wide
    error += (len(w) + 2) * 2.0**-24 * (np.abs(x.value) @ wide) + limits.eps / 2 * np.abs(value)
    error += float(limits.smallest_subnormal)
    terms = np.abs(x.value) @ wide
    overflows = terms + error > float(limits.max) * (1 - float(limits.eps))
    return Bounded(value, np.where(known & ~overflows, error, np.inf), terms)


def sketch_product(sketch: Sketch, op: str, x: str, w: np.ndarray) -> str:
    """x @ w by this operator; the rows of x are an image's pixels for Conv."""
    name = w.dtype.name
    if op == "Gemm":
        return sketch.node("Gemm", x, sketch.constant(w.T.copy(), name), transB=1)
    if op == "Conv":
        return sketch.node("Conv", x, sketch.constant(w.T.reshape(w.shape[1], 1, 1, -1).copy(), name))
    return sketch.node("MatMul", x, sketch.constant(w, name))


@dataclass
class Case:
    graph: Graph
    feeds: dict[str, np.ndarray]
    bound: Bounded


def draw_case(seed: int, where: str, op: str, dtype: np.dtype) -> Case:
    """A chain alone, before or behind a product, with its inputs and what the operations as written may give."""
    random, sketch = np.random.default_rng(seed), Sketch()
    width = OUTPUTS if where == "behind" else FEATURES
    chain = draw_chain(random, dtype, width)
    w = random.standard_normal((FEATURES, OUTPUTS)).astype(dtype)
    if where == "behind":
        x = draw_constant(random, dtype, (ROWS, FEATURES), bool(random.integers(2)))
    else:
        x = draw_inputs(random, chain, dtype, FEATURES)
    bound = Bounded(x.astype(np.float64), np.zeros(x.shape), np.zeros(x.shape))
    shape = (1, 4, ROWS // 4, FEATURES) if op == "Conv" and where != "alone" else x.shape
    name = sketch.input(shape, dtype.name)
    with np.errstate(all="ignore"):
        if where == "alone":
            y, bound = sketch_chain(sketch, name, chain), bound_chain(bound, chain, dtype)
        elif where == "before":
            y = sketch_product(sketch, op, sketch_chain(sketch, name, chain), w)
            bound = bound_product(bound_chain(bound, chain, dtype), w, dtype)
        else:
            y = sketch_chain(sketch, sketch_product(sketch, op, name, w), chain)
            bound = bound_chain(bound_product(bound, w, dtype), chain, dtype)
    return Case(sketch.output(y), {name: x.reshape(shape)}, bound)
