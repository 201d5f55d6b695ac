"""Names for sizes that are computed from symbolic ones."""

from __future__ import annotations

from ....runtime.graph import Graph


class Symbols:
    """Gives equal expressions of symbolic sizes one short name, so that equal sizes can be seen to be equal."""

    def __init__(self, graph: Graph) -> None:
        self._names: dict[str, str] = {}
        self._taken = {dim for value in graph.values.values() for dim in value.shape or () if isinstance(dim, str)}

    def name(self, expression: str) -> str:
        if expression not in self._names:
            number = len(self._names)
            while f"d{number}" in self._taken:
                number += 1
            self._names[expression] = f"d{number}"
            self._taken.add(f"d{number}")
        return self._names[expression]
