"""How exact e^x = m * 2^n of runtime/kernels/scaled_exponential.py is: over every float32 within its limit, or every
STRIDEth group of GROUP neighbours.

python tests/exponential_accuracy.py [--stride STRIDE] [--target NAME]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from millijoule.runtime.compiler.abi import Address, Int, Ptr, kernel_name
from millijoule.runtime.compiler.build import build
from millijoule.runtime.compiler.cache import default_cache
from millijoule.runtime.engine.native import function
from millijoule.runtime.kernels import scaled_exponential as scaled
from millijoule.runtime.kernels.execute import enter
from millijoule.runtime.targets.target import resolve

AT_ONCE = 1 << 20
GROUP = 16
"""Neighbours that share a reference; no vector has more lanes."""


def mantissas(isa: Any) -> Callable[..., None]:
    """y = e^x * 2^-reference, of vectors that have references of their own."""
    width, load, load_int, store = isa.lanes, isa.load("f32"), isa.scalar_load("i32"), isa.store()
    exponential, splat, splat_int = isa.function(scaled.scaled, 3), isa.splat("f32"), isa.splat("i32")

    def kernel(start: Int, stop: Int, x: Ptr, references: Ptr, y: Ptr, n: Int) -> None:
        one = splat(1.0)
        for at in range(0, n, width):
            reference = splat_int(load_int(references + 4 * at))
            store(exponential(load(x + 4 * at), reference, one), y + 4 * at)

    return kernel


def within_limit(limit: float, stride: int) -> Iterator[np.ndarray]:
    """Every stride-th group of float32 of either sign up to the limit, AT_ONCE floats at a time."""
    last = int(np.float32(limit).view(np.uint32))
    groups = GROUP * stride * np.arange(AT_ONCE // GROUP, dtype=np.int64)
    bits = (groups[:, np.newaxis] + np.arange(GROUP)).ravel()
    for first in range(0, last + 1, stride * AT_ONCE):
        found = np.minimum(first + bits, last).astype(np.uint32).view(np.float32)
        yield np.ascontiguousarray(found)
        yield -found


def largest_error(target: str, stride: int) -> tuple[float, float]:
    """(in units in the last place of m, at which x)."""
    worst, name = (0.0, 0.0), kernel_name(mantissas, {})
    needed: dict[str, Any] = {"execute.enter()": (enter, {}), name: (mantissas, {})}
    code = build(needed, resolve(target), default_cache())
    y, references = np.zeros(AT_ONCE, np.float32), np.zeros(AT_ONCE, np.int32)
    for x in within_limit(scaled.limit(resolve(target)), stride):
        wide = x.astype(np.float64)
        references[:] = np.repeat(np.rint(wide[::GROUP] / np.log(2)), GROUP)
        bases = np.array([array.ctypes.data for array in (x, references, y)], np.uint64)
        places: dict[str, Address | int] = {name: Address(i, 0) for i, name in enumerate(("x", "references", "y"))}
        function(code, name, bases, places | {"n": AT_ONCE}, 0, 1)()
        exact = np.exp(wide - references * np.log(2))
        errors = np.abs(y - exact) / np.spacing(exact.astype(np.float32))
        at = int(errors.argmax())
        worst = max(worst, (float(errors[at]), float(x[at])))
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stride", type=int, default=1, help="take every STRIDEth float")
    parser.add_argument("--target", default="host", help="what to compile for")
    arguments = parser.parse_args()
    ulp, x = largest_error(arguments.target, arguments.stride)
    print(f"{resolve(arguments.target).name}: {ulp:.3f} ulp, at {x!r}")


if __name__ == "__main__":
    main()
