"""How calls are encoded."""

from __future__ import annotations

import pytest

from millijoule.runtime.compiler.abi import Address, Bases, Block, Float, Int, Ptr, encode, signature, words


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


@pytest.mark.parametrize("offset", [0, 1, (1 << 31) - 1, 1 << 31, (1 << 32) - 1])
def test_calls_that_differ_in_their_addresses_share_the_rest(offset: int) -> None:
    block = Block(signature(kernel), {"count": -3, "factor": -0.0}, ["x"])
    assert block.placed([("x", 2, 64)]).tolist() == encode(
        signature(kernel), {"x": Address(2, 64), "count": -3, "factor": -0.0}
    )
    arguments = {"x": Address(1, offset), "count": -3, "factor": -0.0}
    assert block.placed([("x", 1, offset)]).tolist() == encode(signature(kernel), arguments)


@pytest.mark.parametrize("offset", [-1, 1 << 32])
def test_an_address_that_does_not_fit_is_refused(offset: int) -> None:
    block = Block(signature(kernel), {"count": 1, "factor": 1.0}, ["x"])
    with pytest.raises(OverflowError, match="parameter x"):
        block.placed([("x", 0, offset)])
