"""RegexFullMatch: whether each text as a whole is one that a pattern describes."""

from __future__ import annotations

import numpy as np

from .regex import MOST_STEPS, Patience, PatternError, compiled
from .registry import Context, Inferred, Op, register
from .text import require_text


def infer(ctx: Context) -> list[Inferred]:
    x = require_text(ctx, 0)
    try:
        compiled(ctx.attrs["pattern"])
    except PatternError as problem:
        raise ctx.error(str(problem)) from None
    return [(x.shape, np.dtype(np.bool_))]


def regex_full_match(x: np.ndarray, *, pattern: str) -> np.ndarray:
    """pattern: of RE2's syntax (ops/regex.py). ValueError where pattern and texts together are too long."""
    texts, expression, patience = x.reshape(-1).tolist(), compiled(pattern), Patience(MOST_STEPS)
    return np.array([expression.matches(text, patience) for text in texts], np.bool_).reshape(x.shape)


register(Op("RegexFullMatch", regex_full_match, infer, text=True, keeps_shape=True))
