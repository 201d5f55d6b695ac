"""Element types that NumPy lacks, held in wider dtypes: what rounds numbers to them, or wraps them around."""

from __future__ import annotations

import numpy as np

from .call import Call
from .tensors import NARROW_FLOATS, NARROW_INTEGERS, held_dtype


def finish_narrow(call: Call, x: str, code: int, saturate: int) -> None:
    """Makes the call's result of x, cast to an ONNX element type that is held in a wider one.

    Floats are rounded; integers lose the bits that their type does not have, as in ONNX's own implementation.
    """
    call.scope.job.narrow[call.outputs[0]] = code
    if code in NARROW_FLOATS:
        wide = call.make("Cast", [x], {"to": "float32"})
        call.finish("RoundToFormat", [wide], {"format": NARROW_FLOATS[code], "saturate": saturate})
        return
    bits, signed = NARROW_INTEGERS[code]
    held = held_dtype(code)
    assert held is not None
    whole, count = call.make("Cast", [x], {"to": "int32"}), call.add_constant(1 << bits, "count", np.int32)
    if signed:
        half = call.add_constant(1 << (bits - 1), "half", np.int32)
        whole = call.make("Sub", [call.make("Mod", [call.make("Add", [whole, half]), count]), half])
    else:
        whole = call.make("Mod", [whole, count])
    call.finish("Cast", [whole], {"to": held.name})


def limits(code: int) -> tuple[int, int]:
    """The smallest and the largest number of a narrow integer type."""
    bits, signed = NARROW_INTEGERS[code]
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
