"""A memory that also answers for images which only look like those that were answered."""

from __future__ import annotations

import random
import threading
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from .index import OVERHEAD
from .pictures import Pictures, Pixels, alike, gray, turned
from .question import Question
from .shelf import Shelf
from .similar import MOMENTS
from .store import Entry

if TYPE_CHECKING:
    from .answers import Answers
    from .memory import Memory

CHECKED = 4
"""How many images with near marks are compared with what is asked, the nearest first."""


class SimilarShelf(Shelf):
    """What is not found byte for byte is looked for by what it looks like."""

    def __init__(
        self, memory: Memory, answers: Answers, owner: bytes, inputs: tuple[str, ...], watts: float,
        pictures: Pictures,
    ) -> None:  # fmt: skip
        super().__init__(memory, answers, owner, inputs, watts)
        assert memory.similar is not None and memory.index is not None
        self._pictures, self._similar, self._index = pictures, memory.similar, memory.index
        self._fingerprint = self._index.fingerprint
        self._overhead += OVERHEAD
        self._draw = random.Random().random
        # Of each thread's latest question, from `find` to `keep`.
        self._thread = threading.local()

    def find(self, question: Question) -> Any:
        """As Shelf.find. Of the answers to similar images, some are kept back to be audited."""
        thread = self._thread
        thread.mark = thread.audited = None
        known = super().find(question)
        if known is not None:
            return known
        pixels = self._pictures.pixels(question[2])
        thread.mark = mark = None if pixels is None else self._fingerprint.mark(gray(pixels))
        if pixels is None or mark is None:
            return None
        for key, entry in self._alike(question, pixels, mark):
            if self._draw() < self._similar.audit:
                thread.audited = key, entry
                return None
            if self._store.take(key, entry):
                return entry.answer
        return None

    def keep(
        self, question: Question, data: bytes, answer: Any, macs: int, seconds: float, threads: int
    ) -> Entry | None:
        """As Shelf.keep. An entry that was kept back, and has another answer than this one, is deleted."""
        thread = self._thread
        if thread.audited is not None:
            key, entry = thread.audited
            self._store.audited(key, entry, right=self._answers.same(entry.answer, answer))
        kept = super().keep(question, data, answer, macs, seconds, threads)
        if kept is not None and thread.mark is not None:
            self._index.file(question[0], kept, thread.mark)
        return kept

    def _loaded(self, key: Hashable, entry: Entry) -> None:
        pixels = self._pictures.pixels(entry.of.restore(entry.data))
        mark = None if pixels is None else self._fingerprint.mark(gray(pixels))
        if mark is not None:
            self._index.file(key, entry, mark)

    def forget(self, question: Question) -> bool:
        if super().forget(question):
            return True
        pixels = self._pictures.pixels(question[2])
        mark = None if pixels is None else self._fingerprint.mark(gray(pixels))
        if pixels is None or mark is None:
            return False
        return any(self._store.remove(key, entry) for key, entry in self._alike(question, pixels, mark)[:1])

    def _alike(self, question: Question, pixels: Pixels, mark: Any) -> list[tuple[Hashable, Entry]]:
        """The first entry that looks like what is asked, if any."""
        ways = list(turned(pixels)) if self._similar.fingerprint == MOMENTS else [pixels]
        for key, entry in self._index.near(question[1], mark)[:CHECKED]:
            known = self._pictures.pixels(entry.of.restore(entry.data))
            if known is not None and any(alike(way, known, self._similar.tolerance) for way in ways):
                return [(key, entry)]
        return []
