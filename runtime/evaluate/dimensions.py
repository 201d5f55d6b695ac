"""Concrete sizes against what a graph declares: symbols, ranks, and scales along an axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import index

from ..boxed import name_of
from ..errors import InputError, ModelError
from ..graph import Dim, Graph, Value
from ..ops.inference import size_problem
from ..ops.registry import Shape, Tensor


def bind_inputs(graph: Graph, shapes: Mapping[str, Sequence[int]], symbols: dict[str, int]) -> dict[str, Tensor]:
    """The graph's inputs with the shapes given, or declared where none is given; adds the sizes of their symbols.

    InputError on a shape that is missing, unknown to the graph, or not what an input takes.
    """
    other = sorted(set(shapes) - set(graph.inputs))
    if other:
        raise InputError(f"there is no input '{other[0]}'; the inputs are {', '.join(graph.inputs)}")
    return {name: _input(graph, name, shapes.get(name), symbols) for name in graph.inputs}


def _input(graph: Graph, name: str, given: Sequence[int] | None, symbols: dict[str, int]) -> Tensor:
    value = graph.values.get(name)
    if value is None:
        raise ModelError(f"input '{name}' has neither dtype nor shape")
    shape = _sizes(name, given, value.shape)
    declared = shape if value.shape is None else value.shape
    bound = dict[str, int]()
    fits = len(declared) == len(shape)
    for dim, size in zip(declared, shape, strict=False):
        fits &= (bound.setdefault(dim, symbols.get(dim, size)) if isinstance(dim, str) else dim) == size
    if not fits:
        known = "".join(f"; {dim} is {symbols[dim]}" for dim in declared if isinstance(dim, str) and dim in symbols)
        raise InputError(f"input '{name}' takes shape {written(value.shape)}, not {shape}{known}")
    symbols |= bound
    tensor = Tensor(name, shape, value.dtype, value.quant)
    problem = size_problem(tensor) or quant_problem(tensor)
    if problem:
        raise InputError(problem)
    return tensor


def _sizes(name: str, given: Sequence[int] | None, declared: Sequence[Dim] | None) -> Shape:
    """given as integers, or declared where nothing is given and it has no symbols."""
    if given is None:
        if declared is None or any(isinstance(dim, str) for dim in declared):
            raise InputError(f"the shape of input '{name}' must be given: it is {written(declared)}")
        return tuple(int(dim) for dim in declared)
    try:
        return tuple(index(dim) for dim in given)
    except TypeError:
        raise InputError(f"{given!r} is no shape for input '{name}': it is {written(declared)}") from None


def written(shape: Sequence[Dim] | None) -> str:
    return "of any rank" if shape is None else f"({', '.join(map(str, shape))})"


def agrees(declared: Sequence[Dim], shape: Shape, symbols: Mapping[str, int]) -> bool:
    """Whether a shape is as declared. A symbol that no input binds may be any size."""
    return len(declared) == len(shape) and all(
        (symbols.get(dim, size) if isinstance(dim, str) else dim) == size
        for dim, size in zip(declared, shape, strict=True)
    )


def declare(tensor: Tensor, value: Value | None, symbols: Mapping[str, int]) -> str | None:
    """Gives a node's output the quantization of the graph's value. What is wrong where it is not what that says."""
    if value is None:
        return None
    if value.dtype != tensor.dtype:
        return f"gives {name_of(tensor.dtype)}, but '{tensor.name}' is declared {name_of(value.dtype)}"
    if value.shape is not None and not agrees(value.shape, tensor.shape, symbols):
        return f"gives shape {tensor.shape}, but '{tensor.name}' is declared {written(value.shape)}"
    tensor.quant = value.quant
    return quant_problem(tensor)


def quant_problem(tensor: Tensor) -> str | None:
    """Where a tensor's scales do not fit its shape."""
    quant = tensor.quant
    if quant is None:
        return None
    wanted = 1
    if quant.axis is not None:
        if not 0 <= quant.axis < len(tensor.shape):
            return f"'{tensor.name}' of shape {tensor.shape} cannot be quantized along axis {quant.axis}"
        wanted = tensor.shape[quant.axis]
    if quant.scale.shape != (wanted,) or quant.zero_point.shape != (wanted,):
        return f"'{tensor.name}' of shape {tensor.shape} needs {wanted} scales, not {quant.scale.size}"
    return None
