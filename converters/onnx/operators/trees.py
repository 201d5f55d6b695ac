"""Tree ensembles of ai.onnx.ml -> the lists of nodes that TreeEnsemble takes, each node before its children."""

from __future__ import annotations

import numpy as np

from ....runtime.ops.tree_ensemble import LEAF, MODES, NAN_IS_TRUE, Trees
from ..call import Call
from ..job import Unsupported

MOST_NODES = 1 << 16
"""How many more there may be once what several nodes lead to is there for each of them."""
NARROW = 32
"""Nodes of a level that are walked one by one in no more time than by NumPy."""
MAX_WEIGHTS = 1 << 26
"""Of all leaves and targets together: a small file may name many of both."""


class TreeTables(Trees):
    """What a node of ai.onnx.ml says of its trees."""

    __slots__ = ()

    def node(self, call: Call, x: str, aggregate: str = "SUM") -> str:
        """The node's result (rows, targets), of the weights' dtype."""
        if call.value(x).dtype != self.thresholds.dtype:
            x = call.make("Cast", [x], {"to": self.thresholds.dtype.name})
        small = self._asdict()
        for what in ("features", "yes", "no", "leaves", "roots"):
            small[what] = small[what].astype(np.int32)
        small["modes"] = small["modes"].astype(np.int8)
        names = [call.add_constant(data, what) for what, data in small.items()]
        return call.make("TreeEnsemble", [x, *names], {"aggregate": aggregate})

    @property
    def complete(self) -> bool:
        """Whether every row gets a weight for every target: from a tree, all of whose leaves have one for it."""
        tree = np.zeros(len(self.modes), np.int64)
        tree[self.roots] = np.arange(len(self.roots))
        inner = self.inner
        for node in range(len(self.modes)):
            if inner[node]:
                tree[[self.yes[node], self.no[node]]] = tree[node]
        leaves = ~inner
        full = np.ones((len(self.roots), self.weights.shape[1]), np.bool_)
        np.logical_and.at(full, tree[leaves], self.weights[self.leaves[leaves]] != 0)
        return bool(full.any(0).all())

    def laid_out(self) -> TreeTables:
        """The same trees level by level. Unsupported where a walk may not end."""
        nodes = self._in_levels()
        inner = self.inner[nodes]
        children = len(self.roots) + 2 * (np.cumsum(inner) - 1)
        return TreeTables(
            np.where(inner, self.features[nodes], 0),
            self.thresholds[nodes],
            np.where(inner, children, 0),
            np.where(inner, children + 1, 0),
            self.modes[nodes],
            self.leaves[nodes],
            self.weights,
            np.arange(len(self.roots)),
        )

    def _in_levels(self) -> np.ndarray:
        """The nodes, those of each level behind those that lead to them and in their order. Levels are walked at once
        where they are wide: one of a few nodes, of which a deep tree has very many, costs no more than its nodes."""
        is_inner, most = self.inner, MOST_NODES + 2 * len(self.modes)
        links = list(zip(is_inner.tolist(), self.yes.tolist(), self.no.tolist(), strict=True))
        found, level, count = list[np.ndarray](), self.roots, 0
        while len(level):
            if len(level) > NARROW:
                inner = is_inner[level]
                found.append(level)
                count += len(level)
                level = np.stack([self.yes[level][inner], self.no[level][inner]], 1).reshape(-1)
            else:
                walked, behind = list[int](), level.tolist()
                while 0 < len(behind) <= NARROW and count + len(walked) <= most:
                    walked += behind
                    behind = [child for node in behind if links[node][0] for child in links[node][1:]]
                found.append(np.array(walked, np.int64))
                count += len(walked)
                level = np.array(behind, np.int64)
            if count > most or count + len(level) > most:
                raise Unsupported("its trees lead back to where they came from, or many ways to the same nodes")
        return np.concatenate(found)


def array_of(call: Call, name: str, dtype: np.dtype | type) -> np.ndarray:
    """An attribute's numbers; those of `name_as_tensor`, in their own dtype, where it is there."""
    as_tensor = call.attrs.get(f"{name}_as_tensor")
    if as_tensor is not None:
        return np.asarray(as_tensor).reshape(-1)
    found = call.attrs.get(name, [])
    if isinstance(found, np.ndarray):
        return found.reshape(-1)
    try:
        return np.array(found, dtype).reshape(-1)
    except (TypeError, ValueError):
        raise Unsupported(f"attribute '{name}' must be a list of numbers") from None


