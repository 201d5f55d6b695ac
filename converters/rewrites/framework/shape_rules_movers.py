"""Symbolic shapes of operators that move elements."""

from __future__ import annotations

from math import prod

from ....runtime.graph import Dim
from ....runtime.ops.inference import TENSOR_LIMIT
from .indexed import Shape
from .shape_rules import Query, broadcast, rule


@rule("Transpose")
def transpose(query: Query) -> list[Shape | None]:
    shape = query.shape(0)
    if shape is None:
        return []
    perm = query.attrs["perm"] or range(len(shape))[::-1]
    return [tuple(shape[axis] for axis in perm)]


@rule("Reshape")
def reshape(query: Query) -> list[Shape | None]:
    shape, target = query.shape(0), query.dims(1)
    if target is None:
        length = query.length(1)
        return [] if length is None else [tuple(query.fresh(axis) for axis in range(length))]
    copied = []
    for axis, dim in enumerate(target):
        if dim == 0 and not query.attrs["allowzero"]:
            copied.append(shape[axis] if shape is not None and axis < len(shape) else query.fresh(axis))
        else:
            copied.append(dim)
    if -1 not in copied:
        return [tuple(copied)]
    rest = _rest(shape, [dim for dim in copied if dim != -1])
    return [
        tuple((query.fresh(axis) if rest is None else rest) if dim == -1 else dim for axis, dim in enumerate(copied))
    ]


def _rest(shape: Shape | None, others: list[Dim]) -> Dim | None:
    """What a -1 stands for: the input's size over the other dimensions', where symbols cancel."""
    if shape is None:
        return None
    symbols = [dim for dim in shape if isinstance(dim, str)]
    for dim in others:
        if isinstance(dim, str):
            if dim not in symbols:
                return None
            symbols.remove(dim)
    total = prod(dim for dim in shape if isinstance(dim, int))
    known = prod(dim for dim in others if isinstance(dim, int))
    if known == 0 or total % known:
        return None
    quotient = total // known
    if not symbols:
        return quotient
    return symbols[0] if len(symbols) == 1 and quotient == 1 else None


@rule("Flatten")
def flatten(query: Query) -> list[Shape | None]:
    shape = query.shape(0)
    if shape is None:
        return []
    axis = query.attrs["axis"]
    axis = axis + len(shape) if axis < 0 else axis
    return [(_product(query, 0, shape[:axis]), _product(query, 1, shape[axis:]))]


def _product(query: Query, axis: int, dims: Shape) -> Dim:
    names = [dim for dim in dims if isinstance(dim, str)]
    number = prod(dim for dim in dims if isinstance(dim, int))
    if not names:
        return number
    return names[0] if len(names) == 1 and number == 1 else query.fresh(axis)


@rule("Squeeze")
def squeeze(query: Query) -> list[Shape | None]:
    shape, axes = query.shape(0), query.ints(1)
    if shape is None or axes is None:
        return []
    gone = {axis % len(shape) for axis in axes}
    return [tuple(dim for axis, dim in enumerate(shape) if axis not in gone)]


@rule("Unsqueeze")
def unsqueeze(query: Query) -> list[Shape | None]:
    shape, axes = query.shape(0), query.ints(1)
    if shape is None or axes is None:
        return []
    rank = len(shape) + len(axes)
    new, rest = {axis % rank for axis in axes}, iter(shape)
    if len(new) != len(axes):
        return []
    return [tuple(1 if axis in new else next(rest) for axis in range(rank))]


@rule("Concat")
def concat(query: Query) -> list[Shape | None]:
    shapes = [query.shape(index) for index in range(len(query.node.inputs))]
    known = [shape for shape in shapes if shape is not None]
    if not known:
        return []
    first = known[0]
    axis = query.attrs["axis"] % len(first)
    merged = []
    for other in range(len(first)):
        dims = [shape[other] for shape in known]
        if other != axis:
            merged.append(next((dim for dim in dims if isinstance(dim, int)), dims[0]))
        elif len(known) == len(shapes) and all(isinstance(dim, int) for dim in dims):
            merged.append(sum(dim for dim in dims if isinstance(dim, int)))
        else:
            merged.append(query.fresh(axis))
    return [tuple(merged)]


