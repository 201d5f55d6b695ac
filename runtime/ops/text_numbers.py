"""NumbersToText and TextToNumbers: ONNX's Cast to and from text."""

from __future__ import annotations

import re

import numpy as np

from ..boxed import TEXT, is_boxed
from .cast import convert
from .checks import named_dtype
from .registry import Context, Cost, Inferred, Op, register
from .text import array_of, require_text

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf(inity)?|nan)", re.ASCII | re.IGNORECASE)

CONVERTED = 1300
"""Cost.work of one number."""


def infer_text(ctx: Context) -> list[Inferred]:
    x = ctx.input(0)
    if x.quant is not None or is_boxed(x.dtype):
        raise ctx.error(f"'{x.name}' is no tensor of plain numbers")
    return [(x.shape, TEXT)]


def numbers_to_text(x: np.ndarray) -> np.ndarray:
    """As C's %.8g, as onnxruntime has it of all floats; INF, -INF, NaN; booleans as 1 and 0."""
    return array_of(map(_written, x.reshape(-1)), x.shape)


def _written(number: np.generic) -> str:
    if not isinstance(number, np.floating):
        return str(int(number))
    if not np.isfinite(number):
        return "NaN" if np.isnan(number) else "INF" if number > 0 else "-INF"
    return f"{float(number):.8g}"


def infer_numbers(ctx: Context) -> list[Inferred]:
    x = require_text(ctx, 0)
    return [(x.shape, named_dtype(ctx, ctx.attrs["to"]))]


def text_to_numbers(x: np.ndarray, *, to: str) -> np.ndarray:
    """to: a dtype's NumPy name. ValueError where a text is no decimal number, or an integer that does not fit int64."""
    dtype = np.dtype(to)
    read = _float if dtype.kind in "fb" else _integer
    numbers = [read(text.strip(" \t\n\r\f\v")) for text in x.reshape(-1).tolist()]
    return convert(np.array(numbers, np.float64 if read is _float else np.int64), dtype).reshape(x.shape)


def _float(text: str) -> float:
    if NUMBER.fullmatch(text) is None:
        raise ValueError(f"{text!r:.40} is no number")
    return float(text)


def _integer(text: str) -> int:
    if re.fullmatch(r"[+-]?[0-9]{1,19}", text, re.ASCII) is None or not -(2**63) <= int(text) < 2**63:
        raise ValueError(f"{text!r:.40} is no integer of 64 bits")
    return int(text)


def cost(ctx: Context) -> Cost:
    return Cost(CONVERTED * ctx.input(0).size)


register(Op("NumbersToText", numbers_to_text, infer_text, cost=cost, keeps_shape=True))
register(Op("TextToNumbers", text_to_numbers, infer_numbers, cost=cost, text=True, keeps_shape=True))
