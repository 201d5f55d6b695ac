"""Linear models, trees and support vector machines of ai.onnx.ml, as scikit-learn's converter writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import texts
from ..call import Call
from ..handlers import LEARNED, handles
from ..job import Unsupported
from .trees import NEW_AGGREGATES, TreeTables, new_tables, old_tables

TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")


def floats(call: Call, index: int = 0) -> str:
    """An input as float32."""
    name = call.input(index)
    return name if call.value(name).dtype == np.float32 else call.make("Cast", [name], {"to": "float32"})


def numbers(call: Call, name: str) -> list[float]:
    found = call.attrs.get(name, [])
    if not isinstance(found, list) or not all(isinstance(item, (int, float)) for item in found):
        raise Unsupported(f"attribute '{name}' must be a list of numbers")
    return [float(item) for item in found]


def class_labels(call: Call, name: str) -> np.ndarray:
    """The numbers that stand for the classes, where they have names 0, 1, ...; none where the node says nothing."""
    names = call.attrs.get("classlabels_strings")
    if names:
        texts.note(call, 0, list(names))
        return np.arange(len(names))
    return np.array(call.integers(name, []), np.int64)


def scalar(call: Call, number: float, what: str = "number") -> str:
    return call.add_constant(number, what, np.float32)


def transformed(call: Call, scores: str, kind: str) -> str:
    """What post_transform makes of scores (rows, targets)."""
    if kind not in TRANSFORMS:
        raise Unsupported(f"post_transform '{kind}' is none of {', '.join(TRANSFORMS)}")
    if kind == "LOGISTIC":
        return call.make("Sigmoid", [scores])
    if kind == "SOFTMAX":
        return call.make("Softmax", [scores], {"axis": -1})
    if kind == "SOFTMAX_ZERO":
        return _softmax_zero(call, scores)
    if kind == "PROBIT":
        return _probit(call, scores)
    return scores


def _softmax_zero(call: Call, scores: str) -> str:
    """Scores that are 0 stay so, and count for nothing."""
    zero = call.make("Equal", [scores, scalar(call, 0)])
    largest = call.make("ReduceMax", [scores, call.add_constant([1], "axis", np.int64)])
    powers = call.make("Exp", [call.make("Sub", [scores, largest])])
    powers = call.make("Where", [zero, scalar(call, 0), powers])
    total = call.make("ReduceSum", [powers, call.add_constant([1], "axis", np.int64)])
    return call.make("Div", [powers, call.make("Max", [total, scalar(call, float(np.finfo(np.float32).tiny))])])


def _probit(call: Call, scores: str) -> str:
    """sqrt(2) times the inverse error function of 2 s - 1 by Winitzki's approximation, as onnxruntime has it."""
    shifted = call.make("Sub", [call.make("Mul", [scores, scalar(call, 2)]), scalar(call, 1)])
    inside = call.make(
        "Mul", [call.make("Sub", [scalar(call, 1), shifted]), call.make("Add", [scalar(call, 1), shifted])]
    )
    logarithm = call.make("Log", [inside])
    half = call.make("Mul", [logarithm, scalar(call, 0.5)])
    first = call.make("Add", [scalar(call, 2 / (3.14159 * 0.147)), half])
    second = call.make("Mul", [logarithm, scalar(call, 1 / 0.147)])
    root = call.make("Sqrt", [call.make("Sub", [call.make("Mul", [first, first]), second])])
    size = call.make("Sqrt", [call.make("Sub", [root, first])])
    signed = call.make("Mul", [call.make("Sign", [shifted]), size])
    return call.make("Mul", [signed, scalar(call, 1.41421356)])


def finish_classes(call: Call, labels: str, scores: str) -> None:
    """The node's two results."""
    outputs, hints = list(call.outputs), list(call.hints)
    for position, name in enumerate((labels, scores)):
        if call.wants(position):
            call.builder.emit("Identity", [name], [outputs[position]], {}, call.name, hints[position : position + 1])


def chosen(call: Call, labels: np.ndarray, scores: str) -> str:
    """The label of the class with the highest score, the first of several."""
    best = call.make("ArgMax", [scores], {"axis": 1, "keepdims": 0})
    return call.make("Gather", [call.add_constant(labels, "labels"), best], {"axis": 0})


def either(call: Call, labels: np.ndarray, score: str, limit: float) -> str:
    """The second label where the score (rows, 1) is above the limit, else the first."""
    flat = call.make("Reshape", [score, call.add_constant([-1], "rows", np.int64)])
    above = call.make("Greater", [flat, scalar(call, limit)])
    first, second = (call.add_constant(label, "label", np.int64) for label in labels)
    return call.make("Where", [above, second, first])


def both(call: Call, score: str, kind: str, positive: bool) -> str:
    """Scores of two classes from the one of the second. positive: it is a probability."""
    if kind == "LOGISTIC":
        other = call.make("Sigmoid", [call.make("Neg", [score])])
        score = call.make("Sigmoid", [score])
    elif positive:
        other = call.make("Sub", [scalar(call, 1), score])
    else:
        other = call.make("Neg", [score])
    return call.make("Concat", [other, score], {"axis": 1})


