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
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache
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


LAST_OFFSET = 2**32 - 1
ARENA, WEIGHTS, SCRATCH = 0, 1, 2
"""Base registers: activations; packed constants; memory private to the worker."""

_ROLLED = "rolled"

_CODES = {Ptr: "p", Int: "i", Float: "f", Bases: "b", "Ptr": "p", "Int": "i", "Float": "f", "Bases": "b"}


def roll(kernel: Callable[..., None]) -> Callable[..., None]:
    """Marks a kernel whose loops LLVM is not to unroll for cores that execute in order, as it does of itself: where
    that takes more registers for addresses than there are."""
    setattr(kernel, _ROLLED, True)
    return kernel


def rolled(kernel: Callable[..., None]) -> bool:
    return getattr(kernel, _ROLLED, False)


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
    layout = _layout(signature)
    if len(layout.names) != len(arguments) or not arguments.keys() >= layout.names:
        raise TypeError(f"kernel takes ({', '.join(layout.in_order)}), got ({', '.join(arguments)})")
    flat: list[Any] = []
    for name in layout.in_order:
        value = arguments[name]
        if type(value) is Address:
            flat += value
        else:
            flat.append(value)
    try:
        return list(struct.unpack(f"<{len(flat)}i", layout.block.pack(*flat)))
    except struct.error:
        raise OverflowError(_misfit(signature, arguments)) from None


WORD = "i"
"""Of `array`: an int32."""


class Block:
    """The parameter blocks of calls that differ in their addresses alone."""

    def __init__(self, signature: str, numbers: Mapping[str, int | float], addresses: Iterable[str]) -> None:
        """Raises as `encode`."""
        self._words = array(WORD, encode(signature, {**numbers, **dict.fromkeys(addresses, Address(0, 0))}))
        self._at = _layout(signature).addresses

    def placed(self, addresses: Iterable[tuple[str, int, int]]) -> array[int]:
        """The words of one call's block. addresses: names, bases and offsets. OverflowError where one does not fit."""
        words = self._words[:]
        for name, base, offset in addresses:
            if not 0 <= offset <= LAST_OFFSET:
                raise OverflowError(f"parameter {name} = {offset}: not a 32-bit offset")
            at = self._at[name]
            words[at] = base
            words[at + 1] = offset if offset <= LAST_OFFSET // 2 else offset - LAST_OFFSET - 1
        return words


class _Layout(NamedTuple):
    """in_order, names: of the parameters that have words in the block. addresses: the first word of each address."""

    in_order: tuple[str, ...]
    names: frozenset[str]
    block: struct.Struct
    addresses: dict[str, int]


@cache
def _layout(signature: str) -> _Layout:
    items = [item.rpartition(":") for item in signature.split()]
    names, addresses, layout, at = [], {}, "<", 0
    for name, _, code in items:
        if code == "b":
            continue
        names.append(name)
        if code == "p":
            addresses[name] = at
        layout += "iI" if code == "p" else code
        at += 2 if code == "p" else 1
    return _Layout(tuple(names), frozenset(names), struct.Struct(layout), addresses)


def _misfit(signature: str, arguments: Mapping[str, Any]) -> str:
    """Which argument does not fit its words, and why."""
    for name, _, code in (item.rpartition(":") for item in signature.split()):
        value = arguments.get(name)
        try:
            if code == "p":
                struct.pack("<iI", *value)  # type: ignore[misc]
            elif code != "b":
                struct.pack(f"<{code}", value)
        except (struct.error, TypeError) as problem:
            return f"parameter {name} = {value!r}: {problem}"
    return "the arguments do not fit the parameters"


def words(signature: str) -> int:
    """Length of the parameter block."""
    return _layout(signature).block.size // 4


Kernel = Callable[..., Callable[..., None]]
"""A factory `(isa, **constants) -> kernel function`, at module level in `runtime/kernels`."""


def kernel_name(factory: Kernel, constants: Mapping[str, Any]) -> str:
    """A name for one kernel variant, the same in every process."""
    try:
        return _kernel_name(factory, tuple(constants.items()))
    except TypeError:  # a constant that is a list
        return _kernel_name.__wrapped__(factory, tuple(constants.items()))


@lru_cache(1 << 12)
def _kernel_name(factory: Kernel, constants: tuple[tuple[str, Any], ...]) -> str:
    module = factory.__module__.rpartition(".")[2]
    listed = ",".join(f"{key}={_plain(value)}" for key, value in sorted(constants))
    return f"{module}.{factory.__name__}({listed})"


def _plain(value: Any) -> str:
    if isinstance(value, str | bool | int) or value is None:
        return str(value)
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, Sequence):
        return "[" + ",".join(_plain(item) for item in value) + "]"
    raise TypeError(f"a kernel's constant is a str, bool, int, float, None or a sequence of those, not {value!r}")
