"""StringNormalizer: texts without stop words, in one case."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .registry import Context, Inferred, Op, register
from .text import array_of, require_text

ACTIONS: dict[str, Callable[[str], str]] = {"NONE": str, "LOWER": str.lower, "UPPER": str.upper}


def infer(ctx: Context) -> list[Inferred]:
    x = require_text(ctx, 0)
    if ctx.attrs["case_change_action"] not in ACTIONS:
        raise ctx.error(f"case_change_action '{ctx.attrs['case_change_action']}' is none of {', '.join(ACTIONS)}")
    if len(x.shape) not in (1, 2) or x.shape[:-1] not in ((), (1,)):
        raise ctx.error(f"text of shape {x.shape} is neither one row nor a list")
    if not ctx.attrs["stopwords"]:
        return [(x.shape, x.dtype)]
    data = ctx.elements(0)
    return ctx.computed(lambda: [string_normalizer(data, **ctx.attrs)])


def string_normalizer(
    x: np.ndarray,
    *,
    case_change_action: str = "NONE",
    is_case_sensitive: int = 0,
    locale: str | None = None,
    stopwords: Sequence[str] = (),
) -> np.ndarray:
    """One empty text where none is left. is_case_sensitive: whether stop words are left out only in their own case.
    locale is of no effect: case changes by Unicode's rules that are the same everywhere."""
    change = ACTIONS[case_change_action]
    same = str if is_case_sensitive else str.casefold
    left_out = {same(word) for word in stopwords}
    kept = [text for text in x.reshape(-1).tolist() if not left_out or same(text) not in left_out]
    if stopwords and not kept:
        kept = [""]
    return array_of(map(change, kept), (*x.shape[:-1], len(kept)))


register(Op("StringNormalizer", string_normalizer, infer, text=True))