def _matrix(call: Call, rows: int) -> np.ndarray:
    coefficients = np.array(numbers(call, "coefficients"), np.float32)
    if rows < 1 or not coefficients.size or coefficients.size % rows:
        raise Unsupported(f"{coefficients.size} coefficients do not fit {rows} rows")
    return coefficients.reshape(rows, -1)


def _linear(call: Call, rows: int, intercepts: Sequence[float]) -> str:
    weights = call.add_constant(_matrix(call, rows), "coefficients")
    bias = [call.add_constant(intercepts, "intercepts", np.float32)] if intercepts else []
    return call.make("Gemm", [floats(call), weights, *bias], {"transB": 1})


@handles("LinearRegressor", domain=LEARNED)
def linear_regressor(call: Call) -> None:
    targets = call.integer("targets", 1)
    scores = _linear(call, targets, numbers(call, "intercepts"))
    call.finish("Identity", [transformed(call, scores, call.text("post_transform", "NONE"))])


@handles("LinearClassifier", domain=LEARNED)
def linear_classifier(call: Call) -> None:
    labels, intercepts = class_labels(call, "classlabels_ints"), numbers(call, "intercepts")
    rows = len(intercepts) or len(labels)
    scores = _linear(call, rows, intercepts)
    kind = call.text("post_transform", "NONE")
    if rows == 1 and len(labels) == 2:
        label = either(call, labels, scores, 0)
        finish_classes(call, label, both(call, scores, kind, positive=True))
        return
    if len(labels) != rows:
        raise Unsupported(f"{len(labels)} classes do not fit {rows} rows of coefficients")
    finish_classes(call, chosen(call, labels, scores), transformed(call, scores, kind))


@handles("TreeEnsembleRegressor", domain=LEARNED)
def tree_ensemble_regressor(call: Call) -> None:
    targets = call.integer("n_targets", 1)
    tables = old_tables(call, "target", targets)
    scores = based(call, tables.node(call, floats(call), call.text("aggregate_function", "SUM")), targets)
    call.finish("Identity", [transformed(call, scores, call.text("post_transform", "NONE"))])


def based(call: Call, scores: str, targets: int) -> str:
    """With the base values added."""
    base = base_values(call)
    if not len(base):
        return scores
    if len(base) not in (1, targets):
        raise Unsupported(f"{len(base)} base values do not fit {targets} targets")
    return call.make("Add", [scores, call.add_constant(base, "base", np.float32)])


def base_values(call: Call) -> np.ndarray:
    as_tensor = call.attrs.get("base_values_as_tensor")
    return (
        np.array(numbers(call, "base_values"), np.float32) if as_tensor is None else np.asarray(as_tensor, np.float32)
    )


@handles("TreeEnsembleClassifier", domain=LEARNED)
def tree_ensemble_classifier(call: Call) -> None:
    """Two classes of which only one has weights are told apart by the sign of its score, or by 0.5 where no weight is
    negative; where that is the first one, it counts as the second one's."""
    labels, kind = class_labels(call, "classlabels_int64s"), call.text("post_transform", "NONE")
    ids = call.integers("class_ids")
    x = floats(call)
    if len(labels) != 2 or len(set(ids)) != 1:
        tables = old_tables(call, "class", len(labels))
        scores = based(call, tables.node(call, x), len(labels))
        finish_classes(call, chosen(call, labels, _scored(call, tables, x, scores)), transformed(call, scores, kind))
        return
    base, first = base_values(call), ids[0] == 0
    if len(base) > (1 if first else 0) or kind not in ("NONE", "LOGISTIC"):
        raise Unsupported(f"{len(base)} base values or post_transform '{kind}' of two classes by one score")
    tables = old_tables(call, "class", 1, only=ids[0])
    score = based(call, tables.node(call, x), 1)
    positive = bool((tables.weights >= 0).all())
    label = either(call, labels, score, 0.5 if positive else 0)
    if first:
        finish_classes(call, label, both(call, score, kind, positive))
        return
    nothing = call.make("Mul", [score, scalar(call, 0)])
    finish_classes(call, label, transformed(call, call.make("Concat", [nothing, score], {"axis": 1}), kind))


def _scored(call: Call, tables: TreeTables, x: str, scores: str) -> str:
    """A class that no leaf of a row says anything of is not chosen, though its score of 0 be the highest."""
    if (tables.weights >= 0).all() or tables.complete:
        return scores
    hits = tables._replace(weights=(tables.weights != 0).astype(np.float32)).node(call, x)
    least = scalar(call, -np.inf)
    return call.make("Where", [call.make("Greater", [hits, scalar(call, 0)]), scores, least])


def _kernel(call: Call, vectors: np.ndarray) -> str:
    gamma, coef0, degree = (*numbers(call, "kernel_params"), 0.0, 0.0, 0.0)[:3]
    attrs: dict[str, Any] = {"kernel": call.text("kernel_type", "LINEAR")}
    attrs |= {"gamma": gamma, "coef0": coef0, "degree": degree}
    return call.make("SupportVectors", [floats(call), call.add_constant(vectors, "vectors")], attrs)


