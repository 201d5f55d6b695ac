"""Which of the storages placed so far are alive together with another."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence

from ..program.view import Storage


class Alive:
    """Storages by their lifetimes: adding one takes log n steps, finding those alive with another log n and one for
    each found.

    A tree over the steps: a node covers a range of them, and lists the storages alive throughout it but not throughout
    its parent's.
    """

    def __init__(self, items: Sequence[Storage]) -> None:
        self._items = items
        self._least = min((item.first for item in items), default=0)
        steps = max((item.last for item in items), default=0) - self._least + 1
        self._leaves = 1 << max(steps - 1, 0).bit_length()
        self._throughout: dict[int, list[int]] = {}
        self._born: list[tuple[int, int]] = []

    def add(self, index: int) -> None:
        item = self._items[index]
        insort(self._born, (item.first, index))
        low = item.first - self._least + self._leaves
        high = item.last - self._least + self._leaves + 1
        while low < high:
            if low & 1:
                self._throughout.setdefault(low, []).append(index)
                low += 1
            if high & 1:
                high -= 1
                self._throughout.setdefault(high, []).append(index)
            low, high = low >> 1, high >> 1

    def together(self, index: int) -> list[int]:
        """Those added that share at least one step with the item: alive at its first step, or born afterwards."""
        item = self._items[index]
        found: list[int] = []
        node = item.first - self._least + self._leaves
        while node:
            found += self._throughout.get(node, ())
            node >>= 1
        start, stop = bisect_right(self._born, (item.first, 1 << 62)), bisect_left(self._born, (item.last + 1, -1))
        return found + [other for _, other in self._born[start:stop]]
