"""Attributes that ONNX defines for a few numbers only, most of them for 0 and 1."""

from __future__ import annotations

from .call import Call
from .job import Unsupported

SWITCHES = {
    *("align_corners", "allowzero", "antialias", "ceil_mode", "center_point_box", "count_include_pad"),
    *("detect_negative", "detect_positive", "exclude_outside", "exclusive", "fmod", "input_forget", "interleaved"),
    *("inverse", "is_causal", "keepdims", "largest", "layout", "linear_before_reset", "new_axis"),
    *("noop_with_empty_axes", "onesided", "periodic", "reverse", "saturate", "select_last_index", "sorted"),
    *("storage_order", "training_mode", "transA", "transB", "upper"),
}
MODES = {"qk_matmul_output_mode": 4}
"""Attributes that number so many modes."""


def check(call: Call, domain: str) -> None:
    """Unsupported where an attribute has a number that ONNX gives no meaning to, which others take for 0 or for 1."""
    if domain:
        return
    for name, value in call.attrs.items():
        count = 2 if name in SWITCHES else MODES.get(name, 0)
        if count and isinstance(value, int) and not 0 <= value < count:
            allowed = "0 or 1" if count == 2 else f"between 0 and {count - 1}"
            raise Unsupported(f"attribute '{name}' must be {allowed}, not {value}")
