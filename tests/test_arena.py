"""How activations share memory: never two that are alive together, and seldom more than the least possible."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from work import lines

from millijoule.runtime.planner import layout
from millijoule.runtime.planner.layout import alignment_of, lay_out, lower_bound, padded
from millijoule.runtime.program.bounds import ALIGNMENT
from millijoule.runtime.program.view import Storage

LIVES = st.lists(st.tuples(st.integers(0, 3000), st.integers(-1, 20), st.integers(0, 8)), max_size=25)


def storages(lives: list[tuple[int, int, int]]) -> list[Storage]:
    return [Storage(size, first=first, last=first + length) for size, first, length in lives]


def check(items: list[Storage]) -> float:
    """That the layout is sound; its size over the lower bound."""
    total = lay_out(items)
    for i, one in enumerate(items):
        assert one.offset >= 0 and one.offset % alignment_of(one.size) == 0 and one.offset + one.size <= total
        for other in items[:i]:
            apart = one.offset + padded(one.size) <= other.offset or other.offset + padded(other.size) <= one.offset
            assert apart or one.last < other.first or other.last < one.first or 0 in (one.size, other.size)
    bound = lower_bound(items)
    assert total >= bound and total <= sum(item.size + ALIGNMENT - 1 for item in items)
    return total / bound if bound else 1.0


@given(LIVES)
@settings(max_examples=300, deadline=None)
def test_what_is_alive_together_lies_apart(lives: list[tuple[int, int, int]]) -> None:
    check(storages(lives))


def test_nothing() -> None:
    assert lay_out([]) == lower_bound([]) == 0
    assert lay_out([Storage(0, first=0, last=0)]) == 0


def test_a_chain_needs_two_neighbours() -> None:
    items = storages([(1000 * (i % 7 + 1), i, 1) for i in range(40)])
    assert check(items) < 1.01


def test_random_networks_are_near_the_bound() -> None:
    """Chains with skip connections, as networks have them."""
    random = np.random.default_rng(0)
    shares = []
    for _ in range(40):
        sizes = random.integers(100, 100_000, 60)
        lengths = np.where(random.random(60) < 0.25, random.integers(2, 12, 60), 1)
        lives = enumerate(zip(sizes, lengths, strict=True))
        shares.append(check([Storage(int(size), first=i, last=i + int(length)) for i, (size, length) in lives]))
    assert np.mean(shares) < 1.03 and max(shares) < 1.15


def _chain(count: int) -> list[Storage]:
    """Every value is read by one of the next 50 steps."""
    random = np.random.default_rng(0)
    return [
        Storage(int(s), first=i, last=i + int(n))
        for i, (s, n) in enumerate(random.integers(1, 5000, (count, 2)) // [1, 100])
    ]


def _kept(count: int) -> list[Storage]:
    """All stay alive to the end, as a graph's outputs do."""
    return [Storage(100 + i % 7, first=i, last=count) for i in range(count)]


def _nested(count: int) -> list[Storage]:
    """Each lives within the one before, as what a U-shaped network keeps for its way back."""
    return [Storage(100 + i, first=i, last=2 * count - i) for i in range(count)]


@pytest.mark.parametrize("lives", [_chain, _kept, _nested])
def test_the_work_grows_as_n_log_n(lives: Callable[[int], list[Storage]]) -> None:
    """Lines of Python per storage; a hundred million are some ten seconds."""
    few, many = (lines(partial(lay_out, lives(n))) / n for n in (4_000, 16_000))
    assert many < 2 * few + 1000 and many < 3000


@given(LIVES)
@settings(max_examples=100, deadline=None)
def test_in_the_order_of_steps_too(lives: list[tuple[int, int, int]]) -> None:
    """As thousands of storages are placed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "WORK", 0)
        check(storages(lives))
