"""A session that looks up in a memory what it was asked before."""

from __future__ import annotations

from collections.abc import Sequence
from threading import get_ident
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from .engine.engine import Engine
from .engine.feeds import Feeds
from .engine.workspace import Plan
from .memory.memory import Memory
from .memory.question import Question, Signature
from .memory.shelf import Shelf, shelf_of
from .outcome import Layout, Outcome, Outcomes
from .session import Session, shapes_of

if TYPE_CHECKING:
    from .engine.staging import Staged


class RememberingSession(Session):
    """A session of which `run` keeps what it gives, and gives it again."""

    _shelf: Shelf

    def __init__(self, engine: Engine, shelf: Shelf) -> None:
        super().__init__(engine, shelf)
        self._planned: tuple[Signature, Plan | Staged, Layout | None] | None = None

    @staticmethod
    def of(engine: Engine, memory: Memory) -> RememberingSession:
        """InputError where the memory takes similar inputs for the same, and the model is no classifier."""
        return RememberingSession(engine, shelf_of(memory, engine, Outcomes(engine.model, memory)))

    def run(self, feeds: Feeds | Any, outputs: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """As Session.run; what lies between is always computed."""
        if outputs is not None:
            return super().run(feeds, outputs)
        self._check_open()
        question = self._shelf.question(feeds)
        if question is None:
            question = self._shelf.ask(self._check(feeds))
        known: Outcome | None = self._shelf.find(question)
        if known is None:
            return self._answer(question)
        self._latest = get_ident(), known.layout.shapes
        return known.arrays()

    def clone(self) -> RememberingSession:
        self._check_open()
        return RememberingSession(self._engine, self._shelf)

    def close(self) -> None:
        super().close()
        self._planned = None

    def _answer(self, question: Question) -> dict[str, np.ndarray]:
        """New outputs, which are kept where they are sure enough."""
        arrays, planned = self._shelf.arrays(question), self._planned
        # What was planned for the same signature is known to fit.
        if planned is None or question[1] is not planned[0]:
            shapes = shapes_of(self._check(arrays))
            plan = self._engine.plan(shapes, ())
            whole = isinstance(plan, Plan)
            layout = Layout.of(plan.program, shapes, self._engine.threads) if whole else None
            planned = self._planned = question[1], plan, layout
        _, plan, layout = planned
        began = perf_counter()
        found, data, (macs, shared) = self._execute(plan, arrays, self._shelf)
        seconds = perf_counter() - began
        if layout is None:  # whose sizes depend on data
            outputs = tuple((name, array.shape, array.dtype) for name, array in found.items())
            layout = Layout.made(outputs, shapes_of(arrays), macs, self._engine.threads if shared else 1)
        self._latest = get_ident(), layout.shapes
        self._shelf.keep(question, data, Outcome.of(layout, found), layout.macs, seconds, layout.threads)
        return found
