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
    from ...runtime.session import Session


def describe_model(
    path: str, session: Session, shapes: Mapping[str, tuple[int, ...]], seed: int, macs: int | None = None
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
        macs=macs,
    )


def digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def now() -> datetime:
    return datetime.now(timezone.utc)


def moment(created: datetime) -> str:
    return created.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def command_line() -> str:
    return shlex.join(["mj", *sys.argv[1:]])
