"""All rewrites in the order in which they prepare the ground for each other."""

from __future__ import annotations

import os

from ...runtime.graph import Graph, subgraphs
from .absorbing_operand import absorbing_operand
from .clip_forms import clip_from_min_max, merge_clips, name_clip
from .common_subexpressions import merge_common_subexpressions
from .concat_to_pad import concat_to_pad
from .decompose_batch_norm import decompose_batch_norm
from .drop_expand import drop_expand
from .drop_implied_clamp import drop_implied_clamp
from .dynamic_product import fuse_dynamic_bias, fuse_dynamic_product, sink_transpose_below_dynamic_quantizer
from .focus_to_conv import focus_to_conv
from .fold_constants import fold_constants, fold_small_dequantize
from .fold_input_offset import fold_input_offset
from .fold_input_scale import fold_input_scale
from .fold_offset import fold_offset
from .fold_pad import fold_pad
from .fold_scale import fold_scale
from .fold_shape import fix_reshape_target, fold_shape
from .framework import shapes
from .framework.indexed import IndexedGraph
from .framework.rewriter import Rewrite, Rewriter
from .fuse_activation import fuse_activation, fuse_clamp
from .fuse_affine import fuse_affine
from .fuse_residual import fuse_residual
from .gather_stored import gather_stored
from .gather_to_slice import gather_to_slice
from .gelu import recognise_gelu
from .hard_swish import recognise_clipped_line, recognise_hard_sigmoid, recognise_hard_swish
from .hoist_to_constant import hoist_to_constant
from .hoist_transpose import hoist_transpose_above_reshape
from .mean_to_pool import mean_to_pool, whole_window_to_global_pool
from .merge_affine import merge_affine
from .merge_reshapes import merge_reshapes
from .merge_transposes import merge_transposes, order_ones
from .name_channels_last import name_channels_last
from .one_hot_product import look_up_one_hot
from .permute_product_weights import permute_product_weights
from .prelu import prelu_to_leaky_relu
from .qdq_annotate import annotate_dequantized, annotate_quantized, dequantize_from_signed, quantize_to_signed
from .qdq_cancel import cancel_quantize, merge_requantize
from .qdq_move import (
    clip_integers,
    concat_integers,
    move_integers,
    move_signed,
    pad_integers,
    quantize_before_moving,
    split_integers,
)
from .qdq_operator import quantize_operator
from .qdq_product import quantize_product
from .reinterpret import cancel_reinterpret, publish_quantized
from .remove_identity import remove_identity
from .remove_noop import remove_noop
from .silu import recognise_silu
from .simplify_pow import simplify_pow
from .sink_reshape import (
    sink_reshape_below_broadcasting,
    sink_reshape_below_concat,
    sink_reshape_below_quantizers,
    sink_reshape_below_unary,
)
from .sink_transpose import (
    sink_transpose_below_broadcasting,
    sink_transpose_below_quantizers,
    sink_transpose_below_unary,
)
from .sink_transpose_axis import (
    sink_transpose_below_arg_max,
    sink_transpose_below_concat,
    sink_transpose_below_lines,
    sink_transpose_below_reduction,
    sink_transpose_below_split,
)
from .sink_transpose_reshape import sink_transpose_below_reshape
from .sink_transpose_squeeze import sink_transpose_below_squeeze, sink_transpose_below_unsqueeze
from .sink_transpose_window import (
    sink_transpose_below_expand,
    sink_transpose_below_gather,
    sink_transpose_below_pad,
    sink_transpose_below_slice,
)
from .slice_of_split import slice_of_split
from .to_reshape import to_reshape
from .widen_half import widen_half

CLEAN = (
    *(fold_constants, fold_shape, fix_reshape_target, remove_identity, remove_noop, absorbing_operand),
    *(merge_common_subexpressions, hoist_to_constant, merge_reshapes, merge_transposes, order_ones),
)
"""Goes with every stage: what the others leave behind."""

NAMES = (
    *(name_clip, clip_from_min_max, merge_clips, recognise_silu, recognise_hard_sigmoid, recognise_hard_swish),
    *(recognise_clipped_line, recognise_gelu, prelu_to_leaky_relu),
)
"""Activations written out become one node, before anything pulls them apart."""

