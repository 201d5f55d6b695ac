"""Every workload on the test images, once and each twice: what is answered, and how long it takes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from data import Images, Labels
from pairs import WORKLOADS, cascade_path
from places import LARGE
from workloads import Answers, ask, duplicated, scores

UNEQUAL = ("tiny", "plain")
"""Two networks of which the second is far dearer and better, whose scores are kept to try guarantees on."""
MEMORY = ", memory"
SEPARATOR = "|"
Key = tuple[str, str, str]
"""Images ("plain", "duplicated"), goal ("" of the large network), workload."""


def workloads(models: Mapping[str, Path], work: Path) -> Iterator[tuple[str, str, Path, bool]]:
    """Goal, workload, model, and whether it remembers; of what is there. The large network remembers, too: so much is
    what duplicates give by themselves."""
    yield "", LARGE, models[LARGE], False
    yield "", LARGE + MEMORY, models[LARGE], True
    for goal in ("accuracy", "energy", "share"):
        for workload, checks in WORKLOADS.items():
            path = cascade_path(work, goal, workload)
            if path.exists():
                yield goal, workload, path, False
                if checks:
                    yield goal, workload + MEMORY, path, True


def ask_workloads(models: Mapping[str, Path], work: Path, images: Images) -> dict[Key, Answers]:
    """Kept in `work` for `read_answers`."""
    found: dict[Key, Answers] = {}
    for goal, workload, path, remember in workloads(models, work):
        found |= {(name, goal, workload): answers for name, answers in _both(path, images, remember, None).items()}
    arrays: dict[str, Any] = {}
    for key, answers in found.items():
        arrays |= {SEPARATOR.join((*key, part)): getattr(answers, part) for part in ("label", "ran", "seconds")}
    np.savez_compressed(work / "answers.npz", **arrays)
    return found


def _both(path: Path, images: Images, remember: bool, threads: int | None) -> dict[str, Answers]:
    """On each set of images, of which no image is asked more often than it makes a difference: what remembers nothing
    gives a duplicate what it gave the original, and what remembers knows no duplicate before the last original."""
    asked = ask(path, duplicated(images) if remember else images, remember=remember, threads=threads)
    if remember:
        return {"plain": asked.take(slice(len(images))), "duplicated": asked}
    return {"plain": asked, "duplicated": asked.take(np.tile(np.arange(len(images)), 2))}


def read_answers(work: Path) -> dict[Key, Answers]:
    with np.load(work / "answers.npz") as archive:
        arrays = {name: archive[name] for name in archive}
    keys = dict.fromkeys(name.rpartition(SEPARATOR)[0] for name in arrays)
    parts = ("label", "ran", "seconds")
    return {_key(key): Answers(*(arrays[key + SEPARATOR + part] for part in parts)) for key in keys}


def time_workloads(models: Mapping[str, Path], work: Path, images: Images) -> dict[Key, float]:
    """Mean seconds of `run` of an image, on one thread; kept in `work` for `read_times`."""
    found: dict[Key, float] = {}
    for goal, workload, path, remember in workloads(models, work):
        for name, answers in _both(path, images, remember, 1).items():
            found[name, goal, workload] = float(answers.seconds.mean())
    kept = {"images": len(images), "seconds": {SEPARATOR.join(key): seconds for key, seconds in found.items()}}
    (work / "latency.json").write_text(json.dumps(kept, indent=1), encoding="utf-8")
    return found


def save_logits(first: Path, second: Path, images: Images, labels: Labels, path: Path) -> None:
    """What two networks say of the images, as .ci/guarantee_rate.py reads it."""
    np.savez_compressed(path, first=scores(first, images), second=scores(second, images), labels=labels)


def read_times(work: Path) -> dict[Key, float]:
    """Empty where nothing was timed."""
    path = work / "latency.json"
    if not path.exists():
        return {}
    kept = json.loads(path.read_text(encoding="utf-8"))["seconds"]
    return {_key(key): seconds for key, seconds in kept.items()}


def _key(text: str) -> Key:
    images, goal, workload = text.split(SEPARATOR)
    return images, goal, workload
