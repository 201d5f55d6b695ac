"""How names and operator set versions are understood while the nodes of one graph or function body are imported."""

from __future__ import annotations

from dataclasses import dataclass, field

import onnx

from .builder import Builder
from .job import MAX_DEPTH, Job
from .types import Hint

LONGEST_INSIDE = 512
"""Characters at the end of a name that are kept inside of a function: calls in calls would add them up."""


@dataclass(slots=True)
class Scope:
    """opsets: domain -> version. names: ONNX name -> name in the graph, where values are already defined.
    hints: what the model declares of values. results: names that a function's results must get. outer: the scope
    around a subgraph. prefix: of names inside a function body.
    """

    builder: Builder
    opsets: dict[str, int]
    hints: dict[str, Hint] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)
    outer: Scope | None = None
    prefix: str = ""
    depth: int = 0

    def __post_init__(self) -> None:
        if self.depth > MAX_DEPTH:
            raise self.job.error(f"functions or subgraphs are nested more than {MAX_DEPTH} deep")

    @property
    def job(self) -> Job:
        return self.builder.job

    def find(self, name: str) -> str | None:
        """The graph's name for a value of this scope or one around it; None where there is no such value."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.outer
        return None

    def resolve(self, name: str, node: onnx.NodeProto) -> str:
        """The graph's name for what the node reads; the empty string stands for an absent input."""
        found = self.find(name) if name else ""
        if found is None:
            raise self.job.error(f"node {describe(node)} reads '{name}', which nothing produces")
        return found

    def define(self, name: str) -> str:
        """The graph's name for a value about to be defined. ModelError where it is defined already."""
        if not name:
            return ""
        if name in self.names:
            raise self.job.error(f"value '{name}' is produced twice")
        if name in self.results:
            self.names[name] = self.results[name]
            return self.names[name]
        inside = self.inside(name)
        owned = inside == name and self.builder.value(name) is None
        self.names[name] = name if owned else self.job.unique(inside)
        return self.names[name]

    def inside(self, name: str) -> str:
        """The name with that of the function's call before it."""
        return f"{self.prefix}{name[-LONGEST_INSIDE:]}"[-LONGEST_INSIDE:] if self.prefix else name

    def hint(self, name: str) -> Hint:
        return self.hints.get(name, Hint())


def describe(node: onnx.NodeProto) -> str:
    """A node as messages name it: its operator, and its name or its first result's."""
    return f"{operator(node)} '{label(node)}'"


def operator(node: onnx.NodeProto) -> str:
    """The node's operator, under its domain where that is not ONNX's own."""
    return f"{node.domain}.{node.op_type}" if node.domain not in ("", "ai.onnx") else node.op_type


def label(node: onnx.NodeProto) -> str:
    return node.name or next((output for output in node.output if output), "")
