"""Einsum: sums of products of any number of tensors, after Einstein's convention."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import numpy as np

from ..errors import ModelError
from .checks import NUMBERS, broadcast, require_kind, same_dtype
from .registry import Context, Cost, Inferred, Op, Shape, register

MOST_INPUTS = 26


def parse(equation: str, count: int, error: Callable[[str], Exception]) -> tuple[list[str], str]:
    """The terms of the inputs and of the output; an ellipsis is one '.' in them."""
    text = equation.replace(" ", "").replace("...", ".")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    fault = error(f"equation '{equation}' does not describe {count} inputs and an output")
    letters = "".join(terms)
    if len(terms) != count or any(not (c == "." or (c.isascii() and c.isalpha())) for c in letters + right):
        raise fault
    if any(term.count(".") > 1 for term in (*terms, right)):
        raise fault
    if not arrow:
        once = sorted(letter for letter, times in Counter(letters).items() if times == 1 and letter != ".")
        right = ("." if "." in letters else "") + "".join(once)
    if len(set(right)) != len(right) or not set(right) <= set(letters):
        raise fault
    return terms, right


def output_shape(ctx: Context, terms: list[str], right: str) -> Shape:
    sizes, ellipsis = extents(ctx, terms)
    return tuple(dim for letter in right for dim in (ellipsis if letter == "." else (sizes[letter],)))


def extents(ctx: Context, terms: list[str]) -> tuple[dict[str, int], Shape]:
    """What each letter and an ellipsis stand for."""
    sizes: dict[str, int] = {}
    ellipsis: Shape = ()
    for index, term in enumerate(terms):
        shape = ctx.input(index).shape
        hidden = len(shape) - len(term.replace(".", ""))
        if hidden < 0 or (hidden and "." not in term):
            raise ctx.error(f"'{ctx.input(index).name}' of shape {shape} does not fit the term '{term}'")
        start = term.find(".") if "." in term else len(term)
        ellipsis = broadcast(ctx, ellipsis, shape[start : start + hidden])
        named = list(zip(term.replace(".", ""), shape[:start] + shape[start + hidden :], strict=True))
        if len(dict(named)) != len(set(named)):
            raise ctx.error(f"'{ctx.input(index).name}' of shape {shape} has no diagonal for the term '{term}'")
        for letter, size in named:
            if sizes.get(letter, size) not in (size, 1) and size != 1:
                raise ctx.error(f"'{letter}' stands for sizes {sizes[letter]} and {size}")
            sizes[letter] = size if sizes.get(letter, 1) == 1 else sizes[letter]
    return sizes, ellipsis


def infer(ctx: Context) -> list[Inferred]:
    if not 1 <= len(ctx.inputs) <= MOST_INPUTS:
        raise ctx.error(f"it takes 1 to {MOST_INPUTS} inputs, not {len(ctx.inputs)}")
    tensors = [ctx.input(index) for index in range(len(ctx.inputs))]
    require_kind(ctx, tensors[0], NUMBERS)
    terms, right = parse(ctx.attrs["equation"], len(tensors), ctx.error)
    return [(output_shape(ctx, terms, right), same_dtype(ctx, tensors))]


def einsum(*inputs: np.ndarray, equation: str) -> np.ndarray:
    """float16 is computed in float32."""
    terms, right = parse(equation, len(inputs), ModelError)
    written = f"{','.join(terms)}->{right}".replace(".", "...")
    dtype = inputs[0].dtype
    wide = [data.astype(np.float32) for data in inputs] if dtype == np.float16 else inputs
    return np.asarray(np.einsum(written, *wide, optimize=len(inputs) > 2)).astype(dtype, copy=False)


def cost(ctx: Context) -> Cost:
    """As many products as there are combinations of the letters; of more than two inputs NumPy contracts two at a time,
    at most into what all their letters make."""
    terms, right = parse(ctx.attrs["equation"], len(ctx.inputs), ctx.error)
    sizes, ellipsis = extents(ctx, terms)

    def products(*chosen: str) -> int:
        letters = set("".join(chosen))
        return math.prod(sizes[letter] for letter in letters - {"."}) * (math.prod(ellipsis) if "." in letters else 1)

    if len(terms) < 3:
        return Cost(products(*terms), 8 * ctx.outputs[0].size)
    work, largest, made, rest = 0, 0, terms[0], terms[1:]
    while rest:
        work += products(made, rest[0])
        made = "".join(letter for letter in set(made + rest[0]) if letter in right + "".join(rest[1:]))
        largest, rest = max(largest, products(made)), rest[1:]
    return Cost(work, 8 * (largest + ctx.outputs[0].size))


def macs(ctx: Context) -> int:
    return cost(ctx).work if len(ctx.inputs) > 1 else 0


register(Op("Einsum", einsum, infer, macs=macs, cost=cost))
