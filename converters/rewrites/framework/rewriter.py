"""Applies rewrites to a graph until none of them finds anything more to do.

Why that ends: each patch lowers the following, compared from the left, where a stage has rewrites of that kind at all.

1. The nodes of operators that a stage turns into others or into fewer: activations written out, BatchNormalization,
   quantizers, constants that could be merged or folded, duplicates, and nodes that do nothing. No rewrite makes one of
   these of anything that is not.
2. The places in the source's order of operators whose operands may still be evened out (`IndexedGraph.may_even`): of
   mixed operands some get a Transpose, so that the others lose theirs.
3. The readers of Transposes, and then of Reshapes, by their height, which is the largest number of other nodes from a
   reader down to an output; the highest count first. A Transpose or Reshape that sinks below a node no longer has that
   reader, and others only further down. Two that meet become one.
4. The Transposes and Reshapes that could be simpler: a Transpose that moves dimensions of size 1 alone is a Reshape,
   and of those that do the same one form is preferred.

A rewrite that keeps none of this may go on for ever with one that undoes it. PATCHES_PER_NODE stops them: the graph is
right then, but slower and perhaps larger than it could be, of which the user is warned (`EndlessWarning`).
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from ....runtime.errors import ModelError
from ....runtime.graph import Node, Value
from ....runtime.ops.registry import Op, find
from . import shapes
from .check import check
from .indexed import IndexedGraph
from .patch import Patch

RewriteFunction = Callable[[IndexedGraph, Node], "Patch | None"]
OfOperator = Callable[[Op], bool]

PATCHES_PER_NODE = 12
"""Bound on the work of one stage, several times what any model needs."""
NEAR = 64
"""Readers of a value that are looked at again once something beside it has changed; the others in the next sweep."""


class EndlessWarning(UserWarning):
    """Rewrites of a model were stopped, as they undid each other: a fault in millijoule."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A function that looks at one node and may return a patch.

    ops, where: of which operators: those named and those for which `where` holds; of any where neither is given.
    """

    function: RewriteFunction
    ops: tuple[str, ...] = ()
    where: OfOperator | None = None

    @property
    def name(self) -> str:
        return self.function.__name__

    def takes(self, name: str) -> bool:
        """Whether it looks at nodes of the operator of that name."""
        if self.where is None:
            return not self.ops or name in self.ops
        op = find(name)
        return name in self.ops or (op is not None and self.where(op))


def rewrite_of(*ops: str, where: OfOperator | None = None) -> Callable[[RewriteFunction], Rewrite]:
    """Decorator: makes a function a rewrite of nodes of these operators. where: see Rewrite."""
    return lambda function: Rewrite(function, ops, where)


class Rewriter:
    """Applies patches to one graph. debug: check the whole graph after each, and raise where rewriting never ends.

    applied counts the patches by rewrite.
    """

    def __init__(self, graph: IndexedGraph, debug: bool = False) -> None:
        self.graph = graph
        self.debug = debug
        self.applied: dict[str, int] = {}

    def run(self, rewrites: Sequence[Rewrite]) -> int:
        """Applies these rewrites to a fixed point. Among several that fit one node the earlier goes first.

        Returns the number of patches. After a patch the nodes around it are looked at again at once; as patterns
        reach further than that, whole sweeps follow until one finds nothing.
        """

        @cache
        def functions(op: str) -> list[RewriteFunction]:
            return [item.function for item in rewrites if item.takes(op)]

        total, bound = 0, PATCHES_PER_NODE * (len(self.graph.nodes) + 20)
        while total < bound:
            count = self._sweep(functions, bound - total)
            total += count
            if not count:
                return total
        often = ", ".join(sorted(self.applied, key=lambda name: -self.applied[name])[:3])
        problem = f"rewriting did not end after {total} patches, most of them by {often}"
        if self.debug:
            raise RuntimeError(problem)
        warnings.warn(
            f"{problem}; the model computes what it should, but perhaps not as fast as it could: please report it",
            EndlessWarning,
            stacklevel=2,
        )
        return total

    def _sweep(self, functions: Callable[[str], list[RewriteFunction]], bound: int) -> int:
        queue = deque(sorted(self.graph.nodes.values(), key=self.graph.position))
        queued = {id(node) for node in queue}
        count = 0
        while queue and count < bound:
            node = queue.popleft()
            queued.discard(id(node))
            if not self.graph.alive(node):
                continue
            for function in functions(node.op):
                changed = self._rewrite(function, node)
                if changed is None:
                    continue
                count += 1
                self.applied[function.__name__] = self.applied.get(function.__name__, 0) + 1
                for touched in changed:
                    if id(touched) not in queued and self.graph.alive(touched):
                        queued.add(id(touched))
                        queue.append(touched)
                if self.debug:
                    check(self.graph, f"after {function.__name__} of {node}")
                break
        return count

    def _rewrite(self, function: RewriteFunction, node: Node) -> list[Node] | None:
        """What `apply` returns; None without a patch. Attributes that do not fit a node's inputs are a ModelError."""
        try:
            patch = function(self.graph, node)
            return None if patch is None else self.apply(patch)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            if self.debug:
                raise
            raise ModelError(f"{node}: its inputs and attributes do not fit each other ({error})") from error

    def apply(self, patch: Patch) -> list[Node]:
        """Changes the graph; returns the nodes whose surroundings changed, some of which may be gone."""
        graph = self.graph
        position = max((graph.position(node) for node in patch.remove), default=0)
        loose = [name for node in patch.remove for name in (*node.inputs, *node.outputs) if name]
        for node in patch.evens:
            graph.even(node)
        for node in patch.remove:
            graph.discard(node)
        graph.graph.values.update(patch.values)
        for node in patch.add:
            graph.insert(node, position)
        for node in patch.add:
            shapes.infer(graph, node)
        touched = list(patch.add)
        for old, new in patch.replace.items():
            touched += self._replace(old, new, position)
            loose.append(old)
        loose += patch.values
        self._drop_unused(loose)
        names = dict.fromkeys([*loose, *(name for node in patch.add for name in (*node.inputs, *node.outputs))])
        for name in names:
            producer = graph.producer(name)
            touched += [producer] if producer is not None else []
            touched += graph.consumers(name, NEAR)
        return touched

    def _replace(self, old: str, new: str, position: int) -> list[Node]:
        graph = self.graph
        if not graph.pinned(old):
            return graph.redirect(old, new)
        if graph.producer(new) is None or graph.pinned(new):
            changed = graph.redirect(old, new)
            keep = Node("Identity", [new], [old], {}, old)
            graph.insert(keep, position)
            return [*changed, keep]
        before = graph.graph.values.pop(old)
        changed = graph.rename(new, old)
        after = graph.graph.values[old]
        after.shape = _known(before, after)
        return changed

    def _drop_unused(self, names: Iterable[str]) -> None:
        """Removes values that nothing reads, and nodes that produce only such values, and so on upwards."""
        graph = self.graph
        queue = deque(dict.fromkeys(names))
        while queue:
            name = queue.popleft()
            if graph.consumers(name, 1) or graph.pinned(name) or name in graph.graph.inputs:
                continue
            producer = graph.producer(name)
            if producer is None:
                graph.graph.values.pop(name, None)
                continue
            if any(graph.consumers(output, 1) or graph.pinned(output) for output in producer.outputs if output):
                continue
            graph.discard(producer)
            for output in producer.outputs:
                graph.graph.values.pop(output, None)
            queue.extend(name for name in producer.inputs if name)

    def remove_dead(self) -> None:
        """Removes every node and constant that no output needs. Nodes without outputs (side effects) stay."""
        self._drop_unused(list(self.graph.graph.values))


def _known(before: Value, after: Value) -> tuple[int | str, ...] | None:
    """The shape that says more of a value that takes over another's name."""
    if before.shape is None or after.shape is None:
        return before.shape or after.shape
    return tuple(b if isinstance(a, str) else a for a, b in zip(after.shape, before.shape, strict=True))
