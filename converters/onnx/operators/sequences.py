"""Operators on sequences of tensors and on optional values.

Where lengths are known at conversion they leave at most the tensors in the graph; a position that is known only at run
time chooses among elements of one shape then. Else the graph has sequences as values.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx

from ....runtime.boxed import is_optional
from .. import sequences
from ..call import Call
from ..generic import known_attributes
from ..handlers import handles
from ..job import Unsupported
from ..types import declared_dtype, element_dtype


class _Apart(Unsupported):
    """The values of a sequence alone do not say what the node gives, but the sequence would."""


@handles("SequenceConstruct")
def sequence_construct(call: Call) -> None:
    sequences.finish(call, [call.input(index) for index in range(len(call.inputs))])


@handles("SequenceEmpty")
def sequence_empty(call: Call) -> None:
    dtype = element_dtype(call.integer("dtype", onnx.TensorProto.FLOAT))
    if dtype is None:
        raise Unsupported("the type of its elements is not supported")
    sequences.finish(call, [], dtype)


@handles("SequenceLength")
def sequence_length(call: Call) -> None:
    if sequences.reads_value(call):
        call.finish("SequenceLength", call.inputs)
        return
    call.finish("Identity", [call.add_constant(len(sequences.items(call)), "length", np.int64)])


@handles("SequenceAt")
def sequence_at(call: Call) -> None:
    if _by_value(call, _sequence_at):
        call.finish("SequenceAt", [sequences.as_value(call), call.input(1)])


def _sequence_at(call: Call) -> None:
    found = sequences.items(call)
    if not found:
        raise Unsupported("the sequence that it reads is empty")
    place = _known_place(call, 1, len(found))
    if place is not None:
        call.finish("Identity", [found[place]])
        return
    call.finish("Gather", [_stacked(call, found), _counted(call, 1, len(found))], {"axis": 0})


@handles("SequenceInsert")
def sequence_insert(call: Call) -> None:
    if _by_value(call, _sequence_insert):
        call.finish("SequenceInsert", [sequences.as_value(call), *call.inputs[1:]])


def _sequence_insert(call: Call) -> None:
    found, new = list(sequences.items(call)), call.input(1)
    place = _known_place(call, 2, len(found), len(found)) if call.has(2) else len(found)
    if place is not None:
        sequences.finish(call, [*found[:place], new, *found[place:]])
        return
    # Element i of the result is element i of those before the position, the new one there, and i - 1 behind it.
    stack, position = _stacked(call, [*found, new]), _counted(call, 2, len(found))
    chosen = []
    for index in range(len(found) + 1):
        behind, here = (
            call.make(op, [position, call.add_constant(index, "place", np.int64)]) for op in ("Less", "Equal")
        )
        before, after, last = (
            call.add_constant(number, "place", np.int64) for number in (index, max(index - 1, 0), len(found))
        )
        source = call.make("Where", [here, last, call.make("Where", [behind, after, before])])
        chosen.append(call.make("Gather", [stack, source], {"axis": 0}))
    sequences.finish(call, chosen)


@handles("SequenceErase")
def sequence_erase(call: Call) -> None:
    if _by_value(call, _sequence_erase):
        call.finish("SequenceErase", [sequences.as_value(call), *call.inputs[1:]])


def _sequence_erase(call: Call) -> None:
    found = list(sequences.items(call))
    place = _known_place(call, 1, len(found)) if call.has(1) else len(found) - 1
    if place is None:
        raise _Apart("which element it erases is known only at run time")
    if not found:
        raise Unsupported("the sequence that it erases from is empty")
    sequences.finish(call, [*found[:place], *found[place + 1 :]], sequences.item_dtype(call))


@handles("SplitToSequence")
def split_to_sequence(call: Call) -> None:
    """split: absent for elements of size 1, one number for elements of at most that size, or the sizes."""
    sizes = _sizes(call)
    if sizes is None:
        call.finish("SplitToSequence", call.inputs, known_attributes(call, "SplitToSequence"))
        return
    axis = call.integer("axis", 0)
    parts = [call.scope.job.unique(f"{call.name}.{index}") for index in range(len(sizes))]
    if len(parts) == 1:
        parts = [call.input(0)]
    elif parts:
        inputs = [call.input(0), call.add_constant(sizes, "sizes", np.int64)]
        call.builder.emit("Split", inputs, parts, {"axis": axis}, call.name)
    if not call.has(1) and not call.integer("keepdims", 1):
        axes = call.add_constant([axis], "axes", np.int64)
        parts = [call.make("Squeeze", [part, axes]) for part in parts]
    sequences.finish(call, parts, call.dtype())


def _sizes(call: Call) -> list[int] | None:
    """Of the parts; None where they are known only at run time, or too many to be values of their own."""
    shape, axis, split = call.shape(), call.integer("axis", 0), call.constant(1)
    if shape is None or (call.has(1) and split is None):
        return None
    if not -len(shape) <= axis < len(shape):
        raise Unsupported(f"there is no axis {axis} of {len(shape)}")
    size = shape[axis]
    if not isinstance(size, int):
        return None
    if split is None or split.ndim == 0:
        step = 1 if split is None else max(1, int(split))
        if not call.scope.job.has_room_for(-(-size // step)):
            return None
        return [min(step, size - start) for start in range(0, size, step)]
    sizes: list[int] = split.tolist()
    if sum(sizes) != size or min(sizes, default=0) < 0:
        raise Unsupported(f"it splits {size} into {len(sizes)} parts of together {sum(sizes)}")
    return sizes if call.scope.job.has_room_for(len(sizes)) else None


@handles("ConcatFromSequence")
def concat_from_sequence(call: Call) -> None:
    if sequences.reads_value(call):
        call.finish("ConcatFromSequence", call.inputs, known_attributes(call, "ConcatFromSequence"))
        return
    found, axis = sequences.items(call), call.integer("axis")
    if not found:
        raise Unsupported("the sequence that it reads is empty")
    if call.integer("new_axis", 0):
        axes = call.add_constant([axis], "axes", np.int64)
        found = [call.make("Unsqueeze", [item, axes]) for item in found]
    call.finish("Concat", found, {"axis": axis})


@handles("Optional")
def optional(call: Call) -> None:
    """An optional value that is there is the value itself, one that is not an empty sequence."""
    found = sequences.of(call) if call.has(0) else []
    if found is not None:
        declared = call.attrs.get("type")
        dtype = declared_dtype(declared) if isinstance(declared, onnx.TypeProto) else None
        sequences.finish(call, found, dtype)
        call.scope.job.absent[call.outputs[0]] = not call.has(0)
        return
    call.finish("Identity", call.inputs)


@handles("OptionalHasElement")
def optional_has_element(call: Call) -> None:
    if sequences.reads_value(call) and is_optional(call.dtype()):
        call.finish("OptionalHasElement", call.inputs)
        return
    there = call.has(0) and not call.scope.job.absent.get(call.inputs[0], False)
    call.finish("Identity", [call.add_constant(there, "there", np.bool_)])


@handles("OptionalGetElement")
def optional_get_element(call: Call) -> None:
    if call.scope.job.absent.get(call.input(0), False):
        raise Unsupported("the optional value that it reads is absent")
    found = sequences.of(call)
    if found is not None:
        sequences.finish(call, found, sequences.item_dtype(call))
        return
    optional_value = sequences.reads_value(call) and is_optional(call.dtype())
    call.finish("OptionalGetElement" if optional_value else "Identity", call.inputs)


def _by_value(call: Call, by_items: Callable[[Call], None]) -> bool:
    """Whether the node's sequence has to be a value of the graph: else by_items has converted the node."""
    if sequences.reads_value(call):
        return True
    mark = call.builder.mark()
    try:
        by_items(call)
    except _Apart:
        call.builder.rollback(mark)
        return True
    return False


