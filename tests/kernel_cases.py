"""Shared by the kernels' tests: runs a small graph through compiled kernels beside its NumPy reference."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np
from overlapping import lay_out_over_each_other

from millijoule.runtime.compiler.abi import Address, Kernel, kernel_name
from millijoule.runtime.compiler.build import build
from millijoule.runtime.compiler.cache import KernelCache
from millijoule.runtime.engine.native import function
from millijoule.runtime.errors import TargetError
from millijoule.runtime.evaluate import reference
from millijoule.runtime.graph import Graph, Node, Quantization, Value
from millijoule.runtime.kernels.execute import enter
from millijoule.runtime.model import Model
from millijoule.runtime.planner import layout
from millijoule.runtime.program.program import Call, Program, PythonStep
from millijoule.runtime.session import Session, load
from millijoule.runtime.targets.cpu import host_machine
from millijoule.runtime.targets.target import missing, named, resolve

SMALLEST = float(np.finfo(np.float32).smallest_normal)
"""Kernels take anything nearer to zero for zero."""


def _targets() -> list[str]:
    try:
        others = ["x86-64-v2", "x86-64-v3"] if host_machine() == "x86-64" else []
    except TargetError:
        return []
    return [*(name for name in others if not missing(named(name))), "host"]


TARGETS = _targets()
"""The targets that this machine can run: the instruction sets that differ most, and its own."""
INTEGER_TARGETS = [
    *TARGETS[:-1], *(name for name in ("x86-64-v3-vnni", "x86-64-v4") if not missing(named(name))), *TARGETS[-1:]
]  # fmt: skip
"""Those that multiply integers in a way of their own besides: floats as one of the others."""


@dataclass(frozen=True)
class Operand:
    """One input of a node: data fed at run time, or a constant of the graph."""

    data: np.ndarray
    quant: Quantization | None = None
    constant: bool = False


def feed(data: np.ndarray, quant: Quantization | None = None) -> Operand:
    return Operand(data, quant)


def const(data: Any, quant: Quantization | None = None) -> Operand:
    return Operand(np.asarray(data), quant, constant=True)


@dataclass(frozen=True)
class Output:
    """What the graph declares of a node's output."""

    dtype: str = "float32"
    quant: Quantization | None = None


def node_model(
    op: str, operands: Sequence[Operand | None], outputs: Sequence[Output] = (Output(),), **attrs: Any
) -> tuple[Model, dict[str, np.ndarray]]:
    """A model of one node with inputs x0, x1, ... and outputs y0, y1, ..., and its feeds. An absent input is None."""
    graph = Graph()
    names, feeds = [], {}
    for index, operand in enumerate(operands):
        name = "" if operand is None else f"x{index}"
        names.append(name)
        if operand is None:
            continue
        if operand.constant:
            graph.add_constant(name, operand.data, operand.quant)
        else:
            graph.add_value(Value(name, operand.data.dtype, operand.data.shape, operand.quant))
            graph.inputs.append(name)
            feeds[name] = operand.data
    for index, output in enumerate(outputs):
        graph.add_value(Value(f"y{index}", np.dtype(output.dtype), None, output.quant))
        graph.outputs.append(f"y{index}")
    graph.nodes.append(Node(op, names, list(graph.outputs), attrs, "tested"))
    return Model(graph), feeds


def program_of(session: Session) -> Program:
    """The program that the session ran last."""
    plan = session._pool[0].plan
    assert plan is not None
    return plan.program


def kernels_of(session: Session) -> list[str]:
    """Names of the kernels that the session ran last, in order."""
    return [step.name for step in program_of(session).steps if isinstance(step, Call)]


