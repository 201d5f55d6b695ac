"""Vector functions: every one of them against float64, on every target that runs here, from one kernel that has all."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pytest
from kernel_cases import SMALLEST, TARGETS, run_kernel, ulps

from millijoule.runtime.compiler.abi import Int, Ptr
from millijoule.runtime.kernels.functions import BINARY, FUNCTIONS
from millijoule.runtime.lowering.function_form import function_form
from millijoule.runtime.ops import activation
from millijoule.runtime.ops import unary_functions as f
from millijoule.runtime.ops.registry import Op, find, names
from millijoule.runtime.targets.target import resolve

pytestmark = pytest.mark.skipif(not TARGETS, reason="this system runs no compiled kernels")

EXACT = 0.51
"""Units in the last place of one correctly rounded operation."""
FEW = 4.0
"""Of a polynomial, a division and what is around them."""
RATIONAL = 7.0
"""Of the ratio of two polynomials, near 1, where the unit is smallest."""
NEWTON = 2.0
"""What a division by Newton steps (Arm) adds."""
ABSOLUTE = 3e-7
"""Times max(|x|, 1): of sums that cancel, as the NumPy references' do too."""
UNDERFLOW = 1e-36
"""Products with a power of two may become zero below this."""


@dataclass(frozen=True)
class Case:
    """A function with parameters, its definition in float64 and its tolerance in units in the last place, or
    absolute."""

    name: str
    exact: Callable[[np.ndarray], np.ndarray]
    ulp: float = EXACT
    params: Sequence[float] = field(default=())
    absolute: float = 0.0


def erf(x: np.ndarray) -> np.ndarray:
    return np.array([math.erf(v) for v in x.tolist()])


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def elu(x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    return np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x)


