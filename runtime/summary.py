"""What a model or session shows of itself: one line for `repr`, a small table for notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .boxed import stored_bytes
from .graph import constant_arrays

if TYPE_CHECKING:
    from .model import Model, TensorInfo

LISTED = 6
"""Of more inputs or outputs than that, the first ones and how many more there are."""


def line(kind: str, model: Model, state: str = "") -> str:
    """state: what is to be said of a session."""
    name = f" {title(model)}" if title(model) else ""
    inputs, outputs = (", ".join(_listed(infos)) or "nothing" for infos in (model.inputs, model.outputs))
    return f"<{kind}{name}{state}: {inputs} -> {outputs}; {weights(model)} of weights>"


def table(kind: str, model: Model, facts: Mapping[str, object]) -> str:
    """HTML. facts: further rows."""
    from html import escape  # whose table of entities no run needs

    rows = [("input", text) for text in _listed(model.inputs, quantized=True)]
    rows += [("output", text) for text in _listed(model.outputs, quantized=True)]
    rows += [("weights", weights(model)), *((name, str(value)) for name, value in facts.items())]
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows)
    caption = escape(f"{kind} {title(model)}".rstrip())
    return f"<table><caption>{caption}</caption><tbody>{cells}</tbody></table>"


def title(model: Model) -> str:
    """What the model is called: by its source's file, or by the graph itself."""
    return model.metadata.source.name or model.graph.name


def weights(model: Model) -> str:
    count = sum(map(stored_bytes, constant_arrays(model.graph)))
    return f"{count / 1024:.1f} KiB" if count < 1 << 20 else f"{count / (1 << 20):.1f} MiB"


def _listed(infos: Mapping[str, TensorInfo], *, quantized: bool = False) -> list[str]:
    shown = list(infos.values())[:LISTED]
    texts = [f"{info}, {info.quant}" if quantized and info.quant is not None else str(info) for info in shown]
    return texts + ([f"{len(infos) - LISTED} more"] if len(infos) > LISTED else [])