def dense(rows: np.ndarray, targets: np.ndarray, weights: np.ndarray, count: int, width: int) -> np.ndarray:
    """(count, width): the weights of each leaf for each target."""
    if count * width > MAX_WEIGHTS:
        raise Unsupported(f"{count} leaves with weights for {width} targets are too many")
    if targets.size and not 0 <= targets.min() <= targets.max() < width:
        raise Unsupported(f"its targets {targets.min()}..{targets.max()} are not {width}")
    found = np.zeros((count, width), weights.dtype if weights.dtype == np.float64 else np.float32)
    np.add.at(found, (rows, targets), weights.astype(found.dtype))
    return found


def old_tables(call: Call, side: str, width: int, only: int | None = None) -> TreeTables:
    """Of TreeEnsembleRegressor and TreeEnsembleClassifier, whose nodes are named by tree and number. side: "target" or
    "class". only: the one class that has weights, as target 0."""
    trees, ids, features, yes, no = (
        array_of(call, f"nodes_{name}", np.int64)
        for name in ("treeids", "nodeids", "featureids", "truenodeids", "falsenodeids")
    )
    thresholds = array_of(call, "nodes_values", np.float32)
    names = call.attrs.get("nodes_modes", [])
    missing = array_of(call, "nodes_missing_value_tracks_true", np.int64)
    count = len(trees)
    missing = missing if len(missing) else np.zeros(count, np.int64)
    if not count or {len(item) for item in (ids, features, yes, no, thresholds, names, missing)} != {count}:
        raise Unsupported("its lists of nodes are empty or not equally long")
    numbers = {f"BRANCH_{name}" if name != "LEAF" else name: number for number, name in enumerate(MODES)}
    unknown = [name for name in dict.fromkeys(names) if name not in numbers]
    if unknown:
        raise Unsupported(f"nodes of mode '{unknown[0]}' are not supported")
    modes = np.array([numbers[name] for name in names]) + np.where(missing != 0, NAN_IS_TRUE, 0)
    find = _Places(trees, ids)
    inner = modes % NAN_IS_TRUE != LEAF
    yes, no = (np.where(inner, find.of(trees, np.where(inner, child, ids)), 0) for child in (yes, no))
    led_to = np.zeros(count, np.bool_)
    led_to[np.concatenate([yes[inner], no[inner]])] = True
    roots = np.flatnonzero(~led_to)
    if len(roots) != len(np.unique(trees)):
        raise Unsupported("not each of its trees has one root")
    places = find.of(array_of(call, f"{side}_treeids", np.int64), array_of(call, f"{side}_nodeids", np.int64))
    leaves = np.where(inner, 0, np.cumsum(~inner) - 1)
    targets = array_of(call, f"{side}_ids", np.int64) - (only or 0)
    weights = array_of(call, f"{side}_weights", np.float32)
    if not len(places) == len(targets) == len(weights) or inner[places].any():
        raise Unsupported("its weights are not those of leaves")
    table = dense(leaves[places], targets, weights, int((~inner).sum()), width)
    found = TreeTables(features, thresholds, yes, no, modes, leaves, table, roots).laid_out()
    if len(found.modes) != count:
        raise Unsupported("not each node of its trees is reached once")
    return found


class _Places:
    """Where the node of a tree and number is in the lists."""

    def __init__(self, trees: np.ndarray, ids: np.ndarray) -> None:
        self._width = int(max(ids.max(), 0)) + 1
        keys = trees * self._width + ids
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]
        if trees.min() < 0 or ids.min() < 0 or (np.diff(self._keys) == 0).any():
            raise Unsupported("two nodes of its trees have one number")

    def of(self, trees: np.ndarray, ids: np.ndarray) -> np.ndarray:
        wanted = trees * self._width + ids
        at = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        if (self._keys[at] != wanted).any() or (ids >= self._width).any():
            raise Unsupported("its trees name nodes that are not there")
        return self._order[at]


NEW_MODES = ("LEQ", "LT", "GTE", "GT", "EQ", "NEQ")
EQ, LT, MEMBER = NEW_MODES.index("EQ"), NEW_MODES.index("LT"), len(NEW_MODES)
NEW_AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")


