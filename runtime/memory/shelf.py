"""A memory as one loaded model sees it: inputs in, its own earlier answers out."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

from .digest import digest

if TYPE_CHECKING:
    from ..engine.engine import Engine
    from .memory import Memory

OBJECT = 128
"""Bytes of an array object without its elements."""


Question = tuple[Hashable, bytes]
"""An input to look up: what it is found by, and its bytes."""


class Shelf:
    """owner: the model's fingerprint, and all else that its answers depend on. inputs: its inputs' names."""

    def __init__(self, memory: Memory, owner: Hashable, inputs: tuple[str, ...]) -> None:
        self.memory = memory
        self._store = memory.store
        self._owner, self._inputs = owner, inputs
        self._only = inputs[0] if len(inputs) == 1 else None

    @staticmethod
    def of(memory: Memory, engine: Engine) -> Shelf:
        """For a model that is loaded: targets differ in the last bits of what they give."""
        from .fingerprint import fingerprint  # which only those who remember need

        model = engine.model
        target = "numpy" if engine.target is None else engine.target.name
        return Shelf(memory, fingerprint(model) + target.encode(), tuple(model.inputs))

    def question(self, feeds: Any) -> Question | None:
        """What is asked by arrays, by the graph's names of the inputs. None where feeds are anything else, which has to
        be made arrays first.

        Whether they fit the model is not looked at: what does not fit was never answered.
        """
        if type(feeds) is not dict or len(feeds) != len(self._inputs):
            return None
        if self._only is not None:
            array = feeds.get(self._only)
            if type(array) is not np.ndarray:
                return None
            data = array.tobytes()
            return (self._owner, array.shape, array.dtype, digest(data)), data
        arrays: list[Any] = [feeds.get(name) for name in self._inputs]
        if any(type(array) is not np.ndarray for array in arrays):
            return None
        data = b"".join([array.tobytes() for array in arrays])
        return (self._owner, *((array.shape, array.dtype) for array in arrays), digest(data)), data

    def find(self, question: Question | None) -> Any:
        """The answer, or None."""
        entry = None if question is None else self._store.find(question[0], question[1])
        return None if entry is None else entry[1]

    def put(self, question: Question | None, answer: Any, answer_bytes: int, macs: int) -> None:
        """Keeps an answer, which nobody may change any more. macs: multiply-adds that it took."""
        if question is not None:
            self._store.put(question[0], question[1], answer, answer_bytes, macs)

    def refuse(self) -> None:
        """An answer is not kept, as it was not confident enough."""
        self._store.refuse()


def array_bytes(array: np.ndarray) -> int:
    return array.nbytes + OBJECT
