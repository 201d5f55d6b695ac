"""What `mj bench softmax` times on one row: the algorithms of mj.softmax, and a copy as the bound of them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle
from typing import Any, Final, NamedTuple

import numpy as np

from ...device_profiles import detect
from ...runtime.errors import Error
from ...runtime.graph import Graph, Node, Value
from ...runtime.model import Model
from ...runtime.session import load
from ...runtime.softmax.softmax import Algorithm, softmax
from ..report.display import size
from .machine import available_memory

AUTO: Final = "auto"
AUTO_WARM, SESSION, COPY, TWO = "auto warm", "session", "copy", "two-pass"
THREE: tuple[Algorithm, ...] = ("three-pass-reload", "three-pass-recompute")
ALGORITHMS: tuple[Algorithm, ...] = ("two-pass", "two-pass-reload", *THREE)
STORES = {"plain": False, "streaming": True, "auto": None}
"""Whether stores bypass the caches; None: as the algorithm does by itself."""
LIMIT = 1000.0
"""Inputs lie between it and its opposite."""
LINE = 64
"""Bytes that rows are aligned to: a line of the cache, and the widest vector."""
SHARE = 0.5
"""Of the available memory, that a size may need."""
MOST_OUTPUTS, MOST_OUTPUT_BYTES = 1000, 2_000_000_000
UNKNOWN_CACHE = 32 << 20
"""Bytes of cache that outputs are made to exceed where the system does not tell how large it is."""
PRIVATE_ROWS = 7
"""Rows that are allocated beside: SciPy's three of passing kind, two that stay of LiteRT and of the session each."""


class Row(NamedTuple):
    """x: n float32. outputs: as many places for the result, so that the next is in no cache. turn: the index of the
    next one, the same sequence for all contenders, so that none finds an output that another has just written."""

    x: np.ndarray
    outputs: list[np.ndarray]
    turn: Iterator[int]


class Contender:
    """One way to compute the softmax of a row. calls: what computes it to each of the row's outputs. read: the result
    of the latest call, by default what it wrote to the output."""

    def __init__(
        self, name: str, row: Row, calls: Sequence[Callable[[], Any]], read: Callable[[], np.ndarray] | None = None
    ) -> None:
        self.name, self._row, self._calls, self._read = name, row, calls, read
        self.feed()

    def feed(self) -> None:
        self._at = next(self._row.turn)
        self.invoke = self._calls[self._at]

    def check(self) -> None:
        """Error where the next result is no softmax: the largest belongs to the largest input, and they add up to 1."""
        self.feed()
        # Another may have left the right result there.
        self._row.outputs[self._at].fill(-1)
        self.invoke()
        y = self._row.outputs[self._at] if self._read is None else self._read()
        peak, total = float(y.max()), float(y.sum(dtype=np.float64))
        # Some add up a hundred million in a single float32.
        if not (abs(total - 1) < 0.01 and float(y[self._row.x.argmax()]) > 0.999 * peak and float(y.min()) >= 0):
            raise Error(f"{self.name} gives a wrong softmax of {y.size} elements, whose sum is {total}")


def cache_bytes() -> int | None:
    """Of the last level of cache; None where not known."""
    last = detect().cluster.last_cache
    return None if last is None else last.size


def output_count(n: int) -> int:
    """How many outputs it takes until one has left the caches when its turn comes again, within limits: of the
    smallest rows, all outputs together fit the last level of cache."""
    needed = 1 + -(-(cache_bytes() or UNKNOWN_CACHE) // (4 * n))
    return max(1, min(needed, MOST_OUTPUTS, MOST_OUTPUT_BYTES // (4 * n)))


def fitting_sizes(sizes: Sequence[int], peers: bool) -> tuple[list[int], list[str]]:
    """The sizes that there is memory for, and why the others are left out."""
    available = available_memory()
    if available is None:
        return list(sizes), []
    needed = {n: 4 * n * (1 + output_count(n) + (PRIVATE_ROWS if peers else 0)) for n in sizes}
    left_out = [
        f"{n:,} elements: they need {size(count)}, which is more than half of the {size(available)} that are available"
        for n, count in needed.items()
        if count > SHARE * available
    ]
    return [n for n, count in needed.items() if count <= SHARE * available], left_out


def make_row(n: int, seed: int) -> Row:
    random = np.random.default_rng(seed)
    x = _rows(1, n)[0]
    random.random(out=x, dtype=np.float32)
    x *= 2 * LIMIT
    x -= LIMIT
    outputs = list(_rows(output_count(n), n))
    # In no order that hardware could foresee: at the end of an output it would fetch the beginning of the next.
    return Row(x, outputs, cycle(random.permutation(len(outputs)).tolist()))


def algorithms(row: Row, stores: Sequence[str], threads: int) -> list[Contender]:
    """Each algorithm with each kind of store; names of STORES."""
    return [
        Contender(
            variant(algorithm, kind),
            row,
            [partial(softmax, row.x, -1, algorithm, y, threads, streaming=STORES[kind]) for y in row.outputs],
        )
        for algorithm in ALGORITHMS
        for kind in stores
    ]


def auto(row: Row, threads: int) -> Contender:
    return Contender(AUTO, row, [partial(softmax, row.x, -1, AUTO, y, threads) for y in row.outputs])


def auto_warm(row: Row, threads: int) -> Contender:
    """With the same output always."""
    y = row.outputs[0]
    return Contender(AUTO_WARM, row, [partial(softmax, row.x, -1, AUTO, y, threads)] * len(row.outputs), lambda: y)


def session(row: Row, threads: int) -> Contender:
    """A model of one Softmax, whose input is in place and whose output is always the same."""
    n = row.x.size
    values = {"x": Value("x", np.dtype(np.float32), (1, n)), "y": Value("y", np.dtype(np.float32))}
    graph = Graph(values, inputs=["x"], outputs=["y"], nodes=[Node("Softmax", ["x"], ["y"], {"axis": -1})])
    opened = load(Model(graph), threads=threads)
    opened.resize({"x": (1, n)})
    opened.inputs["x"][...] = row.x
    return Contender(SESSION, row, [opened.invoke] * len(row.outputs), lambda: opened.outputs["y"][0])


def copy(row: Row) -> Contender:
    """On one thread, however many the others have."""
    return Contender(COPY, row, [partial(np.copyto, y, row.x) for y in row.outputs])


def variant(algorithm: str, stores: str) -> str:
    """The name of an algorithm with a kind of store."""
    return algorithm if stores == "plain" else f"{algorithm} {stores}"


def _rows(count: int, n: int) -> np.ndarray:
    """(count, n) float32, each row aligned and its memory really there."""
    pitch = -(-4 * n // LINE) * LINE // 4
    block = np.ones(count * pitch + LINE // 4, np.float32)
    first = -block.ctypes.data % LINE // 4
    return block[first : first + count * pitch].reshape(count, pitch)[:, :n]
