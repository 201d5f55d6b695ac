"""Operators of onnxruntime's own domain that its quantizer and optimizer write into models."""

from __future__ import annotations

from ..call import Call
from ..generic import known_attributes, pass_through
from ..handlers import MICROSOFT, handles
from ..job import Unsupported
from ..layout import channels_first, spatial
from .convolution import convolve, image_rank
from .pooling import pooled
from .quantization import dequantized, finish_quantized, product

_ACTIVATIONS = {
    "Relu": (),
    "Sigmoid": (),
    "Tanh": (),
    "HardSigmoid": ("alpha", "beta"),
    "LeakyRelu": ("alpha",),
}


@handles("QLinearAdd", "QLinearMul", domain=MICROSOFT)
def q_linear_binary(call: Call) -> None:
    a = dequantized(call, call.input(0), call.input(1), call.optional(2))
    b = dequantized(call, call.input(3), call.input(4), call.optional(5))
    y = call.make(call.op.removeprefix("QLinear"), [a, b])
    finish_quantized(call, y, call.input(6), call.optional(7))


@handles("QLinearSigmoid", "QLinearLeakyRelu", "QLinearSoftmax", domain=MICROSOFT)
def q_linear_unary(call: Call) -> None:
    x = dequantized(call, call.input(0), call.input(1), call.optional(2))
    op = call.op.removeprefix("QLinear")
    if (
        op == "Softmax"
        and call.integer("opset", 13) < 13
        and call.integer("axis", -1) not in (-1, (call.rank() or 0) - 1)
    ):
        raise Unsupported("its meaning before operator set 13 is supported for the last axis only")
    y = call.make(op, [x], known_attributes(call, op, skip=("opset",)))
    finish_quantized(call, y, call.input(3), call.optional(4))


@handles("QLinearConcat", domain=MICROSOFT)
def q_linear_concat(call: Call) -> None:
    """Inputs y_scale, y_zero_point, then x, scale and zero point of each part."""
    starts = range(2, len(call.inputs), 3)
    parts = [dequantized(call, call.input(i), call.input(i + 1), call.optional(i + 2)) for i in starts]
    y = call.make("Concat", parts, {"axis": call.integer("axis")})
    finish_quantized(call, y, call.input(0), call.optional(1))


@handles("QLinearAveragePool", "QLinearGlobalAveragePool", domain=MICROSOFT)
def q_linear_pool(call: Call) -> None:
    op = call.op.removeprefix("QLinear")
    rank = call.known_rank()
    x = dequantized(call, call.input(0), call.input(1), call.optional(2))
    last = call.integer("channels_last", 0)
    call.attrs.pop("channels_last", None)
    if last:
        attrs = known_attributes(call, op, skip=("storage_order",))
        y = call.make(op, [x], attrs)
    else:
        y = channels_first(call, spatial(call, op, x, rank) if op.startswith("Global") else pooled(call, op, x), rank)
    finish_quantized(call, y, call.input(3), call.optional(4))


@handles("QGemm", domain=MICROSOFT)
def q_gemm(call: Call) -> None:
    """Inputs a, a_scale, a_zero_point, b, b_scale, b_zero_point, c (int32), y_scale, y_zero_point."""
    alpha, trans_b = call.number("alpha", 1.0), call.integer("transB", 0)
    if alpha != 1:
        raise Unsupported(f"alpha = {alpha} is not supported")
    a = dequantized(call, call.input(0), call.input(1), call.optional(2))
    b = dequantized(call, call.input(3), call.input(4), call.optional(5), axis=0 if trans_b else 1)
    c = ""
    if call.has(6):
        c = dequantized(call, call.input(6), product(call, call.input(1), call.input(4)), "", axis=-1)
    y = call.make("Gemm", [a, b, c], {"transA": call.integer("transA", 0), "transB": trans_b})
    if call.has(7):
        finish_quantized(call, y, call.input(7), call.optional(8))
    else:
        call.finish("Identity", [y])


@handles("FusedConv", domain=MICROSOFT)
def fused_conv(call: Call) -> None:
    """Conv, an optional tensor added, then an activation."""
    w = call.input(1)
    rank = image_rank(call, call.input(0), w)
    y = channels_first(call, convolve(call, "Conv", call.input(0), w, call.optional(2), rank), rank)
    if call.has(3):
        y = call.make("Add", [y, call.input(3)])
    params = call.attrs.get("activation_params", [])
    _activate(call, y, call.text("activation", ""), params if isinstance(params, list) else [])


@handles("FusedGemm", domain=MICROSOFT)
def fused_gemm(call: Call) -> None:
    skip = ("activation", "activation_alpha", "activation_beta", "activation_gamma")
    y = call.make("Gemm", call.inputs, known_attributes(call, "Gemm", skip))
    given = [call.number(name) for name in skip[1:] if name in call.attrs]
    _activate(call, y, call.text("activation", ""), given)


def _activate(call: Call, y: str, op: str, params: list[float]) -> None:
    if not op:
        call.finish("Identity", [y])
    elif op == "Clip" and len(params) == 2:
        bounds = [
            call.add_constant(value, name, call.dtype()) for value, name in zip(params, ("min", "max"), strict=True)
        ]
        call.finish("Clip", [y, *bounds])
    elif op in _ACTIVATIONS:
        call.finish(op, [y], dict(zip(_ACTIVATIONS[op], params, strict=False)))
    else:
        raise Unsupported(f"the activation '{op}' with {len(params)} parameters is not supported")


@handles("FusedMatMul", "TransposeMatMul", domain=MICROSOFT)
def fused_matmul(call: Call) -> None:
    if call.integer("transBatchA", 0) or call.integer("transBatchB", 0):
        raise Unsupported("transposed batches are not supported")
    sides = []
    for index, name in enumerate(("transA", "transB")):
        side = call.input(index)
        if call.integer(name, 0):
            rank = call.known_rank(index)
            if rank > 1:
                side = call.builder.transpose(side, [*range(rank - 2), rank - 1, rank - 2], call.name)
        sides.append(side)
    alpha = call.number("alpha", 1.0)
    if alpha == 1:
        call.finish("MatMul", sides)
    else:
        factor = call.add_constant(alpha, "alpha", call.dtype())
        call.finish("Mul", [call.make("MatMul", sides), factor])


@handles("CDist", "Gelu", "Inverse", "Tokenizer", domain=MICROSOFT)
def named_alike(call: Call) -> None:
    pass_through(call)


@handles("BiasGelu", "FastGelu", domain=MICROSOFT)
def bias_gelu(call: Call) -> None:
    x = call.make("Add", [call.input(0), call.input(1)]) if call.has(1) else call.input(0)
    call.finish("Gelu", [x], {"approximate": "tanh"} if call.op == "FastGelu" else {})


@handles("QuickGelu", domain=MICROSOFT)
def quick_gelu(call: Call) -> None:
    call.finish("SiLU", call.inputs, {"alpha": call.number("alpha", 1.702)})
