"""The paper's workloads: images one after another through one network, a pair, or a pair that remembers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from data import Images
from numpy.typing import NDArray

import millijoule as mj

ENTRIES, MAX_BYTES = 20_000, 512 << 20
"""Of a memory that is to hold every test image: the duplicates come after all of them."""


@dataclass(frozen=True)
class Answers:
    """An element for each image that was asked. label: int64. ran: how many networks were asked, 0 where the answer was
    remembered."""

    label: NDArray[np.int64]
    ran: NDArray[np.int64]
    seconds: NDArray[np.float64]

    def take(self, which: slice | NDArray[np.int64]) -> Answers:
        return Answers(self.label[which], self.ran[which], self.seconds[which])


def memory() -> mj.Memory:
    """For the answers to all images, unsure ones included, as the paper's: the same image, byte for byte, gets the same
    answer if it is computed again."""
    return mj.Memory(ENTRIES, MAX_BYTES, min_score=0.0)


def duplicated(images: Images) -> Images:
    """Every image once more, behind all of them."""
    return np.concatenate([images, images])


def ask(path: Path, images: Images, *, remember: bool = False, threads: int | None = None) -> Answers:
    """One image after another, prepared beforehand, through a model or a cascade. seconds: of `run` alone."""
    remembered = memory() if remember else None
    labels, ran, seconds = list[int](), list[int](), list[float]()
    with mj.load(path, memory=remembered, threads=threads) as session:
        feeds = [session.prepare(image) for image in images]
        # What happens once, such as planning, is no image's: this one is none of them.
        session.run({name: np.ones_like(array) for name, array in feeds[0].items()})
        for feed in feeds:
            hits = 0 if remembered is None else remembered.counts.hits
            began = time.perf_counter_ns()
            answer: Any = session.run(feed)
            seconds.append((time.perf_counter_ns() - began) * 1e-9)
            known = remembered is not None and remembered.counts.hits > hits
            single = not isinstance(answer, mj.Answer)
            labels.append(int(next(iter(answer.values())).argmax()) if single else answer.label)
            ran.append(0 if known else 1 if single else answer.ran)
    return Answers(np.array(labels), np.array(ran), np.array(seconds))


def scores(path: Path, images: Images) -> NDArray[np.float32]:
    """What a network says of the images: (N, classes)."""
    with mj.load(path) as session:
        return np.concatenate([next(iter(session.run(session.prepare(image)).values())) for image in images])
