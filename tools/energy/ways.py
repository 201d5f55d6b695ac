"""The ways that an inference may go: one for most models; of a cascade, how many stages are asked, or none, where the
answer is known. Each is measured by itself, so that nothing has to be guessed about what a stage takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import cycle
from typing import Final, NamedTuple

import numpy as np

from ...runtime.session import Session
from ..measure.ours import Ours

MEMORY: Final = "answered from memory"
Row = Mapping[str, np.ndarray]


class Way(NamedTuple):
    """share: of the inputs that go so. invoke: one inference of this way. ran: how many stages it asks; 0 from memory,
    and of a model that is no cascade."""

    name: str
    share: float
    invoke: Callable[[], object]
    ran: int = 0


def ways_of(session: Session, feeds: Row) -> list[Way]:
    """feeds: arrays by input name; a cascade's may have several rows, whose answers say which shares go which way. All
    has run once afterwards."""
    from ...runtime.cascade.cascade import Cascade

    if not isinstance(session, Cascade):
        return [Way("", 1.0, Ours(session, feeds).invoke)]
    count = min((array.shape[0] for array in feeds.values() if array.ndim), default=1)
    rows = [{name: array[at : at + 1] for name, array in feeds.items()} for at in range(count)] or [dict(feeds)]
    answers = [session.run(row) for row in rows]
    session.resize({name: array.shape for name, array in rows[0].items()})
    stages = len(session.stages)
    asked = [0 if answer.from_memory else int(answer.ran) for answer in answers]
    found = []
    for ran, taken in sorted(Counter(asked).items()):
        turn = cycle([row for row, its in zip(rows, asked, strict=True) if its == ran])
        invoke = _compute(session, turn) if ran else _look_up(session, turn)
        found.append(Way(_stages(ran, stages) if ran else MEMORY, taken / len(rows), invoke, ran))
    return found


def _stages(ran: int, stages: int) -> str:
    return f"answered after {ran} of {stages} stages"


def _look_up(session: Session, turn: Iterator[Row]) -> Callable[[], object]:
    return lambda: session.run(next(turn))


def _compute(session: Session, turn: Iterator[Row]) -> Callable[[], object]:
    places = {name: session.inputs[name] for name in session.model.inputs}

    def compute() -> None:
        for name, array in next(turn).items():
            places[name][...] = array
        # Neither asks a memory nor fills it.
        session.invoke()

    return compute
