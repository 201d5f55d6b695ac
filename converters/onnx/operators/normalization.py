"""BatchNormalization, InstanceNormalization, LRN, and Softmax and its kin with their older meaning."""

from __future__ import annotations

from ..call import Call
from ..generic import known_attributes, pass_through
from ..handlers import handles
from ..job import Unsupported
from ..layout import finish_first, spatial

handles("Softmax", "LogSoftmax", "Hardmax", since=13)(pass_through)


@handles("BatchNormalization")
def batch_normalization(call: Call) -> None:
    """With the statistics of training, channels along axis 1."""
    if call.integer("training_mode", 0) or not call.integer("spatial", 1):
        raise Unsupported("training mode and statistics per element are not supported")
    call.only_first_output()
    skip = ("training_mode", "spatial", "momentum", "axis")
    call.finish("BatchNormalization", call.inputs, known_attributes(call, "BatchNormalization", skip))


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