ALPHA = float(np.float32(0.3))
BETA = float(np.float32(0.6))
CASES = [
    Case("Relu", lambda x: np.maximum(x, 0)),
    Case("Relu6", lambda x: np.clip(x, 0, 6)),
    Case("ReluN1To1", lambda x: np.clip(x, -1, 1)),
    Case("Clip", lambda x: np.clip(x, -ALPHA, BETA), params=[-ALPHA, BETA]),
    Case("Clip", lambda x: np.minimum(x, -ALPHA), params=[-math.inf, -ALPHA]),
    Case("Clip", lambda x: np.where(np.isnan(x), x, -ALPHA), params=[BETA, -ALPHA]),
    Case("LeakyRelu", lambda x: np.where(x < 0, np.float32(0.01) * x, x)),
    Case("LeakyRelu", lambda x: np.where(x < 0, -ALPHA * x, x), params=[-ALPHA]),
    Case("HardSigmoid", lambda x: np.clip(0.2 * x + 0.5, 0, 1), absolute=ABSOLUTE),
    Case("HardSigmoid", lambda x: np.clip(ALPHA * x + BETA, 0, 1), params=[ALPHA, BETA], absolute=ABSOLUTE),
    Case("HardSwish", f.hard_swish, absolute=ABSOLUTE),
    Case("Sigmoid", sigmoid, FEW),
    Case("SiLU", lambda x: x * sigmoid(x), FEW),
    Case("SiLU", lambda x: x * sigmoid(ALPHA * x), FEW, [ALPHA], absolute=ABSOLUTE),
    Case("Tanh", np.tanh, RATIONAL),
    Case("Erf", erf, RATIONAL),
    Case("Gelu", lambda x: 0.5 * x * (1 + erf(x * math.sqrt(0.5))), absolute=ABSOLUTE),
    Case("Gelu", lambda x: f.gelu(x, True), params=[1.0], absolute=ABSOLUTE),
    Case("Softplus", lambda x: np.logaddexp(x, 0), FEW),
    Case("Softsign", f.softsign, 1.5),
    Case("Mish", lambda x: x * np.tanh(np.logaddexp(x, 0)), FEW + 2),
    Case("Elu", elu, FEW),
    Case("Elu", lambda x: elu(x, -ALPHA), FEW, [-ALPHA]),
    Case("Selu", f.selu, FEW, [f.SELU_ALPHA, f.SELU_GAMMA]),
    Case("Selu", lambda x: BETA * elu(x, ALPHA), FEW, [ALPHA, BETA]),
    Case("Celu", elu, FEW),
    Case("Celu", lambda x: np.where(x < 0, ALPHA * np.expm1(x / ALPHA), x), FEW, [ALPHA], absolute=ABSOLUTE),
    Case("ThresholdedRelu", lambda x: np.where(x > 1, x, 0)),
    Case("ThresholdedRelu", lambda x: np.where(x > ALPHA, x, 0), params=[ALPHA]),
    Case("Shrink", lambda x: np.where(np.abs(x) > 0.5, x, 0)),
    Case("Shrink", lambda x: np.where(np.abs(x) > BETA, x - np.sign(x) * ALPHA, 0), params=[ALPHA, BETA]),
    Case("Exp", np.exp, FEW),
    Case("Log", np.log, FEW),
    Case("Sqrt", np.sqrt),
    Case("Reciprocal", lambda x: 1 / x),
    Case("Abs", np.abs),
    Case("Neg", np.negative),
    Case("Sign", np.sign),
    Case("Floor", np.floor),
    Case("Ceil", np.ceil),
    Case("Round", np.rint),
    Case("Square", np.square),
    Case("Cube", lambda x: x**3, 1.5),
    Case("Affine", lambda x: x * ALPHA + BETA, params=[ALPHA, BETA], absolute=ABSOLUTE),
    Case("ReluAffine", lambda x: np.maximum(x, 0) * -ALPHA + BETA, params=[-ALPHA, BETA], absolute=ABSOLUTE),
    Case("HardSwishAffine", lambda x: f.hard_swish(x) * ALPHA + BETA, params=[ALPHA, BETA], absolute=ABSOLUTE),
    Case("SigmoidAffine", lambda x: sigmoid(x) * ALPHA - BETA, params=[ALPHA, -BETA], absolute=ABSOLUTE),
    Case("TanhAffine", lambda x: np.tanh(x) * ALPHA + BETA, params=[ALPHA, BETA], absolute=ABSOLUTE),
    Case("SiLUAffine", lambda x: x * sigmoid(x) * ALPHA + BETA, params=[ALPHA, BETA], absolute=ABSOLUTE),
    Case("SoftplusAffine", lambda x: np.logaddexp(x, 0) * ALPHA - BETA, params=[ALPHA, -BETA], absolute=ABSOLUTE),
]
IDS = [case.name + "".join(f" {p:g}" for p in case.params) for case in CASES]

EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -0.5, -2.5, 6.0, -3.0, 3.0, np.inf, -np.inf, np.nan]
LIMITS = [-87.33654, -87.33655, -88.3, 88.3, 88.72283, 88.72284, 9.01, 9.02, 3.92, 3.93, 2.0**22, 2.0**23, 3e38, -3e38]
PAYLOADS = np.array([0x7FC00001, 0xFFFFFFFF, 0x7FFFFFFF], np.uint32).view(np.float32)


