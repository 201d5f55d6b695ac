"""Cascades as the command line shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from ...runtime.cascade.model import CascadeModel
from .facts import preprocessing

if TYPE_CHECKING:
    from ...runtime.cascade.answer import Answer
    from ...runtime.memory.memory import Memory
    from ...runtime.model import Model

FIELDS = ("label", "score", "stage", "ran")


def arrays(answer: Answer) -> dict[str, np.ndarray]:
    """An answer as outputs by name."""
    return {name: np.asarray(item) for name, item in answer._asdict().items()}


def one_row(feeds: Mapping[str, np.ndarray], model: Model) -> dict[str, np.ndarray]:
    """The first row of what a cascade is fed; what any other model is fed as it is."""
    if not isinstance(model, CascadeModel):
        return dict(feeds)
    declared = {name: info.shape or () for name, info in model.inputs.items()}
    return {
        name: array[:1] if declared[name] and (isinstance(declared[name][0], str) or declared[name][0] == 1) else array
        for name, array in feeds.items()
    }


def answers(answer: Answer, model: CascadeModel) -> dict[str, Any]:
    """How sure the cascade was and what it asked: of one row, or the means over several."""
    if isinstance(answer.label, int):
        return {"rows": 1, **{name: getattr(answer, name) for name in FIELDS}, "stages": len(model.stages)}
    ran = [float((answer.ran > number).mean()) if answer.ran.size else 0.0 for number in range(len(model.stages))]
    return {"rows": int(answer.label.size), "asked": ran, "stages": len(model.stages)}


def sentence(found: Mapping[str, Any], score: str) -> str:
    """The same in words."""
    if found["rows"] != 1:
        shares = ", ".join(f"stage {number} {share:.1%}" for number, share in enumerate(found["asked"]))
        return f"of {found['rows']} rows were asked: {shares}"
    said = "no stage was sure enough" if found["label"] < 0 else f"stage {found['stage']} answered"
    return f"{said} ({score} {found['score']:.4g}), {found['ran']} of {found['stages']} asked"


def describe(model: Model, node_macs: Mapping[str, int]) -> dict[str, Any] | None:
    """The gate and the stages; None of a model that is no cascade."""
    if not isinstance(model, CascadeModel):
        return None
    gate, count, memory = model.gate, len(model.stages), model.memory
    limits, macs = gate.thresholds(count), model.stage_macs(node_macs)
    return {
        "score": gate.score,
        "post_check": gate.post_check,
        "abstain": gate.abstain,
        "memory": None if memory is None else _settings(memory),
        "stages": [
            {
                "source": stage.metadata.source.name,
                "macs": macs[number],
                "threshold": limits[number] if number < count - 1 else None,
                "temperature": gate.temperatures(count)[number],
                "preprocessing": preprocessing(stage.metadata.preprocessing),
            }
            for number, stage in enumerate(model.stages)
        ],
    }


def _settings(memory: Memory) -> dict[str, Any]:
    return {
        "entries": memory.entries,
        "max_bytes": memory.max_bytes,
        "expire": memory.expire,
        "min_score": memory.min_score,
        "similar": None if memory.similar is None else asdict(memory.similar),
    }


def rows(found: Mapping[str, Any]) -> list[list[str]]:
    """Table rows of what `describe` says."""
    return [
        [str(number), stage["source"] or "-", f"{stage['macs']:,}", f"{stage['temperature']:g}",
         "" if stage["threshold"] is None else f"{found['score']} >= {stage['threshold']:g}"]
        for number, stage in enumerate(found["stages"])
    ]  # fmt: skip
