"""What a converter hands on: the graph in the form of the source, and what the source says about its use."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..runtime.file.metadata import Preprocessing, State
from ..runtime.graph import Graph


@dataclass(slots=True)
class Imported:
    """graph: before any rewrite. aliases: further names under which a public input or output may be addressed
    (TFLite signature names), each mapped to the graph's name. labels: class names in the order of the scores.
    preprocessing: what the source says of it. default_sizes: of the inputs' symbolic dimensions, those for which the
    source names a size. states: see Metadata."""

    graph: Graph
    aliases: dict[str, str] = field(default_factory=dict)
    labels: list[str] | None = None
    preprocessing: Preprocessing | None = None
    description: str = ""
    default_sizes: dict[str, int] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)