LAYOUT = (
    *(to_reshape, permute_product_weights, sink_transpose_below_unary, sink_transpose_below_broadcasting),
    *(sink_transpose_below_lines, sink_transpose_below_concat, sink_transpose_below_split),
    *(sink_transpose_below_reduction, sink_transpose_below_arg_max, sink_transpose_below_slice),
    *(sink_transpose_below_pad, sink_transpose_below_gather, sink_transpose_below_expand),
    *(sink_transpose_below_squeeze, sink_transpose_below_unsqueeze, sink_transpose_below_dynamic_quantizer),
    *(sink_transpose_below_reshape, sink_reshape_below_unary, sink_reshape_below_broadcasting),
    *(sink_reshape_below_concat, hoist_transpose_above_reshape),
    *(gather_to_slice, gather_stored, slice_of_split, concat_to_pad),
)

REAL_LAYOUT = (*LAYOUT, sink_transpose_below_quantizers, sink_reshape_below_quantizers)
"""Before integers are dealt with, Transposes move past quantizing nodes too."""

QUANTIZED = (
    *(annotate_quantized, annotate_dequantized, cancel_reinterpret, quantize_to_signed, dequantize_from_signed),
    *(cancel_quantize, merge_requantize, fuse_clamp, move_integers, concat_integers, pad_integers, split_integers),
    *(clip_integers, quantize_before_moving, move_signed, quantize_product, quantize_operator, publish_quantized),
)

FOLDING = (
    *(decompose_batch_norm, fold_scale, fold_offset, merge_affine, fold_input_scale, fold_input_offset, fold_pad),
    *(mean_to_pool, whole_window_to_global_pool, drop_expand, simplify_pow, focus_to_conv),
)
FUSION = (
    *(fold_small_dequantize, fuse_residual, fuse_activation, fuse_affine, drop_implied_clamp, fuse_dynamic_product),
    fuse_dynamic_bias,
)

STAGES: tuple[tuple[Rewrite, ...], ...] = (
    (*CLEAN, name_channels_last),
    CLEAN + NAMES,
    CLEAN + NAMES + REAL_LAYOUT + (decompose_batch_norm, fold_scale, fold_offset),
    CLEAN + QUANTIZED,
    CLEAN + NAMES + LAYOUT + FOLDING,
    CLEAN + LAYOUT + FOLDING + FUSION,
    (*CLEAN, look_up_one_hot),
)


UNFUSED = (*STAGES[:-2], CLEAN + LAYOUT + FOLDING)
"""A float graph that is to be quantized: a sum that a convolution takes in is no sum of integers any more."""


def rewrite(
    graph: Graph,
    debug: bool | None = None,
    outer: IndexedGraph | None = None,
    stages: tuple[tuple[Rewrite, ...], ...] = STAGES,
) -> dict[str, int]:
    """Rewrites the graph, in place, into what the runtime computes fastest. Names, order, shapes and layout of the
    public inputs and outputs stay.

    debug: check the graph after every change and raise RuntimeError where it is broken (default: whether
    MILLIJOULE_DEBUG is set). Returns how often each rewrite was applied.
    """
    if debug is None:
        debug = bool(os.environ.get("MILLIJOULE_DEBUG"))
    widened = outer is None and widen_half(graph)
    indexed = IndexedGraph(graph, outer)
    rewriter = Rewriter(indexed, debug)
    rewriter.remove_dead()
    indexed.sort()
    shapes.propagate(indexed, graph.nodes)
    for node in [node for node in graph.nodes if subgraphs(node)]:
        position = indexed.position(node)
        indexed.discard(node)
        for inner in subgraphs(node):
            for name, count in rewrite(inner, debug, indexed, stages).items():
                rewriter.applied[name] = rewriter.applied.get(name, 0) + count
        indexed.insert(node, position)
    if widened:
        rewriter.applied[widen_half.__name__] = 1
    for stage in stages:
        rewriter.run(stage)
    rewriter.remove_dead()
    indexed.sort()
    return rewriter.applied
