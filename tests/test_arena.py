"""How activations share memory: never two that are alive together, and seldom more than the least possible."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from work import lines

from millijoule.runtime.planner.layout import ALIGNMENT, SLACK, lay_out, lower_bound, padded
from millijoule.runtime.program.view import Storage

LIVES = st.lists(st.tuples(st.integers(0, 3000), st.integers(-1, 20), st.integers(0, 8)), max_size=25)


def storages(lives: list[tuple[int, int, int]]) -> list[Storage]:
    return [Storage(size, first=first, last=first + length) for size, first, length in lives]


def check(items: list[Storage]) -> float:
    """That the layout is sound; its size over the lower bound."""
    total = lay_out(items)
    for i, one in enumerate(items):
        assert one.offset >= 0 and one.offset % ALIGNMENT == 0 and one.offset + one.size + SLACK <= total
        for other in items[:i]:
            apart = one.offset + padded(one.size) <= other.offset or other.offset + padded(other.size) <= one.offset
            assert apart or one.last < other.first or other.last < one.first
    bound = lower_bound(items)
    assert total >= bound and total <= sum(padded(item.size) for item in items)
    return total / bound if bound else 1.0


@given(LIVES)
@settings(max_examples=300, deadline=None)
def test_what_is_alive_together_lies_apart(lives: list[tuple[int, int, int]]) -> None:
    check(storages(lives))


def test_nothing() -> None:
    assert lay_out([]) == lower_bound([]) == 0
    assert lay_out([Storage(0, first=0, last=0)]) == padded(0)


def test_a_chain_needs_two_neighbours() -> None:
    items = storages([(1000 * (i % 7 + 1), i, 1) for i in range(40)])
    assert check(items) == 1.0


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


def test_thousands_of_values_take_seconds_at_most() -> None:
    """Ten million lines of Python are a second or two."""
    random = np.random.default_rng(0)
    items = [Storage(int(s), first=i, last=i + int(n)) for i, (s, n) in enumerate(random.integers(1, 50, (3000, 2)))]
    assert lines(lambda: lay_out(items)) < 10_000_000
