"""ONNX keeps images as (N, C, *spatial); spatial operators of the graph take (N, *spatial, C)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...runtime.graph import Attribute
from .call import Call
from .job import Unsupported
from .types import unknown_sizes


def to_last(rank: int) -> list[int]:
    """Permutation from (N, C, *spatial) to (N, *spatial, C); also of weights (O, I, *kernel)."""
    return [0, *range(2, rank), 1]


def to_first(rank: int) -> list[int]:
    """Permutation from (N, *spatial, C) to (N, C, *spatial)."""
    return [0, rank - 1, *range(1, rank - 1)]


def spatial(
    call: Call,
    op: str,
    x: str,
    rank: int,
    others: Sequence[str] = (),
    attrs: Mapping[str, Attribute] | None = None,
) -> str:
    """Appends op on x moved to channels-last and returns its result, channels-last. others: further inputs as they
    are."""
    if rank < 3:
        raise Unsupported(f"its input has rank {rank}; it takes images of at least one spatial dimension")
    y = call.make(op, [call.builder.transpose(x, to_last(rank), call.name), *others], attrs)
    value = call.value(y)
    if value.shape is None:
        value.shape = unknown_sizes(y, rank)
    return y


def channels_first(call: Call, y: str, rank: int) -> str:
    """y moved back from channels-last."""
    return call.make("Transpose", [y], {"perm": to_first(rank)})


def finish_first(call: Call, y: str, rank: int) -> None:
    """Makes the call's result of y, which is channels-last."""
    call.only_first_output()
    call.finish("Transpose", [y], {"perm": to_first(rank)})
