"""A memory as one loaded model sees it: inputs in, its own earlier answers out."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .answers import Answers
from .digest import digest
from .question import Form, Question, Signature, bytes_in, bytes_of, read_forms
from .store import OVERHEAD, Entry

if TYPE_CHECKING:
    from ..engine.engine import Engine
    from .database import Row
    from .disk import Disk
    from .memory import Memory

OBJECT = 128
"""Bytes of an array object without its elements."""
SIGNATURES = 64
"""How many shapes a model is known to be asked of, before they are written out anew."""


class Shelf:
    """owner: the model's digest, and all else that its answers depend on. inputs: its inputs' names. watts: what a core
    that works on it adds, 0 where that is not known."""

    def __init__(self, memory: Memory, answers: Answers, owner: bytes, inputs: tuple[str, ...], watts: float) -> None:
        self.memory = memory
        self._store = memory.store
        self._answers = answers
        self._owner, self._inputs, self._watts = owner, inputs, watts
        self._overhead = OVERHEAD
        self._only = inputs[0] if len(inputs) == 1 else None
        self._signatures: dict[tuple[Form, ...], Signature] = {}
        # One object, so that threads that ask of different shapes never see parts of two.
        self._latest: tuple[tuple[int, ...] | None, Any, Signature | None] = None, None, None

    def question(self, feeds: Any) -> Question | None:
        """What is asked by arrays, by the graph's names of the inputs, or by the only one's array. None where feeds are
        anything else, which has to be made arrays first.

        Whether they fit the model is not looked at: what does not fit was never answered.
        """
        if self._only is None:
            return self._several(feeds)
        array = feeds.get(self._only) if type(feeds) is dict and len(feeds) == 1 else feeds
        if type(array) is not np.ndarray:
            return None
        shape, dtype, of = self._latest
        if of is None or array.dtype is not dtype or array.shape != shape:
            of = self._signature(((array.shape, array.dtype),))
            if of is None:
                return None
            self._latest = array.shape, array.dtype, of
        return digest(array, of.seed), of, (array,)

    def ask(self, arrays: dict[str, np.ndarray]) -> Question:
        """What is asked by arrays of all inputs, by the graph's names."""
        question = self.question(arrays)
        assert question is not None
        return question

    def find(self, question: Question) -> Any:
        """The answer, or None."""
        entry = self._store.find(question)
        return None if entry is None else entry.answer

    def arrays(self, question: Question) -> dict[str, np.ndarray]:
        """The arrays of a question, by the graph's names of the inputs."""
        if self._only is not None:
            return {self._only: question[2][0]}
        return dict(zip(self._inputs, question[2], strict=True))

    def data(self, inputs: Mapping[str, np.ndarray]) -> bytes:
        """What `keep` wants of the inputs that a model runs on. Not of the caller's arrays, which another thread may
        write to meanwhile: then the answer would be to something else than what is kept with it."""
        if self._only is not None:
            return inputs[self._only].tobytes()
        return bytes_of([inputs[name] for name in self._inputs])

    def keep(
        self, question: Question, data: bytes, answer: Any, macs: int, seconds: float, threads: int
    ) -> Entry | None:
        """Keeps an answer that is sure enough, which nobody may change any more. data: of the inputs that it is to.
        macs, seconds, threads: what it took. None where it is not sure enough."""
        answers, store = self._answers, self._store
        if not answers.is_sure(answer):
            store.refuse()
            return None
        size = len(data) + answers.size(answer) + self._overhead
        joules = seconds * threads * self._watts
        entry = Entry(question[1], data, answer, size, macs, seconds, joules, store.until())
        store.put(question[0], entry)
        return entry

    def load(self, disk: Disk) -> None:
        """Takes what a disk keeps of this owner's answers."""
        useless = []
        for row, age in disk.rows(self._owner, self._answers):
            entry = self._entry(row, age)
            if entry is None:
                useless.append(row.id)
                continue
            key = digest(entry.data, entry.of.seed)
            disk.put(key, entry, row.id)
            self._loaded(key, entry)
        disk.discard(useless)

    def _entry(self, row: Row, age: float) -> Entry | None:
        """None of what is too old, or no answer of this model's; a clock that was put back makes answers too old."""
        expire = self.memory.expire
        if expire is not None and not 0 <= age < expire:
            return None
        try:
            forms = read_forms(row.forms)
            of = self._signature(forms)
            answer = self._answers.decode(row.answer)
        except ValueError:
            return None
        if of is None or len(forms) != len(self._inputs) or len(row.data) != bytes_in(forms):
            return None
        size = len(row.data) + self._answers.size(answer) + self._overhead
        until = self._store.until(age)
        return Entry(of, row.data, answer, size, row.macs, row.seconds, row.joules, until)

    def _loaded(self, key: Hashable, entry: Entry) -> None:
        """An entry came from a disk."""

    def forget(self, question: Question) -> bool:
        """Deletes the answer that would be given; whether there was one."""
        entry = self._store.get(question)
        return entry is not None and self._store.remove(question[0], entry)

    def _several(self, feeds: Any) -> Question | None:
        if type(feeds) is not dict or len(feeds) != len(self._inputs):
            return None
        arrays: list[Any] = [feeds.get(name) for name in self._inputs]
        if any(type(array) is not np.ndarray for array in arrays):
            return None
        of = self._signature(tuple((array.shape, array.dtype) for array in arrays))
        if of is None:
            return None
        return digest(bytes_of(arrays), of.seed), of, arrays

    def _signature(self, forms: tuple[Form, ...]) -> Signature | None:
        """None of objects, which have no bytes of their own."""
        found = self._signatures.get(forms)
        if found is None and not any(dtype.hasobject for _, dtype in forms):
            if len(self._signatures) >= SIGNATURES:
                self._signatures.clear()
            found = self._signatures[forms] = Signature.of(self._owner, forms)
        return found


def shelf_of(memory: Memory, engine: Engine, answers: Answers) -> Shelf:
    """For a model that is loaded: targets differ in the last bits of what they give."""
    # Which only those who remember need.
    from ..targets.device import completed
    from .fingerprint import fingerprint

    model, profile = engine.model, engine.profile
    energy = profile.energy or completed(profile)[0].energy
    target = "numpy" if engine.target is None else engine.target.name
    owner = fingerprint(model) + target.encode()
    watts = 0.0 if energy is None else energy.core_watts.value
    if memory.similar is None:
        shelf = Shelf(memory, answers, owner, tuple(model.inputs), watts)
    else:
        from .pictures import Pictures
        from .similar_shelf import SimilarShelf

        shelf = SimilarShelf(memory, answers, owner, tuple(model.inputs), watts, Pictures(model.inputs))
    if memory.disk is not None:
        shelf.load(memory.disk)
    return shelf
