"""Which kernel calls a softmax is made of, over base registers that hold the addresses of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..compiler.abi import Kernel
from ..kernels import softmax_split as split
from ..kernels.softmax import softmax_f32
from ..kernels.softmax_statistics import HEAD, ITEM, statistics
from ..program.program import Call
from ..program.view import Place, Start, Storage

X, Y, STATE = 0, 1, 2
"""Base registers: input, output, and what the steps hand on."""
PARTS_PER_THREAD, LEAST_PART = 8, 8192
"""Parts of a row that threads share; elements of one."""
SHARED = 32768
"""Elements from which on threads share the work."""


class Key(NamedTuple):
    """What a call is prepared for: rows of n float32. streaming: whether stores bypass the caches; None, and the
    algorithm "auto", are resolved when it is prepared."""

    rows: int
    n: int
    algorithm: str
    log: bool
    streaming: bool | None
    threads: int


class StatisticsKey(NamedTuple):
    """What a call for statistics is prepared for."""

    rows: int
    n: int
    k: int
    threads: int


def is_split(rows: int, n: int, threads: int) -> bool:
    """Whether threads share the parts of a row, not only rows."""
    return threads > 1 and rows < 2 * threads and n >= SHARED


def _grain(rows: int, n: int, threads: int) -> int:
    """Rows that a thread takes at once; 0 where one thread takes all."""
    if threads == 1 or rows == 1 or rows * n < SHARED:
        return 0
    return max(1, rows // (threads * PARTS_PER_THREAD))


def statistics_steps(key: StatisticsKey) -> list[Call]:
    rows, n, k, threads = key
    x, y = _whole(X, 4 * rows * n), _whole(Y, rows * (HEAD + ITEM * k))
    return [Call(statistics, {}, rows, {"x": x, "y": y}, {"n": n, "k": k}, "softmax", _grain(rows, n, threads))]


def softmax_steps(key: Key) -> tuple[list[Call], int]:
    """The calls, and how many bytes of state they share."""
    rows, n, algorithm, log, streaming, threads = key
    x, y = _whole(X, 4 * rows * n), _whole(Y, 4 * rows * n)
    if log or not is_split(rows, n, threads):
        constants = {"algorithm": algorithm, "log": log, "streaming": streaming, "in_place": True}
        places, grain = {"x": x, "y": y}, _grain(rows, n, threads)
        return [Call(softmax_f32, constants, rows, places, {"n": n}, "softmax", grain)], 0
    part = max(LEAST_PART, -(-n // (threads * PARTS_PER_THREAD)))
    part = -(-part // 64) * 64
    parts = -(-n // part)
    chunks = rows * parts
    state = Start(Storage(split.RECORD * (rows + chunks), STATE, 0), 0)
    of_rows = state.touching(0, split.RECORD * rows)
    records = state.shifted(split.RECORD * rows).touching(0, split.RECORD * chunks)
    cut = {"n": n, "part": part, "parts": parts}
    grain = max(1, chunks // (threads * PARTS_PER_THREAD))

    def over_parts(kernel: Kernel, constants: dict[str, Any], **places: Place) -> Call:
        return Call(kernel, constants, chunks, places, cut, "softmax", grain)

    def over_rows(kernel: Kernel, numbers: Mapping[str, int], **places: Place) -> Call:
        places = {**places, "records": records, "rows": of_rows}
        return Call(kernel, {}, rows, places, {**numbers, "parts": parts}, "softmax")

    where: dict[str, Place] = {"x": x, "y": y, "rows": of_rows}
    if algorithm.startswith("two-pass"):
        steps = [
            over_parts(split.totals, {}, x=x, records=records),
            over_rows(split.join_totals, {"n": n}, x=x),
            over_parts(split.write, {"streaming": streaming}, **where),
        ]
    else:
        keep = algorithm == "three-pass-reload"
        steps = [
            over_parts(split.peaks, {}, x=x, records=records),
            over_rows(split.join_peaks, {}),
            over_parts(split.totals_below, {"keep": keep, "streaming": streaming}, records=records, **where),
            over_rows(split.join_below, {}),
        ]
        if keep:
            steps.append(over_parts(split.scale, {"streaming": streaming}, y=y, rows=of_rows))
        else:
            steps.append(over_parts(split.write, {"streaming": streaming}, **where))
    return steps, state.storage.size


def _whole(base: int, size: int) -> Place:
    return Start(Storage(size, base, 0), 0).touching(0, size)
