"""The command mj, and what it reads."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from data import Images, Labels


def mj(*arguments: str | Path) -> dict[str, Any]:
    """What the command prints with --json. Ends the program where it fails, after what it says of that."""
    beside = Path(sys.executable).parent / "mj"
    command = str(beside) if beside.exists() else shutil.which("mj")
    if command is None:
        raise SystemExit("the command mj is not installed: pip install millijoule")
    done = subprocess.run([command, *map(str, arguments), "--json"], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"mj {' '.join(map(str, arguments))} ended with {done.returncode}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def save_samples(path: Path, images: Images, labels: Labels) -> Path:
    """As `mj pair` and `mj tune` read them: pixels, which each model prepares."""
    np.savez(path, images=images, labels=labels)
    return path


def estimates(model: Path, profiles: Sequence[str], shape: Sequence[int]) -> dict[str, dict[str, Any]]:
    """By profile: an inference's `joules`, `seconds`, `completed_from` and more. shape: of the input."""
    asked = [word for profile in profiles for word in ("--profile", profile)]
    report = mj("estimate", model, *asked, "--shape", f"image={','.join(map(str, shape))}")
    return {each["profile"]: each for each in report["estimates"]}