@rule("Split")
def split(query: Query) -> list[Shape | None]:
    shape, sizes = query.shape(0), query.ints(1)
    if shape is None:
        return []
    axis, count = query.attrs["axis"] % len(shape), len(query.node.outputs)
    whole = shape[axis]
    if sizes is None and not query.has(1) and isinstance(whole, int):
        part = -(-whole // count)
        sizes = [part] * (count - 1) + [whole - part * (count - 1)]
    parts: list[Dim] = list(sizes) if sizes else [query.symbol(f"{name}[{axis}]") for name in query.node.outputs]
    return [(*shape[:axis], part, *shape[axis + 1 :]) for part in parts]


@rule("Slice")
def slices(query: Query) -> list[Shape | None]:
    shape, axes, steps = query.shape(0), query.ints(3), query.ints(4)
    if shape is None or (query.has(3) and axes is None):
        return []
    starts, ends = query.ints(1), query.ints(2)
    if axes is None:
        length = query.length(1)
        axes = list(range(len(shape) if length is None else length))
    dtype = query.graph.dtype(query.node.inputs[0])
    largest = TENSOR_LIMIT // (1 if dtype is None else dtype.itemsize)
    result = list(shape)
    for index, axis in enumerate(axes):
        dim = shape[axis]
        if starts is None or ends is None or (query.has(4) and steps is None):
            result[axis] = query.fresh(axis % len(shape))
            continue
        step = steps[index] if steps else 1
        if isinstance(dim, int):
            result[axis] = len(range(*slice(starts[index], ends[index], step).indices(dim)))
        elif not (starts[index] == 0 and ends[index] >= largest and step == 1):
            result[axis] = query.symbol(f"{dim}[{starts[index]}:{ends[index]}:{step}]")
    return [tuple(result)]


@rule("Gather")
def gather(query: Query) -> list[Shape | None]:
    data, indices = query.shape(0), query.shape(1)
    if data is None or indices is None:
        return []
    axis = query.attrs["axis"] % len(data)
    return [(*data[:axis], *indices, *data[axis + 1 :])]


@rule("Pad")
def pad(query: Query) -> list[Shape | None]:
    shape, pads = query.shape(0), query.ints(1)
    if shape is None:
        return []
    axes = query.ints(3) if query.has(3) else list(range(len(shape)))
    if pads is None or axes is None:
        return [tuple(query.fresh(axis) for axis in range(len(shape)))]
    result = list(shape)
    for index, axis in enumerate(axes):
        dim, more = shape[axis], pads[index] + pads[index + len(axes)]
        if more:
            result[axis] = dim + more if isinstance(dim, int) else query.symbol(f"{dim}{more:+d}")
    return [tuple(result)]


@rule("Expand")
def expand(query: Query) -> list[Shape | None]:
    shape, target = query.shape(0), query.dims(1)
    length = query.length(1)
    if shape is None or (target is None and length is None):
        return []
    if target is None:
        return [tuple(query.fresh(axis) for axis in range(max(len(shape), length or 0)))]
    return [broadcast(query, [shape, target])]


@rule("ConstantOfShape")
def constant_of_shape(query: Query) -> list[Shape | None]:
    target, length = query.dims(0), query.length(0)
    if target is None and length is not None:
        target = tuple(query.fresh(axis) for axis in range(length))
    return [target]


@rule("Tile")
def tile(query: Query) -> list[Shape | None]:
    shape, repeats = query.shape(0), query.ints(1)
    if shape is None:
        return []
    if repeats is None:
        return [tuple(query.fresh(axis) for axis in range(len(shape)))]
    return [
        tuple(
            dim if count == 1 else dim * count if isinstance(dim, int) else query.symbol(f"{dim}*{count}")
            for dim, count in zip(shape, repeats, strict=True)
        )
    ]


@rule("Shape")
def shape_of(query: Query) -> list[Shape | None]:
    shape = query.shape(0)
    return [] if shape is None else [(len(shape[query.attrs["start"] : query.attrs["end"]]),)]


@rule("Size")
def size_of(query: Query) -> list[Shape | None]:
    return [()]


@rule("Range")
def numbers(query: Query) -> list[Shape | None]:
    return [(query.fresh(0),)]


@rule("NonZero")
def non_zero(query: Query) -> list[Shape | None]:
    shape = query.shape(0)
    return [] if shape is None else [(max(len(shape), 1), query.fresh(1))]


@rule("Compress")
def compress(query: Query) -> list[Shape | None]:
    shape, axis = query.shape(0), query.attrs["axis"]
    if axis is None:
        return [(query.fresh(0),)]
    return [] if shape is None else [_with(shape, axis, query.fresh(axis % len(shape)))]


@rule("NonMaxSuppression", "ListChosen")
def non_max_suppression(query: Query) -> list[Shape | None]:
    return [(query.fresh(0), 3)]


@rule("ClassNonMaxSuppression")
def class_non_max_suppression(query: Query) -> list[Shape | None]:
    shape, most = query.shape(1), query.ints(2)
    if shape is None or len(shape) != 3:
        return []
    count = shape[2]
    places = min(count, max(most[0], 0)) if most and isinstance(count, int) else query.fresh(2)
    return [(*shape[:2], places), shape[:2]]


@rule("StringSplit")
def string_split(query: Query) -> list[Shape | None]:
    shape = query.shape(0)
    return [None if shape is None else (*shape, query.fresh(len(shape))), shape]


@rule("Tokenizer")
def tokenizer(query: Query) -> list[Shape | None]:
    shape = query.shape(0)
    return [None if shape is None else (*shape, query.fresh(len(shape)))]


@rule("StringNormalizer")
def string_normalizer(query: Query) -> list[Shape | None]:
    """Stop words leave as many texts as are none."""
    shape = query.shape(0)
    return [shape if shape is None or not query.attrs["stopwords"] else (*shape[:-1], query.fresh(len(shape) - 1))]


@rule("Unique")
def unique(query: Query) -> list[Shape | None]:
    """Each element, where it came first, where each came to lie, and how many."""
    shape, axis = query.shape(0), query.attrs["axis"]
    if shape is None:
        return []
    if axis is None:
        count, whole = query.fresh(0), shape[0] if len(shape) == 1 else query.fresh(1)
        return [(count,), (count,), (whole,), (count,)]
    count = query.fresh(axis % len(shape))
    return [_with(shape, axis, count), (count,), (shape[axis],), (count,)]


@rule("TopK")
def top_k(query: Query) -> list[Shape | None]:
    shape, axis, counts = query.shape(0), query.attrs["axis"], query.dims(1)
    if shape is None:
        return []
    count = counts[0] if counts is not None and len(counts) == 1 else query.fresh(axis % len(shape))
    return [_with(shape, axis, count)] * len(query.node.outputs)


@rule("OneHot")
def one_hot(query: Query) -> list[Shape | None]:
    shape, axis, depths = query.shape(0), query.attrs["axis"], query.dims(1)
    if shape is None:
        return []
    axis %= len(shape) + 1
    depth = depths[0] if depths is not None and len(depths) == 1 else query.fresh(axis)
    return [(*shape[:axis], depth, *shape[axis:])]


def _with(shape: Shape, axis: int, dim: Dim) -> Shape:
    """The shape with one dimension replaced."""
    return tuple(dim if place == axis % len(shape) else old for place, old in enumerate(shape))
