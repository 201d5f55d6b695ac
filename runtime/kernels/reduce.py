"""Reductions of contiguous rows of float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..compiler.abi import Float, Int, Ptr

if TYPE_CHECKING:
    from ..simd.isa import Isa


def reducer(isa: Isa, operation: str, centred: bool = False) -> Any:
    """reduce_row(x, n, centre) -> float32: n elements from address x on, through partial results that are joined
    pairwise. centred: the vector `centre` is subtracted from every element first."""
    from ..simd.horizontal import gather, keep, merge, reduce
    from ..simd.reduction import identity

    lanes = isa.lanes
    load, splat = isa.load("f32"), isa.splat("f32")
    take, join = gather(operation), merge(operation)
    across = reduce({"max": "max", "min": "min", "product": "mul"}.get(operation, "add"))
    start, neutral = float(identity(operation, "f32")), 1.0 if operation == "product" else 0.0
    if operation in ("max", "min"):
        neutral = start

    @isa.inline
    def get(place, centre):  # type: ignore[no-untyped-def]
        if centred:
            return load(place) - centre
        return load(place)

    def reduce_row(x, n, centre):  # type: ignore[no-untyped-def]
        a = splat(start)
        b, c, d = a, a, a
        at = 0
        while at + 4 * lanes <= n:
            a = take(a, get(x + 4 * at, centre))
            b = take(b, get(x + 4 * (at + lanes), centre))
            c = take(c, get(x + 4 * (at + 2 * lanes), centre))
            d = take(d, get(x + 4 * (at + 3 * lanes), centre))
            at = at + 4 * lanes
        while at < n:
            a = take(a, keep(get(x + 4 * at, centre), n - at, splat(neutral)))
            at = at + lanes
        return across(join(join(a, b), join(c, d)))

    return isa.inline(reduce_row)


def reduce_rows(isa: Isa, operation: str, mean: bool, function: str | None) -> Callable[..., None]:
    """One number per row of n contiguous elements, divided by count (n) where it is a mean; then the named function.

    x_row: bytes between rows; y is dense. A chunk is one row.
    """
    from .functions import bind

    row = reducer(isa, operation)
    finish, splat, store = isa.function(bind(function).compute), isa.splat("f32"), isa.store(1)

    def kernel(start: Int, stop: Int, x: Ptr, y: Ptr, n: Int, x_row: Int, count: Float) -> None:
        for i in range(start, stop):
            total = splat(row(x + i * x_row, n, splat(0.0)))
            if mean:
                total = total / splat(count)
            store(finish(total), y + 4 * i)

    return kernel
