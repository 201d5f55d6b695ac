"""What a memory of answers costs, as docs/memory.md tells it: `python .ci/memory_costs.py`, where nothing else runs.

A model that does next to nothing answers 64 images of 32x32x3 in turns: without a memory, with one that knows the
answer and with one that does not. Prints microseconds of the best batch: `run` without a memory, a hit, and what a miss
takes beyond that `run`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

import millijoule as mj
from millijoule.runtime.graph import Graph, Node, Value

SHAPE, IMAGES, BATCHES = (1, 32, 32, 3), 64, 200


def model(dtype: str) -> mj.Model:
    """A classifier of three classes, so that memories for similar images take it, too."""
    graph = Graph(name=dtype)
    graph.add_value(Value("image", np.dtype(dtype), SHAPE))
    graph.inputs.append("image")
    names = {"float32": ["image"], "uint8": ["image", "real"]}[dtype]
    if len(names) > 1:
        graph.add_value(Value("real", np.dtype(np.float32)))
        graph.nodes.append(Node("Cast", ["image"], ["real"], {"to": "float32"}, "cast"))
    shape = graph.add_constant("shape", np.array([1, 3]))
    for op, inputs, output in (
        ("GlobalAveragePool", [names[-1]], "means"), ("Reshape", ["means", shape], "logits"),
        ("Softmax", ["logits"], "scores"),
    ):  # fmt: skip
        graph.add_value(Value(output, np.dtype(np.float32), (1, 3) if output == "scores" else None))
        graph.nodes.append(Node(op, inputs, [output], {}, output))
    graph.outputs.append("scores")
    return mj.Model(graph)


def best(run: Callable[[Any], object], feeds: list[dict[str, np.ndarray]], change: Callable[[], None]) -> float:
    """Microseconds a call of the best batch. change: makes the images new ones."""
    found = []
    for _ in range(BATCHES):
        change()
        began = time.perf_counter()
        for given in feeds:
            run(given)
        found.append((time.perf_counter() - began) / len(feeds))
    return 1e6 * min(found)


def main() -> None:
    argparse.ArgumentParser(description=(__doc__ or "").split(", as docs")[0]).parse_args()
    rng = np.random.default_rng(0)
    print("with xxhash" if find_spec("xxhash") else "without xxhash")
    for dtype in ("uint8", "float32"):
        feeds = [{"image": rng.integers(0, 256, SHAPE).astype(dtype)} for _ in range(IMAGES)]

        def change(feeds: list[dict[str, np.ndarray]] = feeds) -> None:
            for given in feeds:
                given["image"][0, rng.integers(32), rng.integers(32)] = rng.integers(0, 256, 3)

        loaded = model(dtype)
        plain = best(mj.load(loaded, threads=1).run, feeds, change)
        # Full from the start: a memory that fills waits for new pages.
        miss = best(mj.load(loaded, threads=1, memory=mj.Memory(entries=IMAGES // 2)).run, feeds, change)
        hit = best(mj.load(loaded, threads=1, memory=mj.Memory()).run, feeds, lambda: None)

        def all_new(feeds: list[dict[str, np.ndarray]] = feeds) -> None:
            for given in feeds:
                given["image"][...] = rng.integers(0, 256, SHAPE)

        def noisy(feeds: list[dict[str, np.ndarray]] = feeds) -> None:
            for given in feeds:
                given["image"][0, 0, 0, 0] = rng.integers(0, 256)

        similar = mj.Similar("dhash", radius=4, tolerance=0.15, audit=0.0)
        small, large = (mj.Memory(entries=n, similar=similar, min_score=0.0) for n in (IMAGES // 2, 4 * IMAGES))
        other = best(mj.load(loaded, threads=1, memory=small).run, feeds, all_new)
        like = best(mj.load(loaded, threads=1, memory=large).run, feeds, noisy)
        print(
            f"{dtype:8} run {plain:.2f}, hit {hit:.2f}, miss +{miss - plain:.2f}; with dHash: "
            f"similar {like:.1f} ({large.counts.similar} of {large.counts.hits}), miss +{other - plain:.1f}"
        )


if __name__ == "__main__":
    main()
