"""What a cascade answers."""

from __future__ import annotations

from typing import Any, NamedTuple


class Answer(NamedTuple):
    """Of one row: int, float, bool, and an array of shape (classes,). Of several: arrays with one for every row.

    label: the class, -1 where the cascade abstains. probabilities: the softmax that the label is from, float32, not to
    be written to. score:
    how sure it is, as the gate counts. stage: whose answer it is, counted from 0. ran: how many stages were asked.
    from_memory: whether none was, as the answer was known.
    """

    label: Any
    probabilities: Any
    score: Any
    stage: Any
    ran: Any
    from_memory: Any