def _known_place(call: Call, index: int, count: int, last: int | None = None) -> int | None:
    """A position as an index from the front of `count` elements; None where it is known only at run time. last: the
    highest one, where that is not the last element's. Unsupported where there is no such position."""
    data = call.constant(index)
    if data is None:
        return None
    place = int(data.reshape(-1)[0]) if data.size == 1 else -count - 1
    if not -count <= place <= (count - 1 if last is None else last):
        raise Unsupported(f"there is no position {data.tolist()} in {count} elements")
    return place + count if place < 0 else place


def _counted(call: Call, index: int, count: int) -> str:
    """A position that is known only at run time, counted from the front: negative ones from the end of `count`."""
    position = call.make("Cast", [call.input(index)], {"to": "int64"})
    position = call.make("Reshape", [position, call.add_constant([], "scalar", np.int64)])
    negative = call.make("Less", [position, call.add_constant(0, "zero", np.int64)])
    from_end = call.make("Add", [position, call.add_constant(count, "count", np.int64)])
    return call.make("Where", [negative, from_end, position])


def _stacked(call: Call, found: list[str]) -> str:
    """The elements in a new first dimension; _Apart where they differ in shape or type."""
    values = [call.value(item) for item in found]
    if values[0].shape is None or any((v.shape, v.dtype) != (values[0].shape, values[0].dtype) for v in values):
        raise _Apart("its position is known only at run time, and the elements differ in shape")
    axes = call.add_constant([0], "axes", np.int64)
    return call.make("Concat", [call.make("Unsqueeze", [item, axes]) for item in found], {"axis": 0})
