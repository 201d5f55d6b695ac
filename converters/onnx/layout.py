"""ONNX keeps images as (N, C, *spatial); spatial operators of the graph take (N, *spatial, C)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...runtime.graph import Attribute
from .builder import permuted
from .call import Call
from .job import Unsupported
from .types import Hint


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
    are. The result has the shape of the call's first."""
    if rank < 3:
        raise Unsupported(f"its input has rank {rank}; it takes images of at least one spatial dimension")
    moved = call.builder.transpose(x, to_last(rank), call.name)
    return call.make(op, [moved, *others], attrs, permuted(call.hints[0].shape, to_last(rank)))


def channels_first(call: Call, y: str, rank: int) -> str:
    """y moved back from channels-last."""
    return call.make("Transpose", [y], {"perm": to_first(rank)}, call.hints[0].shape)


def finish_first(call: Call, y: str, rank: int) -> None:
    """Makes the call's result of y, which is channels-last. Where its shape is unknown, its rank no longer is."""
    hint = call.hints[0]
    if hint.shape is None:
        hint = Hint(hint.dtype, tuple(f"{call.outputs[0]}[{axis}]" for axis in range(rank)))
    call.only_first_output()
    call.builder.emit("Transpose", [y], call.outputs, {"perm": to_first(rank)}, [hint], call.name)
