"""Vectors of sizes of which some elements are known: what models compute from Shape and feed to Reshape."""

from __future__ import annotations

from math import prod

from ....runtime.graph import Dim, Node
from .indexed import IndexedGraph, Shape

LONGEST = 32
DEEPEST = 24
LARGEST = 1 << 63


Found = dict[str, "Shape | None"]


def partial_vector(graph: IndexedGraph, name: str) -> Shape | None:
    """The elements of an integer vector or scalar, each a number or the symbol of a dimension; None where unknown."""
    return _vector(graph, name, 0, {})


def _vector(graph: IndexedGraph, name: str, depth: int, found: Found) -> Shape | None:
    """found: results so far, as a value read along several ways must not be searched once for each."""
    if name not in found:
        dims = _search(graph, name, depth, found)
        found[name] = dims if dims is not None and _is_possible(dims) else None
    return found[name]


def _is_possible(dims: Shape) -> bool:
    """Whether these can be sizes: nodes that double their input would otherwise grow them without bounds."""
    return len(dims) <= LONGEST and all(isinstance(dim, str) or -LARGEST <= dim <= LARGEST for dim in dims)


def _search(graph: IndexedGraph, name: str, depth: int, found: Found) -> Shape | None:
    data = graph.constant(name)
    if data is not None:
        if data.ndim > 1 or data.size > LONGEST or data.dtype.kind not in "iu":
            return None
        return tuple(int(item) for item in data.reshape(-1))
    node = graph.producer(name)
    if node is None or depth > DEEPEST:
        return None
    if node.op == "Shape":
        shape = graph.shape(node.inputs[0])
        return None if shape is None else shape[node.attrs.get("start", 0) : node.attrs.get("end")]
    if node.op == "Size":
        shape = graph.shape(node.inputs[0])
        numbers = [dim for dim in shape or ("",) if isinstance(dim, int)]
        return (prod(numbers),) if shape is not None and len(numbers) == len(shape) else None
    if node.op in ("Identity", "Cast"):
        dtype = graph.dtype(name)
        return _vector(graph, node.inputs[0], depth + 1, found) if dtype is not None and dtype.kind in "iu" else None
    if node.op in ("Squeeze", "Unsqueeze", "Reshape"):
        rank = graph.rank(name)
        return _vector(graph, node.inputs[0], depth + 1, found) if rank is not None and rank <= 1 else None
    if node.op in ("Gather", "Slice", "Concat"):
        return _selected(graph, node, depth, found)
    if node.op in ("Add", "Sub", "Mul", "Div"):
        return _computed(graph, node, depth, found)
    return None


def _selected(graph: IndexedGraph, node: Node, depth: int, found: Found) -> Shape | None:
    parts = [_vector(graph, name, depth + 1, found) for name in node.inputs if name]
    known = [part for part in parts if part is not None]
    if len(known) != len(parts):
        return None
    if node.op == "Concat":
        return tuple(dim for part in known for dim in part)
    if node.op == "Gather":
        data, indices = known
        inside = all(isinstance(index, int) and -len(data) <= index < len(data) for index in indices)
        return tuple(data[index] for index in indices if isinstance(index, int)) if inside else None
    numbers = [part[0] for part in known[1:] if len(part) == 1 and isinstance(part[0], int)]
    if len(numbers) != len(known) - 1 or "" in node.inputs or (len(numbers) > 2 and numbers[2] not in (0, -1)):
        return None
    step = numbers[3] if len(numbers) > 3 else 1
    return known[0][numbers[0] : numbers[1] : step] if step else None


def _computed(graph: IndexedGraph, node: Node, depth: int, found: Found) -> Shape | None:
    a, b = (_vector(graph, name, depth + 1, found) for name in node.inputs)
    if a is None or b is None or len(a) != len(b):
        return None
    result: list[Dim] = []
    for x, y in zip(a, b, strict=True):
        if isinstance(x, int) and isinstance(y, int):
            if node.op == "Div" and (y <= 0 or x < 0):
                return None
            result.append({"Add": x + y, "Sub": x - y, "Mul": x * y, "Div": x // y if y else 0}[node.op])
        else:
            result.append(graph.symbols.name(f"({x}){node.op}({y})"))
    return tuple(result)
