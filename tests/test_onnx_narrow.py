"""Floats of formats that NumPy lacks: every bit pattern read, and numbers rounded, as by ml_dtypes."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("ml_dtypes")

from onnx import helper
from op_cases import run_reference

from millijoule.converters.onnx.external import Files
from millijoule.converters.onnx.tensors import NARROW_FLOATS, to_array
from millijoule.runtime.ops.round_to_format import FORMATS

NAMES = {"float8e4m3fn": "float8_e4m3fn", "float8e4m3fnuz": "float8_e4m3fnuz", "float8e5m2": "float8_e5m2",
         "float8e5m2fnuz": "float8_e5m2fnuz", "float4e2m1": "float4_e2m1fn"}  # fmt: skip
"""ml_dtypes' names, where they are others than ONNX's."""


@pytest.mark.parametrize("code", NARROW_FLOATS)
def test_every_bit_pattern(code: int) -> None:
    name = NARROW_FLOATS[code]
    form = FORMATS[name]
    bits = 1 + form.exponent + form.mantissa
    patterns = np.arange(1 << bits, dtype=np.uint16 if bits > 8 else np.uint8)
    stored = patterns[0::2] | patterns[1::2] << 4 if bits == 4 else patterns
    tensor = helper.make_tensor("w", code, [1 << bits], stored.tobytes(), raw=True)
    wanted = patterns.view(NAMES.get(name, name)).astype(np.float32)
    np.testing.assert_array_equal(to_array(tensor, Files(None), allow_nan=True), wanted)


@pytest.mark.parametrize("name", FORMATS)
def test_rounding(name: str) -> None:
    """Halfway between neighbours, far below and above; ml_dtypes does not saturate."""
    form = FORMATS[name]
    known = form.decode(np.arange(1 << (form.exponent + form.mantissa), dtype=np.uint16))
    known = np.unique(known[np.isfinite(known)]).astype(np.float64)
    between = (known[1:] + known[:-1]) / 2
    x = np.concatenate([known, between, np.nextafter(between, 0), [form.most * 1.01, form.most * 4, 1e-30, np.nan]])
    x = np.concatenate([x, -x]).clip(-3.4e38, 3.4e38).astype(np.float32)
    wanted = x.astype(NAMES.get(name, name)).astype(np.float32)
    np.testing.assert_array_equal(run_reference("RoundToFormat", x, format=name, saturate=0)[0], wanted)
    [saturated] = run_reference("RoundToFormat", np.array([np.inf, -np.inf], np.float32), format=name)
    np.testing.assert_array_equal(saturated, [form.most, -form.most] if form.saturates else [np.inf, -np.inf])
