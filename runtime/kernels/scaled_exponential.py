"""e^x as m * 2^n, m near 1 and n an integer of any size, after Dukhan & Ablavatski, "Two-pass softmax" (2020).

A sum of exponentials then needs no maximum first: terms are added as m * 2^(n - reference), whatever the reference is
as long as it is not far from the largest n.

Where a register holds a table of powers of two, n is a multiple of 1 / 16 (AVX512) or 1 / 8 (AVX2), and its fraction
picks from the table: that shortens the polynomial by two of the multiplications that bound the speed of exponentials.
"""

from __future__ import annotations

import numpy as np

from ..simd.traced import Traced, fma, maximum, where
from ..targets.target import Target
from .transcendental import EXPM1, LN2_HIGH, LOG2_E, polynomial

LN2 = (0.6931471824645996, -1.9046542121259336e-09)
"""ln 2 in two parts, for fused multiply-adds, where n may have 22 bits."""
LN2_SHORT = (LN2_HIGH, -2.1219253540039062e-04, -1.904654299957768e-09)
"""In three, of which multiples of the first two by up to 14 bits are exact."""
LIMIT, LIMIT_WITHOUT_FMA = 1e5, 1e4
"""|x| up to which m has its full accuracy: 2 ulp."""
FLOOR = -1.5e5
"""To which smaller numbers, -infinity among them, may be clamped, as long as another is not below -LIMIT: either is
then nothing beside it."""
SPAN = 60
"""Powers of two by which a term may exceed the reference: the sum of 2^40 such terms is still finite."""

MANTISSA_BITS, BIAS = 23, 127
EXP = (1.0, 0.999999463558197, 0.4999912977218628, 0.1666816771030426, 0.041900452226400375, 0.008263635449111462)
"""e^r for |r| <= 1.004 * ln(2) / 2, as n is not quite the nearest where x is large: error 1.1 units in the last place,
which is what it was fitted in."""
EXP_BEHIND_8 = (1.0, 1.0, 0.50006, 0.16676)
"""e^r for |r| <= 1.03 * ln(2) / 16: error 5.3e-8, but 3.9e-8 above 1, where the rounding costs more."""
EXP_BEHIND_16 = (1.0, 1.0, 0.5000161528587341, 0.166667178273201)
"""e^r for |r| <= ln(2) / 32: error 1.6e-9."""


def limit(target: Target) -> float:
    return LIMIT if target.fma else LIMIT_WITHOUT_FMA


def _grid_bits(target: Target) -> int:
    """n is a multiple of 2^-bits."""
    if target.avx512:
        return 4
    return 3 if target.avx2 else 0


def _rounding(target: Target) -> float:
    """Added to a float32, it leaves the nearest multiple of the grid in the low bits of the sum."""
    return float(np.float32(1.5 * 2.0 ** (MANTISSA_BITS - _grid_bits(target))))


def zero_bits(target: Target) -> tuple[int, int]:
    """(the bits of `shifted` of 0, by how many bits they are shifted to the left of n's)."""
    return int(np.float32(_rounding(target)).view(np.int32)), _grid_bits(target)


def shifted(x: Traced) -> Traced:
    """A float that holds n in its low bits, in order of n."""
    return fma(x, LOG2_E, _rounding(x.target))


def _reduced(x: Traced) -> tuple[Traced, Traced]:
    """(r, n) with x = n ln 2 + r."""
    n = shifted(x) - _rounding(x.target)
    if x.target.fma:
        return fma(n, -LN2[1], fma(n, -LN2[0], x)), n
    return fma(n, -LN2_SHORT[2], fma(n, -LN2_SHORT[1], fma(n, -LN2_SHORT[0], x))), n


def _powers(x: Traced, factor: Traced | float) -> Traced:
    """factor * 2^(0, 1 / steps, 2 / steps, ...)."""
    steps = 1 << _grid_bits(x.target)
    return x.constant([float(power) for power in np.exp2(np.arange(steps) / steps).astype(np.float32)]) * factor


def _power_of_16(x: Traced, n: Traced, reference: Traced, factor: Traced | float) -> Traced:
    """factor * 2^(n - reference)."""
    return _powers(x, factor).permuted(shifted(x).bits()).scaled(n - reference.to_float())