@cache
def samples() -> np.ndarray:
    """Every exponent, the ranges where functions bend, their edges, and NaNs with odd bits."""
    random = np.random.default_rng(11)
    any_bits = random.integers(0, 2**32, 4000, dtype=np.uint64).astype(np.uint32).view(np.float32)
    bends = [random.uniform(-size, size, 4000) for size in (0.1, 1, 10, 100)]
    points = np.concatenate([*bends, EDGES, LIMITS, -np.array(LIMITS)]).astype(np.float32)
    x = np.concatenate([any_bits, points, PAYLOADS])
    # Nearer to zero than a normal number, what is computed depends on the mode that the step loop sets.
    x = x[(np.abs(x) >= SMALLEST) | (x == 0) | np.isnan(x)]
    return np.resize(x, -(-x.size // 64) * 64)


def every_function(isa: Any, calls: Sequence[tuple[str, Sequence[float]]]) -> Callable[..., None]:
    """Chunk i: one vector of x; the j-th call's results are at y + j * pitch."""
    from llvmlite import ir
    from numba.core import types

    from millijoule.runtime.kernels.functions import bind
    from millijoule.runtime.simd.traced import Traced
    from millijoule.runtime.simd.vector import ELEMENTS, load_at, primitive, store_at

    kind = ir.VectorType(ELEMENTS["f32"], isa.lanes)

    def emit(b: ir.IRBuilder, c: Any, k: Any, x: ir.Value, y: ir.Value, pitch: ir.Value) -> ir.Value:
        value = Traced(b, load_at(b, x, kind), isa.target)
        for name, params in calls:
            form = function_form(name, params)
            store_at(b, bind(form.function).compute(value, *map(value.like, form.numbers)).value, y)
            y = b.add(y, pitch)
        return c.get_dummy_value()

    step, size = primitive(lambda x, y, pitch: types.none, emit), 4 * isa.lanes

    def kernel(start: Int, stop: Int, x: Ptr, y: Ptr, pitch: Int) -> None:
        for i in range(start, stop):
            step(x + i * size, y + i * size, pitch)

    return kernel


@cache
def results(target: str) -> np.ndarray:
    """(cases, samples)."""
    x = samples()
    y = np.zeros((len(CASES), x.size), np.float32)
    calls = [[case.name, list(map(float, case.params))] for case in CASES]
    chunks = x.nbytes // resolve(target).vector_bytes
    run_kernel(every_function, {"calls": calls}, target, 0, chunks, x=x, y=y, pitch=x.nbytes)
    return y


@pytest.mark.parametrize("index", [i for i, case in enumerate(CASES) if not case.params and find(case.name)])
def test_what_is_not_a_number_is_what_the_reference_makes_of_it(index: int) -> None:
    op = find(CASES[index].name)
    assert op is not None
    x, got = samples(), results("host")[index]
    with np.errstate(all="ignore"):
        wanted = op.reference(x)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(wanted))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("index", range(len(CASES)), ids=IDS)
def test_function_is_that_of_float64_to_a_few_units_in_the_last_place(index: int, target: str) -> None:
    case, x, got = CASES[index], samples(), results(target)[index]
    with np.errstate(all="ignore"):
        exact = np.asarray(case.exact(x.astype(np.float64)), np.float64)
    assert not np.isnan(got[~np.isnan(exact)]).any()
    assert np.isnan(got[np.isnan(exact)]).all()
    distance = ulps(got, exact)
    with np.errstate(invalid="ignore"):
        error = np.abs(got - exact)
        near = (error <= UNDERFLOW) | (error <= case.absolute * np.maximum(np.abs(x), 1))
    allowed = case.ulp + (NEWTON if case.ulp > 2 else 0)
    bad = np.flatnonzero((distance > allowed) & ~near)
    shown = [(float(x[i]), float(got[i]), float(exact[i]), round(float(distance[i]), 2)) for i in bad[:5]]
    assert not bad.size, f"{bad.size} results are off, such as (x, result, exact, ulp) {shown}"


@pytest.mark.parametrize("target", TARGETS)
def test_bounded_functions_stay_within_their_bounds(target: str) -> None:
    y = results(target)
    for name, low, high in (
        ("Sigmoid", 0, 1),
        ("Tanh", -1, 1),
        ("Erf", -1, 1),
        ("HardSigmoid", 0, 1),
        ("Exp", 0, np.inf),
    ):
        found = y[IDS.index(name)]
        assert np.nanmin(found) >= low and np.nanmax(found) <= high
        at_infinity = dict(zip(samples().tolist(), found.tolist(), strict=True))
        assert (at_infinity[-np.inf], at_infinity[np.inf]) == (low, high)


def test_every_fusable_activation_has_a_vector_function() -> None:
    assert set(activation.FUNCTIONS) <= set(FUNCTIONS)
    assert set(FUNCTIONS) == {function_form(case.name, case.params).function for case in CASES}


def test_functions_are_those_of_the_operators() -> None:
    """Square and Cube are Pow's."""
    assert set(FUNCTIONS) - {"Square", "Cube", "GeluTanh", "SiLUScaled", *activation.AFFINE} == {
        name for name in names() if operator(name).work is not None
    }
    assert all(operator(name).elementwise for name in names() if operator(name).work is not None)
    assert all(operator(name).broadcasts for name in BINARY)


def operator(name: str) -> Op:
    found = find(name)
    assert found is not None
    return found
