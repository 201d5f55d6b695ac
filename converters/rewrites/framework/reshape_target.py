"""The second input of Reshape for a shape that may be symbolic."""

from __future__ import annotations

from .indexed import Shape


def target_for(before: Shape, after: Shape) -> list[int] | None:
    """What reshapes a tensor of shape `before` to shape `after`: numbers, 0 for a dimension that stays where it is, and
    -1 for one other. None where two dimensions of unknown size would need a -1."""
    if 0 in after:
        return None
    target = []
    for axis, dim in enumerate(after):
        if isinstance(dim, int):
            target.append(dim)
        else:
            target.append(0 if before[axis : axis + 1] == (dim,) else -1)
    return target if target.count(-1) <= 1 else None


def significant(shape: Shape) -> Shape:
    """The dimensions other than 1."""
    return tuple(dim for dim in shape if dim != 1)
