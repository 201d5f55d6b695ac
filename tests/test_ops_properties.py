"""Properties of operators that only shapes and order matter to, on random shapes with empty dimensions among them."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from op_cases import run_reference

SHAPES = st.lists(st.integers(0, 4), min_size=0, max_size=4).map(tuple)
NONEMPTY = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
BOUND = st.one_of(st.integers(-6, 6), st.sampled_from([-(2**63), 2**63 - 1]))

quick = settings(max_examples=60, deadline=None)


def counted(shape: tuple[int, ...]) -> np.ndarray:
    """Elements that are all different, so that a wrong order shows."""
    return np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


@quick
@given(SHAPES, st.data())
def test_slice_is_python_slicing(shape: tuple[int, ...], data: st.DataObject) -> None:
    axes = data.draw(st.permutations(range(len(shape))))[: data.draw(st.integers(0, len(shape)))]
    bounds = [(data.draw(BOUND), data.draw(BOUND), data.draw(st.sampled_from([-3, -1, 1, 2, 2**63 - 1]))) for _ in axes]
    index = [slice(None)] * len(shape)
    for axis, bound in zip(axes, bounds, strict=True):
        index[axis] = slice(*bound)
    starts, ends, steps = (ints(*column) for column in (zip(*bounds, strict=True) if bounds else ((), (), ())))
    signed = ints(*(axis - len(shape) if data.draw(st.booleans()) else axis for axis in axes))
    found = run_reference("Slice", counted(shape), starts, ends, signed, steps)[0]
    np.testing.assert_array_equal(found, counted(shape)[tuple(index)])


@quick
@given(NONEMPTY, st.sampled_from(["constant", "reflect", "edge", "wrap"]), st.data())
def test_pad_is_numpy_s(shape: tuple[int, ...], mode: str, data: st.DataObject) -> None:
    widths = [(data.draw(st.integers(0, 6)), data.draw(st.integers(0, 6))) for _ in shape]
    pads = ints(*(begin for begin, _ in widths), *(end for _, end in widths))
    found = run_reference("Pad", counted(shape), pads, mode=mode)[0]
    np.testing.assert_array_equal(found, np.pad(counted(shape), widths, mode))  # type: ignore[call-overload]


@quick
@given(SHAPES, st.data())
def test_negative_pads_undo_positive_ones(shape: tuple[int, ...], data: st.DataObject) -> None:
    widths = ints(*(data.draw(st.integers(0, 5)) for _ in range(2 * len(shape))))
    padded = run_reference("Pad", counted(shape), widths, np.array(-1, np.float32))[0]
    np.testing.assert_array_equal(run_reference("Pad", padded, -widths)[0], counted(shape))


@quick
@given(SHAPES, st.data())
def test_transpose_is_undone_by_its_inverse(shape: tuple[int, ...], data: st.DataObject) -> None:
    perm = list(data.draw(st.permutations(range(len(shape)))))
    turned = run_reference("Transpose", counted(shape), perm=perm)[0]
    assert turned.shape == tuple(shape[axis] for axis in perm)
    back = run_reference("Transpose", turned, perm=np.argsort(perm).tolist())[0]
    np.testing.assert_array_equal(back, counted(shape))


@quick
@given(NONEMPTY, st.data())
def test_concat_joins_what_split_parts(shape: tuple[int, ...], data: st.DataObject) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    cuts = sorted(data.draw(st.lists(st.integers(0, shape[axis]), max_size=3)))
    sizes = np.diff([0, *cuts, shape[axis]])
    parts = run_reference("Split", counted(shape), ints(*sizes), outputs=len(sizes), axis=axis)
    np.testing.assert_array_equal(run_reference("Concat", *parts, axis=axis)[0], counted(shape))


@quick
@given(SHAPES, st.data())
def test_reshape_keeps_order(shape: tuple[int, ...], data: st.DataObject) -> None:
    target = list(data.draw(st.permutations(shape)))
    if target and 0 not in target:
        target[data.draw(st.integers(0, len(target) - 1))] = -1
    found = run_reference("Reshape", counted(shape), ints(*target), allowzero=1)[0]
    np.testing.assert_array_equal(found.reshape(-1), counted(shape).reshape(-1))


@quick
@given(NONEMPTY, SHAPES, st.data())
def test_gather_picks_whole_slices(shape: tuple[int, ...], picked: tuple[int, ...], data: st.DataObject) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    size = shape[axis]
    flat = [data.draw(st.integers(-size, size - 1)) for _ in range(int(np.prod(picked)))]
    indices = np.array(flat, np.int32).reshape(picked)
    found = run_reference("Gather", counted(shape), indices, axis=axis)[0]
    np.testing.assert_array_equal(found, np.take(counted(shape), indices % size, axis))


@quick
@given(SHAPES, st.sampled_from(["Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSumExp"]), st.data())
def test_reductions_of_any_axes(shape: tuple[int, ...], name: str, data: st.DataObject) -> None:
    axes = data.draw(st.permutations(range(len(shape))))[: data.draw(st.integers(0, len(shape)))]
    keepdims = data.draw(st.integers(0, 1))
    x = np.cos(counted(shape))
    found = run_reference(f"Reduce{name}", x, ints(*axes), keepdims=keepdims, noop_with_empty_axes=1)[0]
    reduced = tuple(axes)
    with np.errstate(all="ignore"):
        wanted = {
            "Sum": lambda: x.sum(reduced),
            "Mean": lambda: x.sum(reduced) / np.float32(np.prod([shape[axis] for axis in axes])),
            "Max": lambda: x.max(reduced, initial=-np.inf),
            "Min": lambda: x.min(reduced, initial=np.inf),
            "Prod": lambda: x.prod(reduced),
            "L1": lambda: np.abs(x).sum(reduced),
            "L2": lambda: np.sqrt((x * x).sum(reduced)),
            "LogSumExp": lambda: np.log(np.exp(x).sum(reduced)),
        }[name]()
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted, rtol=1e-4, atol=1e-5)


@quick
@given(NONEMPTY, st.integers(0, 5), st.sampled_from([0, 1]))
def test_top_k_is_the_end_of_a_sort(shape: tuple[int, ...], k: int, largest: int) -> None:
    data = np.round(3 * np.sin(counted(shape)))
    k = min(k, shape[-1])
    values, indices = run_reference("TopK", data, ints(k), outputs=2, largest=largest)
    ordered = np.sort(data, -1)
    np.testing.assert_array_equal(values, ordered[..., ::-1][..., :k] if largest else ordered[..., :k])
    np.testing.assert_array_equal(np.take_along_axis(data, indices, -1), values)


@quick
@given(st.data())
def test_einsum_infers_what_it_computes(data: st.DataObject) -> None:
    sizes = {letter: data.draw(st.integers(0, 3)) for letter in "abcd"}
    terms = [data.draw(st.lists(st.sampled_from("abcd"), max_size=3)) for _ in range(data.draw(st.integers(1, 3)))]
    used = sorted({letter for term in terms for letter in term})
    right = data.draw(st.permutations(used))[: data.draw(st.integers(0, len(used)))]
    inputs = [np.cos(counted(tuple(sizes[letter] for letter in term))) for term in terms]
    equation = ",".join("".join(term) for term in terms) + "->" + "".join(right)
    found = run_reference("Einsum", *inputs, equation=equation)[0]
    np.testing.assert_allclose(found, np.einsum(equation, *inputs), rtol=1e-4, atol=1e-5)
