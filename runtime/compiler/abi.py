"""The contract between a kernel's Python signature and the machine code that a program calls.

A kernel is a Python function `kernel(start: Int, stop: Int, <parameters>)` whose parameters are annotated with the
markers below; it does the chunks start <= i < stop of its work. Its machine code is

    void kernel(const uint64_t *bases, const int32_t *params, int64_t start, int64_t stop)

where `params` holds, parameter by parameter, two words for an address (index into bases, unsigned byte offset), one
word for an integer or a float32, and none for `bases` itself. Programs therefore hold no address, and one program
serves any number of arenas.
"""

from __future__ import annotations

import inspect
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

ABI = 1
"""Raised whenever machine code compiled before the change could not be called any more."""


class Ptr(int):
    """An address, as a 64-bit integer."""


class Int(int):
    """A 32-bit integer, widened to 64 bits."""


class Float(float):
    """A float32."""


class Bases(int):
    """The address of the base registers, as a 64-bit integer."""


class Address(NamedTuple):
    """A place in memory: byte offset from a base register."""

    base: int
    offset: int


ARENA, WEIGHTS, SCRATCH = 0, 1, 2
"""Base registers: activations; packed constants; memory private to the worker."""

_CODES = {Ptr: "p", Int: "i", Float: "f", Bases: "b", "Ptr": "p", "Int": "i", "Float": "f", "Bases": "b"}


def signature(kernel: Callable[..., None]) -> str:
    """The parameters of a kernel as text, `name:code` joined by blanks; codes p, i, f and b."""
    parameters = list(inspect.signature(kernel).parameters.values())
    if [p.name for p in parameters[:2]] != ["start", "stop"]:
        raise TypeError(f"kernel {kernel.__qualname__} must begin with (start, stop)")
    return " ".join(f"{p.name}:{_CODES[p.annotation]}" for p in parameters[2:])


def codes(signature: str) -> list[str]:
    return [item.rpartition(":")[2] for item in signature.split()]


def encode(signature: str, arguments: Mapping[str, Any]) -> list[int]:
    """The int32 words of one call's parameter block.

    Raises TypeError where the arguments are not exactly the signature's, OverflowError where one does not fit.
    """
    items = [item.rpartition(":") for item in signature.split()]
    names = [name for name, _, code in items if code != "b"]
    if set(names) != set(arguments):
        raise TypeError(f"kernel takes ({', '.join(names)}), got ({', '.join(arguments)})")
    words: list[int] = []
    for name, _, code in items:
        if code == "b":
            continue
        value = arguments[name]
        try:
            if code == "p":
                base, offset = value
                words += struct.unpack("<2i", struct.pack("<iI", base, offset))
            elif code == "i":
                words += struct.unpack("<i", struct.pack("<i", value))
            else:
                words += struct.unpack("<i", struct.pack("<f", value))
        except struct.error as problem:
            raise OverflowError(f"parameter {name} = {value!r}: {problem}") from None
    return words


def words(signature: str) -> int:
    """Length of the parameter block."""
    return sum({"p": 2, "b": 0}.get(code, 1) for code in codes(signature))


Kernel = Callable[..., Callable[..., None]]
"""A factory `(isa, **constants) -> kernel function`, at module level in `runtime/kernels`."""


def kernel_name(factory: Kernel, constants: Mapping[str, Any]) -> str:
    """A name for one kernel variant, the same in every process."""
    module = factory.__module__.rpartition(".")[2]
    listed = ",".join(f"{key}={_plain(value)}" for key, value in sorted(constants.items()))
    return f"{module}.{factory.__name__}({listed})"


def _plain(value: Any) -> str:
    if isinstance(value, str | bool | int) or value is None:
        return str(value)
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, Sequence):
        return "[" + ",".join(_plain(item) for item in value) + "]"
    raise TypeError(f"a kernel's constant is a str, bool, int, float, None or a sequence of those, not {value!r}")