def run_model(
    model: Model, feeds: Mapping[str, np.ndarray], *, target: str = "host", threads: int = 1, numpy_steps: int = 0
) -> tuple[dict[str, np.ndarray], list[str]]:
    """The outputs of the model's kernels and the kernels' names; at most numpy_steps nodes may be without a kernel.

    Where inputs may be overwritten, outputs may lie over them: that changes no bit.
    """
    with load(model, target=target, threads=threads) as session:
        found = session.run(feeds)
        with patch.object(layout, "lay_out", lay_out_over_each_other), patch.dict(os.environ, MILLIJOULE_GUARD="0"):
            sparing = load(model, target=target, threads=threads, reuse_inputs=True)
            for name, array in sparing.run(feeds).items():
                assert array.tobytes() == found[name].tobytes(), name
            sparing.close()
        left = [step.node for step in program_of(session).steps if isinstance(step, PythonStep)]
        assert len(left) <= numpy_steps, f"no kernel for {', '.join(left)}"
        return found, kernels_of(session)


def compare(got: np.ndarray, want: np.ndarray, *, rtol: float = 0.0, atol: float = 0.0) -> None:
    """The same shape and dtype; integers equal, floats within rtol and atol, NaN and infinities in the same places.

    What is nearer to zero than a normal float32 equals zero.
    """
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    if want.dtype.kind != "f":
        np.testing.assert_array_equal(got, want)
    else:
        np.testing.assert_allclose(got, want, rtol=rtol, atol=max(atol, SMALLEST), equal_nan=True)


def check_model(
    model: Model,
    feeds: Mapping[str, np.ndarray],
    *,
    target: str = "host",
    threads: int = 1,
    rtol: float = 0.0,
    atol: float = 0.0,
    numpy_steps: int = 0,
) -> list[str]:
    """Compares every output with the NumPy reference, and returns the names of the kernels that ran."""
    got, kernels = run_model(model, feeds, target=target, threads=threads, numpy_steps=numpy_steps)
    want = reference.run(model.graph, feeds)
    for name, array in want.items():
        compare(got[name], array, rtol=rtol, atol=atol)
    return kernels


def check_node(
    op: str,
    operands: Sequence[Operand | None],
    outputs: Sequence[Output] = (Output(),),
    *,
    target: str = "host",
    threads: int = 1,
    rtol: float = 0.0,
    atol: float = 0.0,
    **attrs: Any,
) -> list[str]:
    """`check_model` of one node. attrs: the node's attributes."""
    model, feeds = node_model(op, operands, outputs, **attrs)
    return check_model(model, feeds, target=target, threads=threads, rtol=rtol, atol=atol)


def run_kernel(
    factory: Kernel, constants: Mapping[str, Any], target: str, start: int, stop: int, **arguments: np.ndarray | int
) -> None:
    """Compiles one kernel, without keeping its code, and calls it once: arrays are passed by their address."""
    resolved = resolve(target)
    name = kernel_name(factory, constants)
    needed = {"execute.enter()": (enter, {}), name: (factory, constants)}
    code = build(needed, resolved, KernelCache(None))
    arrays = [value for value in arguments.values() if isinstance(value, np.ndarray)]
    bases = np.array([array.ctypes.data for array in arrays], np.uint64)
    places = iter(range(len(arrays)))
    encoded = {
        key: Address(next(places), 0) if isinstance(value, np.ndarray) else value for key, value in arguments.items()
    }
    function(code, name, bases, encoded, start, stop)()


def ulps(got: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Distance of float32 results from exact float64 ones, in units in the last place of the exact ones.

    0 where both are NaN, or the same infinity, or the exact one is beyond float32 and the result infinite, or both are
    nearer to zero than a normal float32.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        nearest = exact.astype(np.float32)
        unit = np.spacing(np.maximum(np.abs(nearest), np.float32(SMALLEST))).astype(np.float64)
        distance = np.abs(got.astype(np.float64) - exact) / unit
    same = (got == nearest) | (np.isnan(got) & np.isnan(exact))
    tiny = (np.abs(got) < SMALLEST) & (np.abs(exact) <= 2 * SMALLEST)
    return np.where(same | tiny, 0.0, np.where(np.isnan(distance), np.inf, distance))
