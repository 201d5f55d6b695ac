"""What a converter hands on: the graph in the form of the source, and what the source says about its use."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..runtime.graph import Graph


@dataclass(frozen=True, slots=True)
class Normalization:
    """How the source's metadata wants an image prepared: (pixel - mean) / std, pixel in 0..255, one number per
    channel or one for all."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(slots=True)
class Imported:
    """graph: before any rewrite. aliases: further names under which a public input or output may be addressed
    (TFLite signature names), each mapped to the graph's name. labels: class names in the order of the scores.
    default_sizes: of the inputs' symbolic dimensions, those for which the source names a size."""

    graph: Graph
    aliases: dict[str, str] = field(default_factory=dict)
    labels: list[str] | None = None
    normalization: Normalization | None = None
    description: str = ""
    default_sizes: dict[str, int] = field(default_factory=dict)
