"""Calling machine code from Python: the step loop's own kernels as functions."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from .compiler.abi import Address, encode

if TYPE_CHECKING:
    from .compiler.loader import Code

_ARGUMENTS = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
_KEEPING_THE_GIL = ctypes.PYFUNCTYPE(None, *_ARGUMENTS)
_RELEASING_THE_GIL = ctypes.CFUNCTYPE(None, *_ARGUMENTS)


def function(
    code: Code, kernel: str, bases: np.ndarray, arguments: dict[str, Address | int], *, brief: bool = False
) -> Callable[[int, int], None]:
    """A kernel as a function of (start, stop), its parameter block encoded once. It keeps the code mapped.

    bases: uint64 base registers, which must stay where they are. brief: shorter than it takes to hand over the GIL.
    """
    prototype = _KEEPING_THE_GIL if brief else _RELEASING_THE_GIL
    call = prototype(code.address(kernel))
    params = np.array(encode(code.kernels[kernel].signature, arguments), np.int32)
    base, block = ctypes.c_void_p(bases.ctypes.data), ctypes.c_void_p(params.ctypes.data)

    def run(start: int, stop: int, _alive: object = (code, bases, params)) -> None:
        call(base, block, start, stop)

    return run
