"""Tokenizer: the words of texts (onnxruntime's own domain), in a new last dimension."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .regex import MOST_STEPS, Patience, PatternError, compiled, is_word
from .registry import Context, Inferred, Op, register
from .text import array_of, require_text

START, END = "\x02", "\x03"
MOST_TOKENS = 1 << 24
MOST_SYNTAX = 1 << 17
"""Characters of all patterns that are no words."""


def infer(ctx: Context) -> list[Inferred]:
    x, a = require_text(ctx, 0), ctx.attrs
    if not 1 <= len(x.shape) <= 2:
        raise ctx.error(f"text of shape {x.shape} is neither a list nor rows")
    if (a["tokenexp"] is None) == (not a["separators"]) or a["mincharnum"] < 1:
        raise ctx.error("it takes either separators or a pattern of tokens, of at least one character")
    patterns = [a["tokenexp"]] if a["tokenexp"] is not None else a["separators"]
    if sum(len(pattern) for pattern in patterns if not is_word(pattern)) > MOST_SYNTAX:
        raise ctx.error(f"its patterns have more than {MOST_SYNTAX} characters")
    try:
        for pattern in patterns:
            compiled(pattern)
    except PatternError as problem:
        raise ctx.error(str(problem)) from None
    data = ctx.elements(0)
    return ctx.computed(lambda: [tokenizer(data, **a)])


def tokenizer(
    x: np.ndarray,
    *,
    mark: int = 0,
    mincharnum: int = 1,
    pad_value: str,
    separators: Sequence[str] = (),
    tokenexp: str | None = None,
) -> np.ndarray:
    """(..., as many as the most tokens), filled up with pad_value.

    Tokens are what the pattern tokenexp matches, from left to right and each as long as it can be, or what is left
    between matches of the separators, each of which is looked for in turn; one separator without a character leaves
    single characters. None is shorter than mincharnum. mark: with a START and an END around them, where any text has a
    token."""
    texts = x.reshape(-1).tolist()
    patience = Patience(MOST_STEPS)
    if tokenexp is not None:
        rows = [_matches(text, tokenexp, mincharnum, patience) for text in texts]
    else:
        rows = [_between(text, separators, mincharnum, patience) for text in texts]
    if mark and any(rows):
        rows = [[START, *row, END] for row in rows]
    width = max(map(len, rows), default=0)
    if width * len(rows) > MOST_TOKENS:
        raise ValueError(f"it makes {width} tokens of each of {len(rows)} texts")
    filled = [token for row in rows for token in (*row, *[pad_value] * (width - len(row)))]
    return array_of(filled, (*x.shape, width))


def _matches(text: str, pattern: str, least: int, patience: Patience) -> list[str]:
    found, at, expression = list[str](), 0, compiled(pattern)
    while (span := expression.search(text, at, patience)) is not None:
        begin, end = span
        at = end if end - begin >= least else begin + 1
        if end - begin >= least:
            found.append(text[begin:end])
    return found


def _between(text: str, separators: Sequence[str], least: int, patience: Patience) -> list[str]:
    if list(separators) == [""]:
        return list(text) if least == 1 else []
    parts = [text]
    for separator in separators:
        parts = [piece for part in parts for piece in _split(part, separator, patience)]
    return [part for part in parts if len(part) >= least]


def _split(text: str, separator: str, patience: Patience) -> Iterator[str]:
    at, begin, expression = 0, 0, compiled(separator)
    while (span := expression.search(text, at, patience)) is not None:
        if span[1] > span[0]:
            yield text[begin : span[0]]
            begin = span[1]
        at = max(span[1], span[0] + 1)
    yield text[begin:]


register(Op("Tokenizer", tokenizer, infer, text=True))
