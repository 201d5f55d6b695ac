"""Models through `mj compare`, each in a process of its own, beside the engine it was made for:

    python .ci/unseen_models.py PATH ... [--seconds 300] [--seeds 1] [--target numpy]

One line for each .onnx and .tflite file: whether it agrees with onnxruntime or LiteRT on random inputs, or why not.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import millijoule as mj

IMAGE, LENGTH = 224, 32
KINDS = (".onnx", ".tflite")
AGREES, DIFFERS, REFUSED, SLOW, BROKEN = "agrees", "differs", "refused", "too slow", "broken"


def sizes(path: Path) -> list[str]:
    """Options that give each symbolic dimension a size: 1 for a batch, IMAGE for a side of an image, LENGTH else.

    Error where the model cannot be converted.
    """
    known: dict[str, int] = {}
    options = []
    for name, info in mj.convert(path).inputs.items():
        shape = info.shape or ()
        for axis, size in enumerate(shape):
            if isinstance(size, str):
                known.setdefault(size, 1 if axis == 0 else IMAGE if len(shape) == 4 else LENGTH)
        if any(isinstance(size, str) for size in shape):
            options += ["--shape", f"{name}={'x'.join(str(known.get(str(size), size)) for size in shape)}"]
    return options


def verdict(path: Path, seconds: float, more: list[str]) -> tuple[str, str]:
    """What became of a model, and the reason or how far off it is."""
    try:
        shapes = sizes(path)
    except mj.Error as error:
        return REFUSED, " | ".join(line.strip() for line in str(error).splitlines()[:4])[:300]
    mj_command = str(Path(sys.executable).with_name("mj"))
    command = [mj_command, "compare", str(path), "--no-layers", "--json", *shapes, *more]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return SLOW, f"more than {seconds:g} s"
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    try:
        report = json.loads(done.stdout)
    except ValueError:
        kind = REFUSED if done.returncode == 2 else BROKEN
        return kind, " | ".join(lines[:4])[:300] if kind == REFUSED else (lines or ["no message"])[-1][:300]
    return (AGREES if done.returncode == 0 else DIFFERS), furthest(report)


def furthest(report: Any) -> str:
    """How far the worst output is off, as `mj compare` measures it."""
    outputs = [row for row in report["tensors"] if row["output"]]
    worst = max(outputs, key=lambda row: row["relative"] or 0)
    quanta = "" if worst["mean_quanta"] is None else f", {worst['mean_quanta']:.2g} quanta on average"
    return f"{len(outputs)} outputs, up to {worst['relative'] or 0:.1e} of the largest magnitude{quanta}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", type=Path, nargs="+", metavar="PATH", help="models, and folders of them")
    parser.add_argument("--seconds", type=float, default=300, help="for each model (default: 300)")
    parser.add_argument("--seeds", default="1", help="random inputs to compare on (default: 1)")
    parser.add_argument("--target", help="as of mj.load (default: this CPU)")
    options = parser.parse_args()
    more = ["--seeds", options.seeds, *(["--target", options.target] if options.target else [])]
    counts = Counter[str]()
    paths = sorted(
        path
        for given in options.paths
        for path in (given.rglob("*") if given.is_dir() else [given])
        if path.suffix in KINDS and path.is_file()
    )
    for path in paths:
        kind, reason = verdict(path, options.seconds, more)
        counts[kind] += 1
        print(f"{kind:8} {path.stat().st_size / 2**20:7.1f} MiB  {path}  {reason}", flush=True)
    print(", ".join(f"{count} {kind}" for kind, count in counts.most_common()), f"of {len(paths)}")
    raise SystemExit(0 if set(counts) <= {AGREES} else 1)


if __name__ == "__main__":
    main()
