"""Reductions of contiguous rows of float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..compiler.abi import Float, Int, Ptr

if TYPE_CHECKING:
    from ..compiler.isa import Isa


def reducer(isa: Isa, operation: str) -> Any:
    """reduce_row(x, n) -> float32: n elements from address x on, through partial results that are joined pairwise."""
    from ..compiler.horizontal import gather, keep, merge, reduce
    from ..compiler.reduction import identity

    lanes = isa.lanes
    load, splat = isa.load("f32"), isa.splat("f32")
    take, join = gather(operation), merge(operation)
    across = reduce({"max": "max", "min": "min", "product": "mul"}.get(operation, "add"))
    start, neutral = float(identity(operation, "f32")), 1.0 if operation == "product" else 0.0
    if operation in ("max", "min"):
        neutral = start

    def reduce_row(x, n):  # type: ignore[no-untyped-def]
        a = splat(start)
        b, c, d = a, a, a
        at = 0
        while at + 4 * lanes <= n:
            a = take(a, load(x + 4 * at))
            b = take(b, load(x + 4 * (at + lanes)))
            c = take(c, load(x + 4 * (at + 2 * lanes)))
            d = take(d, load(x + 4 * (at + 3 * lanes)))
            at = at + 4 * lanes
        while at < n:
            a = take(a, keep(load(x + 4 * at), n - at, splat(neutral)))
            at = at + lanes
        return across(join(join(a, b), join(c, d)))

    return isa.inline(reduce_row)


def reduce_rows(isa: Isa, operation: str, mean: bool, function: str | None) -> Callable[..., None]:
    """One number per row of n contiguous elements, divided by count (n) where it is a mean; then the named function.

    x_row: bytes between rows; y is dense. A chunk is one row.
    """
    from .functions import bind

    row = reducer(isa, operation)
    finish, splat, store = isa.function(bind(function, ())), isa.splat("f32"), isa.store(1)

    def kernel(start: Int, stop: Int, x: Ptr, y: Ptr, n: Int, x_row: Int, count: Float) -> None:
        for i in range(start, stop):
            total = splat(row(x + i * x_row, n))
            if mean:
                total = total / splat(count)
            store(finish(total), y + 4 * i)

    return kernel