def new_tables(call: Call) -> TreeTables:
    """Of TreeEnsemble, which has lists of inner nodes and of leaves: leaf k is node n + k here."""
    codes = array_of(call, "nodes_modes", np.int64).astype(np.int64)
    features, yes, no, yes_leaf, no_leaf = (
        array_of(call, f"nodes_{name}", np.int64)
        for name in ("featureids", "truenodeids", "falsenodeids", "trueleafs", "falseleafs")
    )
    splits, missing = array_of(call, "nodes_splits", np.float32), call.attrs.get("nodes_missing_value_tracks_true", [])
    targets = array_of(call, "leaf_targetids", np.int64)
    weights = array_of(call, "leaf_weights", np.float32)
    count, width, last = len(codes), call.integer("n_targets"), len(targets)
    tracks = np.array(missing or [0] * count, np.int64)
    columns = (features, yes, no, yes_leaf, no_leaf, splits, tracks)
    if not count or {len(item) for item in columns} != {count}:
        raise Unsupported("its lists of nodes are empty or not equally long")
    if codes.min() < 0 or codes.max() > MEMBER:
        raise Unsupported(f"nodes of mode {codes.min()} or {codes.max()} are not supported")
    values = array_of(call, "membership_values", np.float32)
    codes, features, yes, no, yes_leaf, no_leaf, splits, tracks = _without_sets(codes, *columns, values=values)
    count = len(codes)
    if not last or len(weights) != last:
        raise Unsupported("its lists of leaves are empty or not equally long")
    branches = []
    for child, is_leaf in ((yes, yes_leaf != 0), (no, no_leaf != 0)):
        if (child < 0).any() or (child >= np.where(is_leaf, last, count)).any():
            raise Unsupported("its trees name nodes that are not there")
        branches.append(np.concatenate([np.where(is_leaf, child + count, child), np.zeros(last, np.int64)]))
    modes = np.array([MODES.index(name) for name in NEW_MODES])[codes] + np.where(tracks != 0, NAN_IS_TRUE, 0)
    roots = np.array(call.integers("tree_roots"), np.int64)
    if not len(roots) or roots.min() < 0 or roots.max() >= count:
        raise Unsupported("its roots are no nodes")
    none = np.zeros(last, np.int64)
    return TreeTables(
        np.concatenate([features, none]),
        np.concatenate([splits, none.astype(splits.dtype)]),
        branches[0],
        branches[1],
        np.concatenate([modes, none + LEAF]),
        np.concatenate([np.zeros(count, np.int64), np.arange(last)]),
        dense(np.arange(last), targets, weights, last, width),
        roots,
    ).laid_out()


def _without_sets(codes: np.ndarray, *columns: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, ...]:
    """The lists of nodes where each that looks for members of a set became a row of nodes, which look for one each.

    columns: features, yes, no, yes_leaf, no_leaf, splits, tracks. values: the sets, one behind the other, a NaN behind
    each. What is new stands behind the other nodes.
    """
    places = np.flatnonzero(codes == MEMBER)
    if not len(places):
        return codes, *columns
    ends = np.flatnonzero(np.isnan(values))
    if len(ends) != len(places) or ends[-1] != len(values) - 1:
        raise Unsupported(f"{len(ends)} sets of members do not fit {len(places)} nodes that look into one")
    lists = [column.tolist() for column in (codes, *columns)]
    modes, _, _, no, _, no_leaf, splits, _ = lists
    for place, members in zip(places.tolist(), np.split(values, ends + 1), strict=False):
        # Of an empty set nothing is a member, as nothing is less than -inf.
        wanted = members[:-1].tolist() or [-np.inf]
        modes[place], splits[place] = EQ if len(members) > 1 else LT, wanted[0]
        last, otherwise = place, (no[place], no_leaf[place])
        for member in wanted[1:]:
            for item in lists:
                item.append(item[place])
            no[last], no_leaf[last] = len(modes) - 1, 0
            last = len(modes) - 1
            splits[last] = member
        no[last], no_leaf[last] = otherwise
    return tuple(np.array(item, column.dtype) for item, column in zip(lists, (codes, *columns), strict=True))
