"""What a cascade takes beyond its first stage where that is sure, for docs/cascade.md: `python .ci/gate_cost.py`,
where nothing else runs.

A small classifier alone and the same one as the first of two stages whose gate always takes its answer take turns, a
batch of calls each. Prints microseconds a call, the median of all turns and of their differences: of `invoke`, which is
the compiled program alone, and of `run`, which looks at what it is fed and gives a cascade's Answer instead of arrays
by name.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

import millijoule as mj
from millijoule.runtime.graph import Graph, Node, Value

FEATURES, HIDDEN = 64, 32
TURNS, CALLS = 2000, 20


def classifier(classes: int, end: str, seed: int) -> mj.Model:
    """Two linear layers; end: "logits", or "softmax" behind them."""
    rng, graph = np.random.default_rng(seed), Graph(name=f"stage {seed}")
    graph.add_value(Value("x", np.dtype(np.float32), (1, FEATURES)))
    graph.inputs.append("x")
    steps = [("Gemm", "x", "hidden"), ("Relu", "hidden", "active"), ("Gemm", "active", "logits")]
    steps += [("Softmax", "logits", "softmax")] if end == "softmax" else []
    for op, source, output in steps:
        shape = (1, HIDDEN if output in ("hidden", "active") else classes)
        graph.add_value(Value(output, np.dtype(np.float32), shape))
        weights = []
        if op == "Gemm":
            inner = FEATURES if source == "x" else HIDDEN
            weights = [graph.add_constant(f"{output}/w", rng.normal(0, 0.3, (inner, shape[1])).astype(np.float32))]
        graph.nodes.append(Node(op, [source, *weights], [output], {}, output))
    graph.outputs.append(end)
    return mj.Model(graph)


def in_turns(*calls: Callable[[], object]) -> list[list[float]]:
    """Microseconds of each call in every turn."""
    found: list[list[float]] = [[] for _ in calls]
    for turn in range(TURNS + 1):
        for at, call in enumerate(calls):
            began = time.perf_counter_ns()
            for _ in range(CALLS):
                call()
            if turn:
                found[at].append((time.perf_counter_ns() - began) / CALLS / 1000)
    return found


def measure(classes: int, end: str) -> float:
    """Prints both ways of calling; gives what the gate adds to `invoke`."""
    first, second = classifier(classes, end, 1), classifier(classes, end, 2)
    x = np.random.default_rng(0).normal(0, 1, (1, FEATURES)).astype(np.float32)
    added = []
    with (
        mj.load(first, threads=1) as alone,
        mj.Cascade([first, second], mj.Gate("margin", threshold=0.0), threads=1) as cascade,
    ):
        assert cascade.run({"x": x}).ran == 1, "the first stage is always sure"
        for session in (alone, cascade):
            session.inputs["x"][...] = x
        for way, calls in (
            ("invoke", (alone.invoke, cascade.invoke)),
            ("run", (lambda: alone.run({"x": x}), lambda: cascade.run({"x": x}))),
        ):
            one, both = in_turns(*calls)
            added.append(statistics.median(b - a for a, b in zip(one, both, strict=True)))
            print(
                f"{classes:5} classes, {end:7} {way:6} alone {statistics.median(one):.2f} us, "
                f"gate {added[-1]:+.2f} us on {alone.target}"
            )
    return added[0]


def main() -> int:
    """1 where the gate adds a microsecond or more to `invoke` of ten classes."""
    argparse.ArgumentParser(description=(__doc__ or "").split(", for docs")[0]).parse_args()
    added = {(classes, end): measure(classes, end) for classes in (2, 10, 1000) for end in ("logits", "softmax")}
    return int(max(added[10, end] for end in ("logits", "softmax")) >= 1.0)


if __name__ == "__main__":
    sys.exit(main())
