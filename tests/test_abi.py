"""How calls are encoded."""

from __future__ import annotations

import pytest

from millijoule.runtime.compiler.abi import Address, Bases, Float, Int, Ptr, encode, signature, words


def kernel(start: Int, stop: Int, x: Ptr, own: Bases, count: Int, factor: Float) -> None:
    """Never called."""


def test_parameters_become_words() -> None:
    text = signature(kernel)
    assert text == "x:p own:b count:i factor:f"
    encoded = encode(text, {"x": Address(1, 0xFFFFFFF0), "count": -3, "factor": 1.0})
    assert encoded == [1, -16, -3, 0x3F800000]
    assert words(text) == len(encoded)


@pytest.mark.parametrize("arguments", [{}, {"x": Address(0, 0), "own": 1, "count": 0, "factor": 0.0}])
def test_the_arguments_are_exactly_the_parameters(arguments: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="kernel takes"):
        encode(signature(kernel), arguments)


@pytest.mark.parametrize(("name", "value"), [("count", 1 << 31), ("x", Address(0, 1 << 32)), ("x", Address(0, -1))])
def test_what_does_not_fit_is_refused(name: str, value: object) -> None:
    arguments = {"x": Address(0, 0), "count": 0, "factor": 0.0, name: value}
    with pytest.raises(OverflowError, match=f"parameter {name}"):
        encode(signature(kernel), arguments)
