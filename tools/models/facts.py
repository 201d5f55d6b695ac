"""What a model consists of, as plain data for tables and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..report.display import shape

if TYPE_CHECKING:
    from ...runtime.file.metadata import Preprocessing
    from ...runtime.graph import Graph, Quantization
    from ...runtime.model import TensorInfo


def tensors(infos: Mapping[str, TensorInfo]) -> list[dict[str, Any]]:
    return [
        {
            "name": info.name,
            "shape": None if info.shape is None else list(info.shape),
            "dtype": info.kind,
            "quantization": _quantization(info.quant),
        }
        for info in infos.values()
    ]


def tensor_rows(report: Mapping[str, Any]) -> list[list[str]]:
    """Table rows of the inputs and outputs in a report."""
    rows = []
    for side in ("input", "output"):
        for item in report[side + "s"]:
            quant = item["quantization"]
            text = "" if quant is None else f"scale {quant['scale'][0]:.6g}, zero point {quant['zero_point'][0]}"
            rows.append([side, item["name"], shape(item["shape"]), item["dtype"], text])
    return rows


def operators(graph: Graph) -> dict[str, int]:
    """How many nodes there are of each operator, the most frequent first."""
    return dict(Counter(node.op for node in graph.nodes).most_common())


def weight_bytes(graph: Graph) -> dict[str, int]:
    """Bytes of all constants as stored, by dtype, subgraphs included; what several values share counts once."""
    from ...runtime.boxed import name_of, stored_bytes
    from ...runtime.graph import constant_arrays

    found: Counter[str] = Counter()
    for data in constant_arrays(graph):
        found[name_of(data.dtype)] += stored_bytes(data)
    return dict(found.most_common())


def preprocessing(settings: Preprocessing | None) -> dict[str, Any] | None:
    """Every field, those with their default too."""
    if settings is None:
        return None
    return {name: getattr(settings, name) for name in settings.__struct_fields__}


def _quantization(quant: Quantization | None) -> dict[str, Any] | None:
    if quant is None:
        return None
    return {"scale": quant.scale.tolist(), "zero_point": quant.zero_point.tolist(), "axis": quant.axis}