def _least_of_8(reference: Traced, factor: Traced) -> Traced:
    """The bits of `shifted` from which on factor * 2^(n - reference) is not below 2^-126."""
    zero, bits = zero_bits(reference.target)
    return ((reference + 1 - (factor.bits() >> MANTISSA_BITS)) << bits) + zero


def _power_of_8(place: Traced, reference: Traced, factor: Traced) -> Traced:
    """factor * 2^(n - reference), of the bits of `shifted`, not below _least_of_8.

    The exponent is added to the bits of a power from the table, from which what the fraction of n adds is taken off.
    """
    zero, bits = zero_bits(place.target)
    above = MANTISSA_BITS - bits
    added = (((reference << bits) + zero) + place.constant(range(1 << bits))) << above
    table = _powers(factor, factor).bits() - added
    return (table.permuted(place) + (place << above)).from_bits()


def _in_two(x: Traced, reference: Traced, factor: Traced) -> tuple[Traced, Traced, Traced]:
    """(m, w, whether w is not below 2^-126), with m * w = factor * e^x * 2^-reference; w is worthless below."""
    r, _ = _reduced(x)
    place = shifted(x).bits()
    normal = place.compare(">=", _least_of_8(reference, factor))
    return polynomial(r, EXP_BEHIND_8), _power_of_8(place, reference, factor), normal


def _power(x: Traced, reference: Traced) -> Traced:
    """2^(n - reference), 0 below 2^-126."""
    least = reference + (zero_bits(x.target)[0] - BIAS)
    return ((maximum(shifted(x).bits(), least) - least) << MANTISSA_BITS).from_bits()


def _mantissa(r: Traced) -> Traced:
    """e^r for |r| <= ln(2) / 2."""
    if r.target.fma:
        return polynomial(r, EXP)
    return fma(r * r, polynomial(r, EXPM1), r) + 1.0


def term(total: Traced, x: Traced, reference: Traced) -> Traced:
    """total + e^x * 2^-reference, of an int32 reference, the same in every lane. Of -infinity, it is NaN."""
    r, n = _reduced(x)
    if x.target.avx512:
        return fma(polynomial(r, EXP_BEHIND_16), _power_of_16(x, n, reference, 1.0), total)
    if x.target.avx2:
        # 2^-126 is nothing beside a sum, so that what is smaller need not be 0.
        one = x.like(1.0)
        place = maximum(shifted(x).bits(), _least_of_8(reference, one))
        return fma(polynomial(r, EXP_BEHIND_8), _power_of_8(place, reference, one), total)
    return fma(_mantissa(r), _power(x, reference), total)


def term_below(total: Traced, x: Traced, top: Traced) -> Traced:
    """total + e^(x - top)."""
    return term(total, maximum(x - top, FLOOR), x.bits().like(0))


def scaled(x: Traced, reference: Traced, factor: Traced) -> Traced:
    """factor * e^x * 2^-reference, of a normal factor; of -infinity, it is NaN. The factor is taken into the table or
    into the coefficients, once per loop."""
    r, n = _reduced(x)
    if x.target.avx512:
        return polynomial(r, EXP_BEHIND_16) * _power_of_16(x, n, reference, factor)
    if x.target.avx2:
        near, power, normal = _in_two(x, reference, factor)
        return near * where(normal, power, 0.0)
    if x.target.fma:
        return polynomial(r, [x.like(c) * factor for c in EXP]) * _power(x, reference)
    return _mantissa(r) * factor * _power(x, reference)


def scaled_or_zero(x: Traced, reference: Traced, factor: Traced) -> Traced:
    """factor * e^x * 2^-reference of what is not NaN; 0 of -infinity."""
    if x.target.avx2 and not x.target.avx512:
        near, power, normal = _in_two(x, reference, factor)
        return where(normal, near * power, 0.0)
    # Of negative floats, the larger have the smaller bit patterns; no others are above that of FLOOR.
    floor = int(np.float32(FLOOR).view(np.uint32))
    return scaled(x.bits().llvm("umin", floor).from_bits(), reference, factor)


def scaled_below(x: Traced, top: Traced, factor: Traced) -> Traced:
    """factor * e^(x - top)."""
    return scaled(maximum(x - top, FLOOR), x.bits().like(0), factor)
