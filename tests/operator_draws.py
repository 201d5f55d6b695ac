"""Random small graphs around one operator: shapes with 0 and 1, huge attributes, every dtype. A number names each."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import prod
from typing import Any

import numpy as np
from operator_source import FLOATS, INTEGERS, RARELY, WILD, WORDS, Draw, Drawn, Operand
from product_draws import conv, dynamic, dynamic_conv, product, whole

from millijoule.runtime.errors import Error
from millijoule.runtime.graph import Graph, Node, Value
from millijoule.runtime.ops.inference import infer_node
from millijoule.runtime.ops.meaning import PLAIN_RESULTS
from millijoule.runtime.ops.registry import Op, Tensor, find, names

Family = Callable[[Draw, Op], Drawn]


def elementwise(d: Draw, op: Op) -> Drawn:
    rest: list[Operand | None] = []
    if op.name == "Clip":
        bounds: list[Operand | None] = [d.parameter(-1, "float32"), d.parameter(2, "float32"), None]
        rest = [d.rng.choice(bounds), d.rng.choice(bounds)]
    if op.name == "CastLike":
        rest = [d.tensor([2])]
    return Drawn([d.tensor(d.shape()), *rest], d.attributes(op))


def broadcast(d: Draw, op: Op) -> Drawn:
    shape = d.shape()
    fewest, most = op.arity
    count = d.rng.choice([1, 2, 2, 3]) if most is None else most
    dtype = None if d.quantized or d.kin.random() < 0.2 else d.dtype()
    if op.name in ("And", "Or", "Xor") and d.chance(0.9):
        dtype = "bool"
    if op.name.startswith("Bit") and d.chance(0.9):
        dtype = d.kin.choice(INTEGERS)
    operands: list[Operand | None] = []
    for index in range(max(count, fewest)):
        kept = (
            list(shape) if d.chance(0.5) else [1 if d.chance(0.3) else n for n in shape][d.rng.randint(0, len(shape)) :]
        )
        if d.chance(RARELY):
            kept = d.shape()
        kind = "bool" if op.name == "Where" and index == 0 else dtype
        operands.append(d.sometimes_constant(d.tensor(kept, kind), 0.3))
    if all(item is not None and item.constant for item in operands) and operands[0] is not None:
        operands[0].constant = False
    return Drawn(operands, d.attributes(op))


def reduction(d: Draw, op: Op) -> Drawn:
    shape = d.shape()
    axes = d.parameter(d.axes(len(shape))) if d.chance(0.8) else None
    return Drawn([d.tensor(shape), axes], d.attributes(op, keepdims=d.kin.choice([0, 1])))


def along(d: Draw, op: Op) -> Drawn:
    shape = d.shape()
    return Drawn([d.tensor(shape)], d.attributes(op, axis=d.axis(len(shape))))


def pool(d: Draw, op: Op) -> Drawn:
    shape = d.image()
    if op.name.startswith("Global"):
        return Drawn([d.tensor(shape)], d.attributes(op))
    kernel = [d.kin.randint(1, 4) for _ in shape[2:]]
    if d.chance(2 * RARELY):
        kernel = d.some(len(shape) - 2, 1, 4)
    attrs = d.window(shape, kernel) | {"kernel_shape": kernel}
    return Drawn([d.tensor(shape)], d.attributes(op, **attrs))


def resize(d: Draw, op: Op) -> Drawn:
    shape = d.image() if d.chance(0.7) else d.shape(1, 5)
    x = d.tensor(shape)
    rank = x.data.ndim
    attrs = d.attributes(op, mode=d.kin.choice(["nearest", "linear", "linear", "cubic"]))
    if d.chance(0.6):
        factors = [d.rng.choice([1, 1, 2, 0.5, 1.5, 3, 0.3]) for _ in range(rank)]
        if d.chance(0.7) and rank > 2:
            factors[0] = factors[-1] = 1
        return Drawn([x, None, d.parameter(np.array(factors), "float32")], attrs)
    sizes = [n if d.chance(0.5) else d.number(1, 2 * n + 2) for n in x.data.shape]
    return Drawn([x, None, None, d.parameter(sizes)], attrs)


def gather(d: Draw, op: Op) -> Drawn:
    shape = d.shape(1)
    axis = d.rng.randrange(len(shape))
    size = shape[axis]
    if op.name == "GatherND":
        width = d.rng.randint(1, len(shape))
        found = d.indices([*d.shape(0, 2), width], min(shape[:width]))
        return Drawn([d.tensor(shape), found], d.attributes(op))
    if op.name == "GatherElements":
        other = [d.dim() if i == axis else d.rng.randint(0, n) for i, n in enumerate(shape)]
        return Drawn([d.tensor(shape), d.indices(other, size)], {"axis": axis})
    return Drawn([d.tensor(shape), d.indices(d.shape(0, 2), size)], {"axis": axis if d.chance(0.9) else d.axis(9)})


def boxes(d: Draw, op: Op) -> Drawn:
    """Whole numbers, of which many are equal, and no scores that kernels take for zero."""
    one = op.name == "PaddedNonMaxSuppression"
    lead, classes, count = ([], [], d.dim()) if one else ([d.rng.randint(0, 2)], [d.rng.randint(0, 3)], d.dim())
    corners = Operand(d.numbers.integers(-9, 9, (*lead, count, 4)).astype(np.float32))
    known = np.array([-1, -0.0, 0, 0.25, 0.5, 0.75, np.inf, -np.inf, np.nan], np.float32)
    scores = Operand(d.numbers.choice(known, (*lead, *classes, count)))
    most = d.parameter(d.number(-1, 20))
    iou, least = (d.parameter(np.array(d.rng.choice([0, 0.2, 0.5, 1])), "float32") for _ in range(2))
    if one:
        return Drawn([corners, scores, most, iou, least], d.attributes(op), outputs=3)
    given = [operand if d.chance(0.9) else None for operand in (most, iou, least)]
    return Drawn([corners, scores, *given], d.attributes(op), outputs=2)


def detections(d: Draw, op: Op) -> Drawn:
    """Boxes as large as their anchors, as an exponential that is a bit larger would overlap with others."""
    count, classes = d.dim(), d.rng.randint(1, 4)
    places = d.numbers.integers(-9, 9, (1, count, 4)).astype(np.float32) * np.array([1, 1, 0, 0], np.float32)
    known, columns = np.array([-1, 0, 0.25, 0.5, 0.75, 1], np.float32), classes + d.rng.randint(0, 1)
    scores = d.numbers.choice(known, (1, count, columns))
    anchors = d.numbers.integers(1, 9, (count, 4)).astype(np.float32)
    attrs = {
        "max_detections": d.number(1, 9), "max_classes_per_detection": d.number(1, 2), "num_classes": classes,
        "score_threshold": d.rng.choice([0.0, 0.25, 0.6]), "iou_threshold": d.rng.choice([0.0, 0.2, 0.5, 1.0]),
        "scales": [float(d.number(1, 4)) for _ in range(4)], "regular": d.number(0, 1),
        "detections_per_class": d.number(1, 9),
    }  # fmt: skip
    if d.chance(0.1):
        del attrs[d.rng.choice(list(attrs))]
    return Drawn([Operand(places), Operand(scores), Operand(anchors, constant=d.chance(0.8))], attrs, outputs=4)


def scatter(d: Draw, op: Op) -> Drawn:
    shape = d.shape(1)
    dtype = d.dtype()
    if op.name == "ScatterND":
        width = d.rng.randint(1, len(shape))
        found = d.indices([*d.shape(0, 1), width], min(shape[:width]))
        updates = d.tensor([*found.data.shape[:-1], *shape[width:]], dtype)
        return Drawn([d.tensor(shape, dtype), found, updates], d.attributes(op))
    axis = d.rng.randrange(len(shape))
    other = [d.rng.randint(0, n) for n in shape]
    found = d.indices(other, shape[axis])
    return Drawn([d.tensor(shape, dtype), found, d.tensor(found.data.shape, dtype)], d.attributes(op, axis=axis))


def slice_(d: Draw, op: Op) -> Drawn:
    shape = d.shape()
    axes = d.rng.sample(range(len(shape)), d.rng.randint(0, len(shape)))
    operands: list[Operand | None] = [d.tensor(shape)]
    operands += [d.parameter([d.number(-n - 1, n + 1) for n in (shape[a] for a in axes)]) for _ in range(2)]
    if d.chance(0.8):
        operands.append(d.parameter([a - len(shape) if d.chance(0.2) else a for a in axes]))
        if d.chance(0.7):
            operands.append(d.parameter([d.rng.choice([1, 2, 3, 4, -1, -2, d.number(-3, 5)]) for _ in axes]))
    return Drawn(operands)


def split(d: Draw, op: Op) -> Drawn:
    shape = d.shape(1)
    axis = d.rng.randrange(len(shape))
    count = d.rng.randint(1, 4)
    cuts = sorted(d.rng.randint(0, shape[axis]) for _ in range(count - 1))
    sizes = [b - a for a, b in zip([0, *cuts], [*cuts, shape[axis]], strict=True)]
    if d.chance(2 * RARELY):
        sizes[-1] = d.rng.choice(WILD)
    if d.chance(0.3):
        return Drawn([d.tensor(shape)], {"axis": d.axis(len(shape)), "num_outputs": count}, count)
    return Drawn([d.tensor(shape), d.parameter(sizes)], {"axis": axis}, count)


def pad(d: Draw, op: Op) -> Drawn:
    shape = d.shape(0, 4)
    axes = d.axes(len(shape)) if d.chance(0.3) else None
    pads = d.some(2 * len(shape if axes is None else axes), 0, 3)
    if d.chance(0.2):
        pads = [d.number(-2, 3) for _ in pads]
    x = d.tensor(shape)
    value = Operand(d.integers([], x.data.dtype.name), x.quant) if x.quant else d.tensor([], x.data.dtype.name)
    value.constant = d.chance(0.8)
    operands = [x, d.parameter(pads), value if d.chance(0.6) else None, None if axes is None else d.parameter(axes)]
    return Drawn(operands, {"mode": d.kin.choice(["constant"] * 4 + ["reflect", "edge", "wrap"])})


def shaped(d: Draw, op: Op) -> Drawn:
    """Reshape, Expand, Tile, Squeeze, Unsqueeze, Flatten, Transpose, ConstantOfShape."""
    shape = d.shape()
    rank, x = len(shape), d.tensor(shape)
    if op.name == "Transpose":
        perm = d.rng.sample(range(rank), rank) if d.chance(0.9) else d.some(rank, 0, max(rank - 1, 0))
        return Drawn([x], {"perm": perm} if d.chance(0.9) else {})
    if op.name == "Flatten":
        return Drawn([x], {"axis": d.number(-rank, rank)})
    if op.name == "Squeeze":
        return Drawn([x, d.parameter([i for i, n in enumerate(shape) if n == 1 or d.chance(RARELY)])])
    if op.name == "Unsqueeze":
        return Drawn([x, d.parameter(d.rng.sample(range(rank + 2), 2))])
    if op.name == "Tile":
        return Drawn([x, d.parameter(d.some(rank, 0, 3))])
    if op.name == "Expand":
        wanted = [d.rng.choice([1, 2, 5]) if n == 1 else n for n in shape]
        return Drawn([x, d.parameter([*d.some(d.rng.choice([0, 0, 1]), 1, 3), *wanted])])
    if op.name == "ConstantOfShape":
        return Drawn([d.parameter(d.some(3, 0, 5))])
    whole = [prod(shape[:1]), prod(shape[1:])] if d.chance(0.5) else [*shape[::-1]]
    if whole and d.chance(0.5):
        whole[d.rng.randrange(len(whole))] = d.rng.choice([-1, 0, *(d.number(-1, 5),) * 2])
    return Drawn([x, d.parameter(whole)], d.attributes(op))


def blocks(d: Draw, op: Op) -> Drawn:
    block = d.kin.choice([1, 2, 2, 3])
    n, h, w, c = d.rng.choice([1, 2, 0]), d.dim() % 9, d.dim() % 9, d.dim() % 9
    shape = [n, h, w, c * block * block] if op.name == "DepthToSpace" else [n, h * block, w * block, c]
    mode = d.kin.choice(["DCR", "CRD"])
    return Drawn([d.tensor(shape)], {"blocksize": d.number(block, block)} | ({"mode": mode} if d.chance(0.5) else {}))


def normalize(d: Draw, op: Op) -> Drawn:
    shape = d.image() if op.name != "LayerNormalization" else d.shape(1)
    axis = d.rng.randrange(len(shape))
    attrs = d.attributes(op)
    inner = shape[-1:]
    if op.name == "LayerNormalization":
        attrs["axis"], inner = axis, shape[axis:]
    if op.name == "BatchNormalization":
        attrs["axis"], inner = axis, [shape[axis]]
    count = {"LayerNormalization": d.rng.choice([1, 2]), "InstanceNormalization": 2, "BatchNormalization": 4}[op.name]
    dtype = "float32" if d.chance(0.9) else d.dtype(FLOATS)
    rest: list[Operand | None] = [d.sometimes_constant(d.tensor(inner, dtype)) for _ in range(count)]
    return Drawn([d.tensor(shape, dtype), *rest], attrs, d.rng.choice([1, 1, 3]) if op.name[0] == "L" else 1)


def quantize(d: Draw, op: Op) -> Drawn:
    shape = d.shape()
    apart = bool(shape) and d.chance(0.4)
    axis = d.rng.randrange(len(shape)) if apart else 0
    count = (shape[axis] if d.chance(0.95) else shape[axis] + 1) if apart else 1
    dtype = d.kin.choice(["int8"] * 3 + ["uint8", "int32", "int16"])
    scale = Operand(d.numbers.uniform(0.01, 0.1, [count] if apart or d.chance(0.3) else []).astype("f4"))
    zero = Operand(np.resize(d.integers([1], dtype), scale.data.shape))
    x = d.tensor(shape, "float32" if op.name[0] == "Q" else dtype, False)
    zeros = d.sometimes_constant(zero, 0.9) if d.chance(0.8) else None
    return Drawn([x, d.sometimes_constant(scale, 0.9), zeros], d.attributes(op, axis=axis))


def listed(d: Draw, op: Op) -> Drawn:
    """Those that are like no other."""
    shape = d.shape(1)
    rank, x = len(shape), d.tensor(shape)
    if op.name == "Concat":
        axis = d.rng.randrange(rank)
        others = [[d.dim() % 5 if i == axis else n for i, n in enumerate(shape)] for _ in range(d.rng.randint(0, 3))]
        rest: list[Operand | None] = [d.sometimes_constant(d.tensor(s, x.data.dtype.name, False), 0.3) for s in others]
        for item in rest:
            if item is not None and x.quant is not None:
                item.quant = x.quant if d.chance(0.7) else d.quantization(x.data.dtype.name)
        return Drawn([x, *rest], {"axis": axis if d.chance(0.9) else d.axis(rank)})
    if op.name == "CumSum":
        return Drawn([x, d.parameter(d.axis(rank))], d.attributes(op))
    if op.name == "TopK":
        return Drawn([x, d.parameter([d.number(0, shape[-1])])], d.attributes(op), 2)
    if op.name in ("ArgMax", "ArgMin"):
        return Drawn([x], d.attributes(op, axis=d.axis(rank)))
    if op.name == "OneHot":
        values = d.tensor([2], d.dtype())
        return Drawn([d.indices(d.shape(0, 2), 5), d.parameter(d.number(0, 7)), values], {"axis": d.axis(2)})
    if op.name == "Range":
        return Drawn([d.parameter(d.number(-5, 5)), d.parameter(d.number(0, 40)), d.parameter(d.number(1, 3))])
    if op.name == "Compress":
        flags = Operand(d.integers([shape[0] if d.chance(0.8) else d.dim()], "bool"), constant=d.chance(0.9))
        return Drawn([x, flags], {"axis": 0} if d.chance(0.6) else {})
    if op.name == "ReverseSequence":
        lengths = d.indices(shape[1:2], shape[0] + 1)
        return Drawn([x, lengths], {})
    if op.name == "Einsum":
        n = d.dim() % 9
        equation = d.rng.choice(list(WORDS["equation"]))
        terms = equation.partition("->")[0].split(",")
        operands: list[Operand | None] = [d.tensor([n] * len(t.replace("...", "b")), "float32", False) for t in terms]
        return Drawn(operands, {"equation": equation})
    if op.name == "LRN":
        return Drawn([d.tensor(d.image())], d.attributes(op, size=d.number(1, 5)))
    if op.name == "Trilu":
        return Drawn([x, d.parameter(d.number(-3, 3)) if d.chance(0.5) else None], d.attributes(op))
    fewest, most = op.arity
    return Drawn([d.tensor(d.shape()) for _ in range(most or fewest)], d.attributes(op))


FAMILIES: dict[str, Family] = {
    **dict.fromkeys(("Conv", "ConvTranspose"), conv),
    **dict.fromkeys(("MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool"), pool),
    **dict.fromkeys(("Gemm", "MatMul"), product),
    "DynamicMatMul": dynamic,
    "DynamicConv": dynamic_conv,
    "DynamicQuantizeLinear": whole,
    **dict.fromkeys(("Gather", "GatherND", "GatherElements"), gather),
    **dict.fromkeys(("ScatterND", "ScatterElements"), scatter),
    **dict.fromkeys(("ClassNonMaxSuppression", "PaddedNonMaxSuppression"), boxes),
    "DetectionPostProcess": detections,
    **dict.fromkeys(("DepthToSpace", "SpaceToDepth"), blocks),
    **dict.fromkeys(("LayerNormalization", "InstanceNormalization", "BatchNormalization"), normalize),
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear"), quantize),
    **dict.fromkeys(("Reshape", "Expand", "Tile", "Squeeze", "Unsqueeze", "Flatten", "Transpose"), shaped),
    "ConstantOfShape": shaped,
    "Resize": resize,
    "Slice": slice_,
    "Split": split,
    "Pad": pad,
}
OFTEN = [
    *("Conv", "ConvTranspose", "MaxPool", "AveragePool", "Gather", "Slice", "Split", "Pad", "Resize", "Concat"),
    *("Conv", "Gemm", "MatMul", "ReduceMax", "ReduceSum", "ReduceMean", "Transpose", "Expand", "DepthToSpace"),
    *("Softmax", "Add", "Mul", "Where", "QuantizeLinear", "DequantizeLinear", "InstanceNormalization", "Cast"),
    *("GatherElements", "ScatterElements", "ScatterND", "TopK", "ClassNonMaxSuppression"),
    "DetectionPostProcess",
]
"""Operators whose lowerings compute offsets: every second graph is one of theirs."""


@cache
def drawable() -> list[str]:
    """All but those that run graphs of their own."""
    return [name for name in names() if (op := find(name)) is not None and not op.runs_graphs]


def family_of(op: Op) -> Family:
    if op.name in FAMILIES:
        return FAMILIES[op.name]
    if op.elementwise:
        return elementwise
    if op.broadcasts:
        return broadcast
    if op.reduces:
        return reduction
    return along if op.along_axis else listed


def draw(seed: int) -> tuple[Graph, dict[str, np.ndarray]]:
    """A graph and its feeds: one operator, its first input perhaps the result of another, or read by a Conv with
    padding, too."""
    d = Draw(seed)
    name = d.kin.choice(OFTEN) if d.kin.random() < 0.5 else d.kin.choice(drawable())
    op = find(name)
    assert op is not None
    drawn = family_of(op)(d, op)
    graph, feeds = Graph(), dict[str, np.ndarray]()
    inputs = []
    for index, operand in enumerate(drawn.operands):
        inputs.append("" if operand is None else f"x{index}")
        if operand is not None and operand.constant:
            graph.add_constant(f"x{index}", operand.data, operand.quant)
        elif operand is not None:
            graph.add_value(Value(f"x{index}", operand.data.dtype, operand.data.shape, operand.quant))
            graph.inputs.append(f"x{index}")
            feeds[f"x{index}"] = operand.data
    while inputs and not inputs[-1]:
        inputs.pop()
    first = drawn.operands[0] if drawn.operands else None
    if first is not None and not first.constant and d.chance(0.5):
        _surround(d, graph, first, inputs)
    node = Node(name, inputs, _outputs(d, drawn.outputs), drawn.attrs, "tested")
    quant = first.quant if first is not None else None
    for output, dtype in zip(node.outputs, _dtypes(node, drawn), strict=True):
        if not output:
            continue
        scaled = quant is not None and dtype.name in ("int8", "uint8", "int16", "int32")
        scaled &= not name.startswith("Arg") and name not in PLAIN_RESULTS
        kept = quant if d.chance(0.6) else d.quantization(dtype.name)
        graph.add_value(Value(output, dtype, None, kept if scaled else None))
    graph.nodes.append(node)
    graph.outputs += filter(None, node.outputs)
    return graph, feeds


def _outputs(d: Draw, count: int) -> list[str]:
    """Of a node that gives so many; some that nobody reads have no name."""
    names = [f"y{index}" for index in range(count)]
    if count > 1 and d.chance(0.3):
        kept = d.rng.sample(names, d.rng.randrange(1, count))
        names = [name if name in kept else "" for name in names]
        while not names[-1]:
            names.pop()
    return names


def _surround(d: Draw, graph: Graph, first: Operand, inputs: list[str]) -> None:
    """Puts a step before the node's first input, and perhaps a reader beside it that wants a border."""
    source, dtype = inputs[0], first.data.dtype
    before = "Relu" if dtype.kind == "f" and d.chance(0.7) else "Identity"
    graph.add_value(Value("before", dtype, None, first.quant))
    graph.nodes.append(Node(before, [source], ["before"], {}, "before"))
    inputs[:] = ["before" if name == source else name for name in inputs]
    shape = first.data.shape
    if len(shape) not in (3, 4) or dtype != np.float32 or not d.chance(0.5):
        return
    rank = len(shape) - 2
    pads = [d.rng.choice([0, 1, 2, 3]) for _ in range(2 * rank)]
    attrs: dict[str, Any] = {"pads": pads}
    if d.chance(RARELY):
        pads[-1] = d.rng.choice([1000, 22_000_000, 2**31, 2**40])
        attrs["strides"] = [10_000_000] * rank
    graph.add_constant("kernel", d.numbers.normal(0, 1, (2, *(1,) * rank, shape[-1])).astype(np.float32))
    graph.add_value(Value("beside", dtype))
    graph.nodes.append(Node("Conv", ["before", "kernel"], ["beside"], attrs, "beside"))
    graph.outputs.append("beside")


def _dtypes(node: Node, drawn: Drawn) -> list[np.dtype]:
    """What the outputs are, or float32 where the node will be refused."""
    tensors = [
        None if item is None else Tensor(f"x{i}", item.data.shape, item.data.dtype, item.quant, item.data)
        for i, item in enumerate(drawn.operands[: len(node.inputs)])
    ]
    try:
        return [tensor.dtype for tensor in infer_node(node, tensors).ctx.outputs]
    except Error:
        return [np.dtype(np.float32)] * len(node.outputs)
