"""BatchNormalization, InstanceNormalization, LRN, and Softmax and its kin with their older meaning."""

from __future__ import annotations

import numpy as np

from ..call import Call
from ..generic import known_attributes, pass_through
from ..handlers import handles
from ..job import Unsupported
from ..layout import finish_first, spatial

handles("Softmax", "LogSoftmax", "Hardmax", since=13)(pass_through)


@handles("BatchNormalization")
def batch_normalization(call: Call) -> None:
    """Channels along axis 1. By the statistics of training, but in training mode by the input's own, which the further
    results mix into those."""
    if not call.integer("spatial", 1):
        raise Unsupported("statistics per element are not supported")
    if call.integer("training_mode", 0):
        _in_training(call)
        return
    call.only_first_output()
    skip = ("training_mode", "spatial", "momentum", "axis")
    call.finish("BatchNormalization", call.inputs, known_attributes(call, "BatchNormalization", skip))


def _in_training(call: Call) -> None:
    rank, x = call.known_rank(), call.input(0)
    axes = call.add_constant([axis for axis in range(rank) if axis != 1], "axes", np.int64)
    shape = call.add_constant([-1 if axis == 1 else 1 for axis in range(rank)], "shape", np.int64)
    flat = call.add_constant([-1], "flat", np.int64)
    mean = call.make("ReduceMean", [x, axes])
    centered = call.make("Sub", [x, mean])
    variance = call.make("ReduceMean", [call.make("Mul", [centered, centered]), axes])
    epsilon = call.add_constant(call.number("epsilon", 1e-5), "epsilon", call.dtype())
    deviation = call.make("Sqrt", [call.make("Add", [variance, epsilon])])
    scale, bias = (call.make("Reshape", [call.input(index), shape]) for index in (1, 2))
    scaled = call.make("Mul", [call.make("Div", [centered, deviation]), scale])
    outputs, hints = list(call.outputs), list(call.hints)
    momentum = call.number("momentum", 0.9)
    for position in range(len(outputs)):
        if not call.wants(position):
            continue
        if position == 0:
            inputs = [scaled, bias]
        else:
            own = call.make("Reshape", [mean if position == 1 else variance, flat])
            inputs = [
                call.make("Mul", [name, call.add_constant(factor, "momentum", call.value(name).dtype)])
                for name, factor in ((call.input(position + 2), momentum), (own, 1 - momentum))
            ]
        call.builder.emit("Add", inputs, [outputs[position]], {}, call.name, hints[position : position + 1])


@handles("InstanceNormalization")
def instance_normalization(call: Call) -> None:
    rank = call.known_rank()
    attrs = known_attributes(call, "InstanceNormalization")
    finish_first(call, spatial(call, "InstanceNormalization", call.input(0), rank, call.inputs[1:], attrs), rank)


@handles("LRN")
def lrn(call: Call) -> None:
    rank = call.known_rank()
    attrs = known_attributes(call, "LRN")
    if rank < 3:
        call.finish("LRN", call.inputs, attrs)
    else:
        finish_first(call, spatial(call, "LRN", call.input(0), rank, attrs=attrs), rank)


@handles("Softmax", "LogSoftmax", "Hardmax")
def softmax_1(call: Call) -> None:
    """Until operator set 12 the input was taken for a matrix: dimensions before axis are rows, all others columns."""
    axis, rank = call.integer("axis", 1), call.rank()
    if axis == -1 or (rank is not None and axis == rank - 1):
        call.finish(call.op, call.inputs, {"axis": -1})
        return
    shape = call.make("Shape", [call.input(0)])
    matrix = call.make("Flatten", [call.input(0)], {"axis": axis})
    call.finish("Reshape", [call.make(call.op, [matrix], {"axis": -1}), shape], {"allowzero": 1})
