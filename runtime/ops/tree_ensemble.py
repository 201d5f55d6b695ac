"""TreeEnsemble: decision trees, each of which leads a row of features to a leaf whose weights are summed up."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .checks import FLOATS, INTEGERS, NUMBERS, require_kind
from .registry import Context, Cost, Inferred, Op, register

MODES = ("LEAF", "LEQ", "LT", "GTE", "GT", "EQ", "NEQ")
"""By their numbers in `Trees.modes`: how a node compares the feature with its threshold; a leaf does not."""
LEAF = MODES.index("LEAF")
NAN_IS_TRUE = 16
"""Added to a node's mode where the comparison holds for NaN."""
AGGREGATES = ("SUM", "AVERAGE", "MIN", "MAX")
AT_ONCE = 1 << 20
"""Elements of the weights of all trees' leaves that are held at once, about."""
LEVEL, STEP = 40_000, 30
"""Cost.work of going down to the next level of the trees, and of each row in each tree."""

_COMPARE = {
    "LEQ": np.less_equal,
    "LT": np.less,
    "GTE": np.greater_equal,
    "GT": np.greater,
    "EQ": np.equal,
    "NEQ": np.not_equal,
}


class Trees(NamedTuple):
    """Of each node: the feature that it looks at, the threshold, the nodes that come next where the comparison holds
    and where not, how it compares (MODES; plus NAN_IS_TRUE where NaN counts as true), and of a leaf its row of weights
    (leaves, targets). roots: the first node of each tree."""

    features: np.ndarray
    thresholds: np.ndarray
    yes: np.ndarray
    no: np.ndarray
    modes: np.ndarray
    leaves: np.ndarray
    weights: np.ndarray
    roots: np.ndarray

    @property
    def inner(self) -> np.ndarray:
        """Which nodes are no leaves."""
        return self.modes % NAN_IS_TRUE != LEAF


def infer(ctx: Context) -> list[Inferred]:
    x, weights, roots = ctx.input(0), ctx.input(7), ctx.input(8)
    require_kind(ctx, x, NUMBERS)
    nodes = ctx.input(1).shape
    for index in range(1, 7):
        require_kind(ctx, ctx.input(index), FLOATS if index == 2 else INTEGERS)
        if len(nodes) != 1 or ctx.input(index).shape != nodes:
            raise ctx.error(f"its lists of nodes have shapes {nodes} and {ctx.input(index).shape}")
    require_kind(ctx, weights, FLOATS)
    require_kind(ctx, roots, INTEGERS)
    if len(x.shape) != 2 or len(weights.shape) != 2 or len(roots.shape) != 1 or not nodes[0]:
        raise ctx.error(f"an input of shape {x.shape} or weights of shape {weights.shape} are no matrix")
    if ctx.attrs["aggregate"] not in AGGREGATES:
        raise ctx.error(f"aggregate '{ctx.attrs['aggregate']}' is none of {', '.join(AGGREGATES)}")
    _check(ctx, Trees(*(ctx.constant(index) for index in range(1, 9))), x.shape[1])
    return [((x.shape[0], weights.shape[1]), weights.dtype)]


def _check(ctx: Context, trees: Trees, width: int) -> None:
    """Every node leads on to one behind it, so that each walk ends."""
    inner, count = trees.inner, len(trees.modes)
    yes, no, places = trees.yes[inner], trees.no[inner], np.flatnonzero(inner)
    for name, array, low, high in (
        ("features", trees.features[inner], 0, width),
        ("branches", np.concatenate([yes, no]), 0, count),
        ("leaves", trees.leaves[~inner], 0, len(trees.weights)),
        ("roots", trees.roots, 0, count),
        ("modes", trees.modes % NAN_IS_TRUE, 0, len(MODES)),
    ):
        if array.size and not low <= array.min() <= array.max() < high:
            raise ctx.error(f"its {name} lie in {array.min()}..{array.max()}, not in {low}..{high - 1}")
    if (yes <= places).any() or (no <= places).any():
        raise ctx.error("a node of its trees leads back to itself or to one before it")


def tree_ensemble(
    x: np.ndarray,
    features: np.ndarray,
    thresholds: np.ndarray,
    yes: np.ndarray,
    no: np.ndarray,
    modes: np.ndarray,
    leaves: np.ndarray,
    weights: np.ndarray,
    roots: np.ndarray,
    *,
    aggregate: str = "SUM",
) -> np.ndarray:
    """x (rows, features) -> (rows, targets). The others: see Trees."""
    trees = Trees(features, thresholds, yes, no, modes, leaves, weights, roots)
    at_once = max(1, AT_ONCE // max(1, len(roots) * weights.shape[1]))
    parts = [_walk(x[first : first + at_once], trees) for first in range(0, len(x), at_once)]
    found = [_gathered(weights[leaves[part]], aggregate) for part in parts]
    whole = np.concatenate(found) if found else np.zeros((0, weights.shape[1]))
    return whole.astype(weights.dtype)


def _gathered(weights: np.ndarray, aggregate: str) -> np.ndarray:
    """(rows, trees, targets) -> (rows, targets)."""
    if aggregate in ("MIN", "MAX"):
        return weights.min(1) if aggregate == "MIN" else weights.max(1)
    return weights.sum(1, dtype=np.float64) / (weights.shape[1] if aggregate == "AVERAGE" else 1)


def _walk(x: np.ndarray, trees: Trees) -> np.ndarray:
    """The leaf that each row comes to in each tree (rows, trees)."""
    at = np.broadcast_to(trees.roots, (len(x), len(trees.roots))).copy()
    used = [number for number in np.unique(trees.modes % NAN_IS_TRUE).tolist() if number != LEAF]
    rows, is_inner = np.arange(len(x))[:, None], trees.inner
    while True:
        inner = is_inner[at]
        if not inner.any():
            return at
        values, limits, kinds = x[rows, np.where(inner, trees.features[at], 0)], trees.thresholds[at], trees.modes[at]
        holds = np.zeros(at.shape, np.bool_)
        for number in used:
            holds |= (kinds % NAN_IS_TRUE == number) & _COMPARE[MODES[number]](values, limits)
        if values.dtype.kind == "f":
            holds |= (kinds >= NAN_IS_TRUE) & np.isnan(values)
        at = np.where(inner, np.where(holds, trees.yes[at], trees.no[at]), at)


def _depth(ctx: Context) -> int:
    """Steps from a root to the leaf that is farthest away; how many nodes there are, where they are not known."""
    yes, no, modes = (ctx.input(index).data for index in (3, 4, 5))
    if yes is None or no is None or modes is None:
        return ctx.input(1).size
    below = [0] * len(modes)
    places = np.flatnonzero(modes % NAN_IS_TRUE != LEAF)
    # Every node lies before those that it leads to.
    for place, one, other in zip(*(array[::-1].tolist() for array in (places, yes[places], no[places])), strict=True):
        below[place] = 1 + max(below[one], below[other])
    return max(below, default=0)


def cost(ctx: Context) -> Cost:
    walks, depth = ctx.input(0).shape[0] * ctx.input(8).size, _depth(ctx) + 1
    parts = -(-walks * ctx.input(7).shape[1] // AT_ONCE)
    work = depth * (LEVEL * parts + STEP * walks) + 2 * walks * ctx.input(7).shape[1]
    return Cost(work, 64 * min(walks, AT_ONCE))


register(Op("TreeEnsemble", tree_ensemble, infer, cost=cost))
