"""Nodes that stand in for another: a branch for an If whose condition is known, an operator's parts for itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from ..graph import Attribute, Graph, Node


def inlined(node: Node, branch: Graph, taken: Callable[[str], bool]) -> Graph:
    """The branch, with nodes that give its outputs the names of the node's. taken: whether the graph that they come to
    stand in has a value of that name. Such a value of the branch gets another: a branch hides the values around it,
    and two branches may each have one of a name."""
    names = _fresh(node, branch, taken)
    found = in_place(node, branch, taken)
    named = zip(branch.outputs, node.outputs, strict=True)
    found.nodes += [Node("Identity", [names.get(inner, inner)], [name], {}, node.name) for inner, name in named if name]
    return found


def in_place(node: Node, graph: Graph, taken: Callable[[str], bool]) -> Graph:
    """The graph's nodes, of which some give the node's outputs, with such values under free names."""
    names = _fresh(node, graph, taken)
    values = {
        names.get(name, name): replace(value, name=names.get(name, name)) for name, value in graph.values.items()
    }
    return Graph(values, [_renamed(inner, names) for inner in graph.nodes] if names else list(graph.nodes))


def _fresh(node: Node, graph: Graph, taken: Callable[[str], bool]) -> dict[str, str]:
    """Names of the graph's values that are taken, and what they are called instead."""
    prefix = node.outputs[0] if node.outputs else node.name
    return {name: _free(f"{prefix}/{name}", taken) for name in graph.values if taken(name)}


def _free(name: str, taken: Callable[[str], bool]) -> str:
    while taken(name):
        name += "'"
    return name


def _renamed(node: Node, names: Mapping[str, str]) -> Node:
    """A node of the branch itself: all of its names are the branch's, or those of graphs around it."""
    inputs, outputs = ([names.get(name, name) for name in some] for some in (node.inputs, node.outputs))
    return Node(node.op, inputs, outputs, {key: _within(value, names) for key, value in node.attrs.items()}, node.name)


def _within(value: Attribute, names: Mapping[str, str]) -> Attribute:
    """An attribute whose graphs read what was renamed around them, but for what they hide."""
    if isinstance(value, list):
        return [_within(item, names) for item in value]
    if not isinstance(value, Graph):
        return value
    seen = {old: new for old, new in names.items() if old not in value.values}
    if not seen:
        return value
    outputs = [seen.get(name, name) for name in value.outputs]
    return Graph(value.values, [_renamed(node, seen) for node in value.nodes], value.inputs, outputs, value.name)
