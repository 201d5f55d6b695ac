"""Random ONNX graphs against onnxruntime without optimisations: `python tests/random_graphs.py --count 20000 --seed 0`.

Half of them compute on floats, in half integers mean numbers in one place and quantized reals in another. Prints how
many agree, are refused (with the reasons), and differ (with the seeds; --only 123 shows the nodes of one). With
--target numpy only references run: what conversion gets wrong shows there, too, and no kernel has to be compiled.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import random_float_nodes
import random_integer_nodes
import random_moves
import random_quantized_nodes
from onnxruntime_session import open_session
from random_graph import Declined, Known, RandomGraph

import millijoule as mj

SHAPES = (
    (1, 3, 5, 4),
    (2, 4, 4, 4),
    (1, 2, 6, 7),
    (2, 1, 3, 3),
    (3, 8),
    (1, 16),
    (5, 4),
    (2, 3, 4),
    (2, 4, 5),
    (7,),
    (1, 4, 1, 6),
)
TRIES = 30
NUDGE = 1e-6
"""Relative: what a change of the inputs by this much changes, rounding may change."""
FLOAT_TOLERANCE, SENSITIVITY = 1e-4, 200.0


@dataclass(frozen=True, slots=True)
class Drawn:
    seed: int
    model: onnx.ModelProto
    feeds: dict[str, np.ndarray]
    outputs: dict[str, Known]


def draw(seed: int) -> Drawn:
    """The graph of this seed: of floats where it is even."""
    rng = np.random.default_rng(seed)
    floats, graph = seed % 2 == 0, RandomGraph(rng)
    for _ in range(int(rng.integers(1, 3))):
        shape = graph.choice(SHAPES)
        dtype = "float32" if floats else graph.choice(("float32", "float32", "int8", "uint8", "int32"))
        graph.feed(_numbers(rng, shape, dtype))
    families: Sequence = random_float_nodes.FAMILIES * 2 + random_moves.FAMILIES
    if not floats:
        families = random_quantized_nodes.FAMILIES + random_integer_nodes.FAMILIES + random_moves.FAMILIES
    wanted = int(rng.integers(2, 10))
    for _ in range(TRIES):
        if len(graph.nodes) >= wanted:
            break
        try:
            graph.choice(families)(graph)
        except Declined:
            continue
    outputs = graph.outputs()
    return Drawn(seed, graph.model(outputs), graph.feeds, {known.name: known for known in outputs})


def _numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    if dtype == "float32":
        return rng.normal(0, 1, shape).astype(np.float32)
    low, high = (-1000, 1000) if dtype == "int32" else (np.iinfo(dtype).min, np.iinfo(dtype).max + 1)
    return rng.integers(low, high, shape).astype(dtype)


Run = Callable[[Drawn, "str | None"], "dict[str, np.ndarray]"]


def oracle(drawn: Drawn, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    session = open_session(drawn.model.SerializeToString(), optimize=False)
    return dict(zip(drawn.outputs, session.run(list(drawn.outputs), dict(feeds)), strict=True))


def ours(drawn: Drawn, target: str | None) -> dict[str, np.ndarray]:
    """mj.Error where the model is refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(drawn.model.SerializeToString())
        model = mj.convert(path)
        model.save(path.with_suffix(".mj"))
        with mj.load(path.with_suffix(".mj"), target=target, threads=1) as session:
            return session.run(drawn.feeds)


def difference(drawn: Drawn, target: str | None = None, run: Run = ours) -> str:
    """What differs from onnxruntime, or nothing. run: computes it, on the target.

    mj.Error where the model is refused; Declined where onnxruntime does not take a graph of which it took each node.
    """
    try:
        wanted = oracle(drawn, drawn.feeds)
    except Exception as reason:  # onnxruntime has a class for every one
        raise Declined(str(reason)) from None
    nudged = oracle(drawn, {name: _nudged(data) for name, data in drawn.feeds.items()})
    found = run(drawn, target)
    for name, expected in wanted.items():
        got = found[name]
        if (got.shape, got.dtype) != (expected.shape, expected.dtype):
            return f"{name}: {got.dtype}{got.shape}, not {expected.dtype}{expected.shape}"
        problem = _distance(drawn.outputs[name], got, expected, nudged[name])
        if problem:
            return f"{name}: {problem}"
    return ""


def _nudged(data: np.ndarray) -> np.ndarray:
    return data * np.float32(1 + NUDGE) if data.dtype.kind == "f" else data


def _distance(known: Known, got: np.ndarray, wanted: np.ndarray, nudged: np.ndarray) -> str:
    a, b, c = (array.astype(np.float64) for array in (got, wanted, nudged))
    if known.exact:
        allowed = np.zeros_like(b)
    elif known.slack:
        allowed = np.full_like(b, known.slack)
    elif wanted.dtype.kind == "f":
        allowed = FLOAT_TOLERANCE * (np.abs(b) + np.abs(b).mean() + 1e-3) + SENSITIVITY * np.abs(c - b).max(initial=0)
    else:
        allowed = np.where(b == c, 0, np.inf)
    off = ~(np.abs(a - b) <= allowed)
    if not off.any():
        return ""
    at = int(np.argmax(off))
    return f"{int(off.sum())} of {off.size} numbers, such as {a.reshape(-1)[at]:.9g} for {b.reshape(-1)[at]:.9g}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="of the first graph")
    parser.add_argument("--target", help="instruction set, or numpy (default: the host's)")
    parser.add_argument("--only", type=int, help="the graph of this seed alone, with its nodes")
    chosen = parser.parse_args(arguments)
    if chosen.only is not None:
        drawn = draw(chosen.only)
        print(onnx.printer.to_text(drawn.model.graph))
        print(difference(drawn, chosen.target) or "agrees")
        return 0
    counts, reasons, start = Counter[str](), Counter[str](), time.monotonic()
    for seed in range(chosen.seed, chosen.seed + chosen.count):
        outcome, detail = _outcome(seed, chosen.target)
        counts[outcome] += 1
        if outcome == "refused":
            reasons[detail.split(": ", 1)[-1][:100]] += 1
        elif outcome == "differs":
            print(f"seed {seed}: {detail}", flush=True)
    for reason, count in reasons.most_common():
        print(f"refused {count}: {reason}")
    print(f"{chosen.count} graphs in {time.monotonic() - start:.0f} s:", *(f"{n} {kind}" for kind, n in counts.items()))
    return int(counts["differs"] > 0)


def _outcome(seed: int, target: str | None) -> tuple[str, str]:
    drawn = draw(seed)
    try:
        problem = difference(drawn, target)
    except mj.Error as error:
        return "refused", str(error)
    except Declined:
        return "without oracle", ""
    except Exception as error:  # whatever it is, it is a fault
        return "differs", f"{type(error).__name__}: {error}"
    return ("differs", problem) if problem else ("agree", "")


if __name__ == "__main__":
    sys.exit(main())
