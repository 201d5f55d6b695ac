"""How far mj.softmax is from float64 on long rows: the table of docs/softmax.md.

python tests/softmax_accuracy.py [--elements 1e6,1e7,1e8]
"""

from __future__ import annotations

import argparse

import numpy as np

import millijoule as mj
from millijoule.runtime.softmax.softmax import Algorithm

ALGORITHMS: tuple[Algorithm, ...] = ("two-pass", "two-pass-reload", "three-pass-reload", "three-pass-recompute")
AT_ONCE = 1 << 22
SMALLEST = 1e-37
"""Results below it do not count."""


def largest_errors(n: int, scale: float) -> dict[str, float]:
    """By algorithm, the largest relative error for a row of n inputs uniform in -scale..scale."""
    x = np.random.default_rng(0).uniform(-scale, scale, n).astype(np.float32)
    peak = float(x.max())
    total = sum(np.exp(part.astype(np.float64) - peak).sum() for part in _parts(x))
    found: dict[str, float] = {}
    for algorithm in ALGORITHMS:
        worst = 0.0
        for part, result in zip(_parts(x), _parts(mj.softmax(x, algorithm=algorithm)), strict=True):
            exact = np.exp(part.astype(np.float64) - peak) / total
            counts = exact > SMALLEST
            worst = max(worst, float(np.abs(result[counts] / exact[counts] - 1).max(initial=0)))
        found[algorithm] = worst
    return found


def _parts(row: np.ndarray) -> list[np.ndarray]:
    return [row[at : at + AT_ONCE] for at in range(0, row.size, AT_ONCE)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elements", default="1e6,1e7,1e8", help="of a row, several separated by commas")
    for n in parser.parse_args().elements.split(","):
        for scale in (1.0, 10.0, 100.0, 1000.0):
            errors = ", ".join(f"{name} {error:.1e}" for name, error in largest_errors(int(float(n)), scale).items())
            print(f"{n} elements within {scale:g}: {errors}", flush=True)


if __name__ == "__main__":
    main()
