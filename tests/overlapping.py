"""A layout in which everything lies over something else that may: as far as no kernel reads what it has overwritten."""

from __future__ import annotations

from collections.abc import Iterable

from millijoule.runtime.program.bounds import ALIGNMENT
from millijoule.runtime.program.overlap import Leads
from millijoule.runtime.program.view import Storage


def lay_out_over_each_other(storages: Iterable[Storage], leads: Leads, tries: int = 0) -> int:
    """In place of planner.layout.lay_out: chains of storages, each of which lies as near to the end of the one before
    as its lead allows; and the chains side by side."""
    items = {id(storage): storage for storage in storages}
    over: dict[int, tuple[int, int]] = {}
    for (written, read), lead in leads.items():
        over.setdefault(written, (read, lead))
    chains: dict[int, list[tuple[Storage, int]]] = {}
    root, place = dict[int, int](), dict[int, int]()
    for key in sorted(items, key=lambda key: items[key].first):
        under, lead = over.get(key, (key, 0))
        root[key] = root.get(under, key)
        place[key] = (place.get(under, 0) - lead) // ALIGNMENT * ALIGNMENT
        chains.setdefault(root[key], []).append((items[key], place[key]))
    total = 0
    for chain in chains.values():
        begin = total - min(at for _, at in chain)
        for storage, at in chain:
            storage.offset = begin + at
            total = max(total, storage.offset + -(-storage.size // ALIGNMENT) * ALIGNMENT)
    return total