def _vectors(call: Call, count: int) -> np.ndarray:
    found = np.array(numbers(call, "support_vectors"), np.float32)
    if count < 1 or not found.size or found.size % count:
        raise Unsupported(f"{found.size} numbers are not {count} support vectors")
    return found.reshape(count, -1)


@handles("SVMRegressor", domain=LEARNED)
def svm_regressor(call: Call) -> None:
    """Without support vectors it is linear. one_class: 1 where the score is above 0, else -1."""
    count, rho = call.integer("n_supports", 0), numbers(call, "rho")
    if len(rho) != 1:
        raise Unsupported(f"it has {len(rho)} offsets instead of one")
    coefficients = _matrix(call, 1)
    alike = _kernel(call, _vectors(call, count)) if count else floats(call)
    bias = call.add_constant(rho, "rho", np.float32)
    weights = call.add_constant(coefficients, "coefficients")
    score = call.make("Gemm", [alike, weights, bias], {"transB": 1})
    if call.integer("one_class", 0):
        above = call.make("Greater", [score, scalar(call, 0)])
        score = call.make("Where", [above, scalar(call, 1), scalar(call, -1)])
    call.finish("Identity", [transformed(call, score, call.text("post_transform", "NONE"))])


@handles("SVMClassifier", domain=LEARNED)
def svm_classifier(call: Call) -> None:
    """Of each two classes a machine of its own, whose coefficients lie in rows by the other class. The label is that
    of the most decisions won, as in libsvm, which may be another than the one of the highest probability."""
    labels = class_labels(call, "classlabels_ints")
    counts, rho = call.integers("vectors_per_class", []), np.array(numbers(call, "rho"), np.float32)
    classes, kind = len(labels), call.text("post_transform", "NONE")
    if not counts:
        _linear_svm(call, labels, rho, kind)
        return
    pairs = classes * (classes - 1) // 2
    if len(counts) != classes or len(rho) != pairs or classes < 2:
        raise Unsupported(f"{len(counts)} counts of vectors and {len(rho)} offsets do not fit {classes} classes")
    decide = _between(_matrix(call, classes - 1), counts, pairs)
    alike = _kernel(call, _vectors(call, sum(counts)))
    scores = call.make("Gemm", [alike, call.add_constant(decide, "decisions"), call.add_constant(rho, "rho")])
    slopes, offsets = numbers(call, "prob_a"), numbers(call, "prob_b")
    label = chosen(call, labels, call.make("PairwiseVotes", [scores], {"classes": classes}))
    if slopes:
        attrs = {"classes": classes, "slopes": slopes, "offsets": offsets}
        finish_classes(call, label, transformed(call, call.make("PairwiseVotes", [scores], attrs), kind))
    elif classes == 2:
        finish_classes(call, label, both(call, scores, kind, positive=kind != "NONE"))
    else:
        finish_classes(call, label, transformed(call, scores, kind))


def _between(coefficients: np.ndarray, counts: Sequence[int], pairs: int) -> np.ndarray:
    """(vectors, pairs): what each support vector counts in each decision."""
    starts = np.concatenate([[0], np.cumsum(counts)])
    if coefficients.shape[1] != starts[-1]:
        raise Unsupported(f"coefficients of shape {coefficients.shape} do not fit {starts[-1]} support vectors")
    found, pair = np.zeros((int(starts[-1]), pairs), np.float32), 0
    for first in range(len(counts)):
        for second in range(first + 1, len(counts)):
            own, other = (slice(starts[n], starts[n + 1]) for n in (first, second))
            found[own, pair] = coefficients[second - 1, own]
            found[other, pair] = coefficients[first, other]
            pair += 1
    return found


def _linear_svm(call: Call, labels: np.ndarray, rho: np.ndarray, kind: str) -> None:
    weights = call.add_constant(_matrix(call, len(labels)), "coefficients")
    if len(rho) not in (1, len(labels)):
        raise Unsupported(f"{len(rho)} offsets do not fit {len(labels)} classes")
    scores = call.make("Gemm", [floats(call), weights, call.add_constant(rho, "rho")], {"transB": 1})
    finish_classes(call, chosen(call, labels, scores), transformed(call, scores, kind))


@handles("TreeEnsemble", since=5, domain=LEARNED)
def tree_ensemble(call: Call) -> None:
    aggregate, transform = call.integer("aggregate_function", 1), call.integer("post_transform", 0)
    if not 0 <= aggregate < len(NEW_AGGREGATES) or not 0 <= transform < len(TRANSFORMS):
        raise Unsupported(f"aggregate_function {aggregate} or post_transform {transform} is not supported")
    tables = new_tables(call)
    x = call.input(0) if call.dtype() == np.float64 else floats(call)
    scores = transformed(call, tables.node(call, x, NEW_AGGREGATES[aggregate]), TRANSFORMS[transform])
    call.finish("Cast", [scores], {"to": call.dtype().name})
