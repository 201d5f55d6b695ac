"""Where a run comes from: when, by which command, of which file."""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from .run_parts import ModelFacts

if TYPE_CHECKING:
    from ...runtime.program.program import Program
    from ...runtime.session import Session


def describe_model(
    path: str, session: Session, shapes: Mapping[str, tuple[int, ...]], seed: int, program: Program
) -> ModelFacts:
    return ModelFacts(
        name=Path(path).name,
        path=path,
        sha256=digest(path),
        target=session.target,
        threads=session.threads,
        profile=session.engine.profile.name,
        shapes={name: list(shape) for name, shape in shapes.items()},
        seed=seed,
        macs=program.macs,
        int8_macs=_of_integers(session, program),
    )


def _of_integers(session: Session, program: Program) -> int:
    values = session.model.graph.values
    quantized = {
        str(node)
        for node in session.model.graph.nodes
        if node.outputs and node.outputs[0] in values and values[node.outputs[0]].quant is not None
    }
    return sum(macs for node, macs in program.node_macs.items() if node in quantized)


def digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def now() -> datetime:
    return datetime.now(timezone.utc)


def moment(created: datetime) -> str:
    return created.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def command_line() -> str:
    return shlex.join(["mj", *sys.argv[1:]])
