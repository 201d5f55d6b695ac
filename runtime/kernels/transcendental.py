"""exp, log and their relatives on Traced float32 vectors, by range reduction and minimax polynomials.

Coefficients were fitted in float64 (Lawson's reweighted least squares); the errors named are theirs, relative, before
rounding. NaN stays NaN, and no operation is undefined for any input.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..simd.traced import Traced, fma, maximum, minimum, quotient, where

LOG2_E = 1.44269504
LN2_HIGH, LN2_LOW = 0.693359375, -2.12194440e-4
"""ln 2 in two parts: a multiple of the first by up to 8 bits is exact (Cody & Waite, 1980)."""
ROUNDING = 12582912.0
"""1.5 * 2^23: added to a float32 of up to 22 bits, it leaves the nearest integer in the low bits of the sum."""
ONE_BITS, SQRT_HALF_BITS = 0x3F800000, 0x3F3504F3
SMALLEST_NORMAL = 1.17549435e-38
LEAST, MOST = -88.0, 88.8
"""Where the power of two in `exponential` is exactly 0 and exactly infinite."""
EXP_LEAST, EXP_MOST = -87.3365447, 88.7228317
"""ln of the smallest normal and of the largest float32, from within."""

EXP = (1.0, 0.9999997019767761, 0.4999914765357971, 0.1666763871908188, 0.04189816117286682, 0.00829027034342289)
"""e^r for |r| <= ln(2) / 2: error 9.2e-8."""
EXPM1 = (0.4999999701976776, 0.1666654348373413, 0.04166720062494278, 0.008366547524929047, 0.0013882514322176576)
"""(e^r - 1 - r) / r^2 for the same r: error of e^r - 1 1.3e-8."""
LOG = (0.3333338797092438, 0.19988787174224854, 0.1493547260761261)
"""(atanh(s) / s - 1) / s^2 in s^2 for |s| <= (sqrt(2) - 1) / (sqrt(2) + 1): error of atanh 8e-10."""
LOG1P = (0.3333320915699005, 0.2001076340675354, 0.14000900089740753, 0.14006003737449646)
"""The same for |s| <= 1/3: error 4.5e-9."""
TANH_BOUND = 9.02
TANH = (
    (0.9999999790448196, 0.13379721416116833, 0.0034940385603249823, 2.05835421167561e-05, 1.3319146945618275e-08),
    (1.0, 0.4671303666402472, 0.02587108874598437, 0.0003283099166355074, 7.762052110768745e-07),
)
"""tanh(x) / x in x^2 for |x| <= TANH_BOUND, as numerator and denominator: error 2.1e-8."""
ERF_BOUND = 3.93
ERF = (
    (1.12837914538, 0.1907832419, 0.0527902072089, 0.00377958353567, 0.000284807946021, 2.04197437e-06),
    (1.0, 0.502409965682, 0.114257277912, 0.0149973862768, 0.00116520632205, 3.80040775e-05),
)
"""erf(x) / x in x^2 for |x| <= ERF_BOUND: error 1.9e-8."""


def polynomial(x: Traced, coefficients: Sequence[Traced | float]) -> Traced:
    """coefficients[0] + coefficients[1] * x + ... by Horner's rule; at least two coefficients."""
    *rest, last = coefficients
    value: Traced | float = last
    for coefficient in reversed(rest):
        value = fma(x, value, coefficient)
    assert isinstance(value, Traced)
    return value


def _reduced(x: Traced, sign: int) -> tuple[Traced, Traced]:
    """(sign * r, the integer n in the low bits of a float) with sign * x = n * ln 2 + r."""
    shifted = fma(x, sign * LOG2_E, ROUNDING)
    n = shifted - ROUNDING
    return fma(n, -sign * LN2_LOW, fma(n, -sign * LN2_HIGH, x)), shifted


def exponential(x: Traced, sign: int = 1) -> tuple[Traced, Traced]:
    """Two factors of e^(sign * x): one near 1, and a power of two, so that e^x + c is one multiply-add.

    Below e^-87.7 the power is 0 and above e^88.3 infinite.
    """
    low, high = (LEAST, MOST) if sign > 0 else (-MOST, -LEAST)
    r, shifted = _reduced(clip(x, low, high), sign)
    return polynomial(r, [c * sign**i for i, c in enumerate(EXP)]), _power(shifted)


def _power(shifted: Traced) -> Traced:
    return ((shifted.bits() << 23) + ONE_BITS).from_bits()


def clip(x: Traced, low: Traced | float, high: Traced | float) -> Traced:
    return minimum(maximum(x, low), high)


def exp(x: Traced) -> Traced:
    """Up to the largest float32; 3 ulp."""
    r, shifted = _reduced(clip(x, EXP_LEAST, EXP_MOST), 1)
    y = (polynomial(r, EXP).bits() + (shifted.bits() << 23)).from_bits()
    y = where(x.compare("<=", EXP_MOST), y, x * float("inf"))
    return where(x.compare("<", EXP_LEAST), 0.0, y)


def expm1(x: Traced) -> Traced:
    """e^x - 1 for x <= 0; above it is undefined, but no trap; 3 ulp."""
    r, shifted = _reduced(maximum(x, -25.0), 1)
    power = _power(shifted)
    return fma(power, fma(r * r, polynomial(r, EXPM1), r), power - 1.0)


def logistic(x: Traced, numerator: Traced | float = 1.0) -> Traced:
    """numerator / (1 + e^-x); 4 ulp of 1 / (1 + e^-x)."""
    near, power = exponential(x, -1)
    return quotient(numerator, fma(near, power, 1.0))


def log(x: Traced) -> Traced:
    """3 ulp; -inf at 0, NaN below."""
    exponent = (x.bits() - SQRT_HALF_BITS) >> 23
    f = (x.bits() - (exponent << 23)).from_bits() - 1.0
    n = exponent.to_float()
    y = fma(n, LN2_HIGH, fma(n, LN2_LOW, _atanh2(quotient(f, f + 2.0), LOG)))
    y = where(x.compare("<", SMALLEST_NORMAL), where(x.compare("<", 0.0), float("nan"), x.like(float("-inf"))), y)
    return where(x.compare("<", float("inf")), y, x)


def log1p(x: Traced) -> Traced:
    """ln(1 + x) for 0 <= x <= 1; 4 ulp."""
    return _atanh2(quotient(x, x + 2.0), LOG1P)


def _atanh2(s: Traced, coefficients: Sequence[float]) -> Traced:
    """2 atanh(s)."""
    z = s * s
    twice = s + s
    return fma(twice, z * polynomial(z, coefficients), twice)


def tanh(x: Traced) -> Traced:
    """6 ulp."""
    return _odd(x, TANH_BOUND, *TANH)


def erf(x: Traced) -> Traced:
    """7 ulp."""
    return _odd(x, ERF_BOUND, *ERF)


def _odd(x: Traced, bound: float, numerator: Sequence[float], denominator: Sequence[float]) -> Traced:
    """An odd rational function that has reached +-1 where |x| = bound."""
    x = clip(x, -bound, bound)
    z = x * x
    return clip(quotient(x * polynomial(z, numerator), polynomial(z, denominator)), -1.0, 1.0)
