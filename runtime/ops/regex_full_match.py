"""RegexFullMatch: whether each text as a whole is one that a pattern describes."""

from __future__ import annotations

import numpy as np

from .regex import PatternError, compiled
from .registry import Context, Inferred, Op, register
from .text import require_text

MOST_STEPS = 1 << 24
"""States of the pattern times characters of all texts: some ten seconds."""


def infer(ctx: Context) -> list[Inferred]:
    x = require_text(ctx, 0)
    try:
        compiled(ctx.attrs["pattern"])
    except PatternError as problem:
        raise ctx.error(str(problem)) from None
    return [(x.shape, np.dtype(np.bool_))]


def regex_full_match(x: np.ndarray, *, pattern: str) -> np.ndarray:
    """pattern: of RE2's syntax (ops/regex.py). ValueError where pattern and texts together are too long."""
    texts, expression = x.reshape(-1).tolist(), compiled(pattern)
    if expression.size * sum(map(len, texts)) > MOST_STEPS:
        raise ValueError(f"a pattern of {expression.size} states and {sum(map(len, texts))} characters take too long")
    return np.array([expression.matches(text) for text in texts], np.bool_).reshape(x.shape)


register(Op("RegexFullMatch", regex_full_match, infer, text=True, keeps_shape=True))
