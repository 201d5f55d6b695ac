"""How long a new process takes up to its first result, and how much memory: with kernels in the cache, and without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

from ...runtime.boxed import TEXT
from ...runtime.errors import Error, InputError
from ..report.bench_run import Start, Starts
from .settings import Setting

WARM_STARTS: Final = 3
PATIENCE: Final = 1800.0
"""Seconds that a start may take; a slow board compiles for long."""

# Runs in the new process: arguments are the monotonic time before it was made, and what to load. Its memory is its own
# high-water mark, as getrusage tells that of the parent, too.
CHILD: Final = """
import sys
sys.path[:] = [place for place in sys.path if place]
import time, numpy
ready = time.monotonic()
import json
began, given = float(sys.argv[1]), json.loads(sys.argv[2])

def peak():
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return None

before = peak()
feeds = {name: numpy.load(file) for name, file in given["feeds"].items()}
loading = time.monotonic()
import millijoule
session = millijoule.load(given["model"], progress=False, **given["settings"])
loaded = time.monotonic()
session.run(feeds)
done = time.monotonic()
print(json.dumps([ready - began, loaded - loading, done - loaded, before, peak()]))
"""


def measure_starts(
    path: str, setting: Setting, feeds: Mapping[str, np.ndarray], *, cold: bool
) -> tuple[Starts, int | None]:
    """And the bytes that a process with Python and NumPy alone takes. The warm one is the median of several; a model
    that is no .mj file is converted in it, too. Error where the process fails."""
    with tempfile.TemporaryDirectory() as folder:
        given = _given(path, setting, feeds, Path(folder))
        found = [_start(given, {}) for _ in range(WARM_STARTS)]
        middle = median(each.seconds for each, _ in found)
        warm = next(each for each, _ in found if each.seconds == middle)
        frozen = _start(given, {"MILLIJOULE_CACHE": f"{folder}/cache"})[0] if cold else None
        return Starts(warm=warm, cold=frozen), found[0][1]


def _given(path: str, setting: Setting, feeds: Mapping[str, np.ndarray], folder: Path) -> str:
    files = {}
    for number, (name, array) in enumerate(feeds.items()):
        if array.dtype.names is not None:
            raise InputError(f"a new process cannot be given '{name}', which is no tensor: --start none leaves it out")
        files[name] = str(folder / f"{number}.npy")
        np.save(files[name], array.astype(str) if array.dtype == TEXT else array)
    settings = {
        "threads": setting.threads, "target": setting.target, "kernels": setting.kernels, "profile": setting.profile
    }  # fmt: skip
    return json.dumps({"model": path, "feeds": files, "settings": settings})


def _start(given: str, environment: Mapping[str, str]) -> tuple[Start, int | None]:
    began = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, "-c", CHILD, repr(began), given],
            capture_output=True, text=True, timeout=PATIENCE, env={**os.environ, **environment},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Error(f"a new process gave no result in {PATIENCE:.0f} s: leave --start out") from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise Error(f"a new process could not run the model: {said[-1]}")
    interpreter, load, first, before, peak = json.loads(done.stdout.splitlines()[-1])
    return Start(interpreter_s=interpreter, load_s=load, first_s=first, peak_bytes=peak), before
