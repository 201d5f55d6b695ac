"""StringSplit: texts cut at a delimiter, in a new last dimension."""

from __future__ import annotations

import numpy as np

from .registry import Context, Inferred, Op, register
from .text import array_of, require_text

MOST_PARTS = 1 << 23


def infer(ctx: Context) -> list[Inferred]:
    require_text(ctx, 0)
    x = ctx.elements(0)
    return ctx.computed(lambda: string_split(x, **ctx.attrs))


def string_split(
    x: np.ndarray, *, delimiter: str | None = None, maxsplit: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The parts, filled up with empty texts to as many as the most, and int64 how many there are. Without a delimiter,
    at runs of blanks. maxsplit: how often at most."""
    most = -1 if maxsplit is None else maxsplit
    parts, made = list[list[str]](), 0
    for text in x.reshape(-1).tolist():
        parts.append(text.split(delimiter or None, most))
        made += len(parts[-1])
        if made > MOST_PARTS:
            raise ValueError(f"it splits texts into more than {MOST_PARTS} parts")
    width = max(map(len, parts), default=0)
    if width * len(parts) > MOST_PARTS:
        raise ValueError(f"it splits {len(parts)} texts into {width} parts each")
    filled = [part for row in parts for part in (*row, *[""] * (width - len(row)))]
    counts = np.array([len(row) for row in parts], np.int64).reshape(x.shape)
    return array_of(filled, (*x.shape, width)), counts


register(Op("StringSplit", string_split, infer, text=True))
