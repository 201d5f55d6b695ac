"""What `mj bench softmax` says about its measurements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..report.display import emit_sentence, provenance, room, table
from .softmax_contenders import ALGORITHMS, AUTO, COPY, THREE, TWO, output_count, variant
from .softmax_peers import OURS
from .timing import summary

TRAFFIC = 8
"""Bytes per element that a copy moves, and that rates are given of: every value read once and written once."""
Column = list[str]
SPACE = 2
"""Characters between two columns of a table."""
PEER = "fastest_peer_to_auto"
BEST = "best_to_auto"


def summarise(
    n: int, rounds: Sequence[Mapping[str, np.ndarray]], stores: Sequence[str], peers: Sequence[str]
) -> dict[str, Any]:
    """The report on one size, from the seconds per call of each contender in each round."""
    seconds = {name: summary(np.concatenate([found[name] for found in rounds])) for name in rounds[0]}
    medians = {name: [float(np.median(found[name])) for found in rounds] for name in rounds[0]}
    return {
        "n": n,
        "outputs": output_count(n),
        "seconds": seconds,
        "ns_per_element": {name: found["median"] / n * 1e9 for name, found in seconds.items()},
        "gb_per_second": {name: TRAFFIC * n / found["median"] / 1e9 for name, found in seconds.items()},
        "round_medians": medians,
        "ratios": ratios(medians, stores, peers),
    }


def ratios(medians: Mapping[str, Sequence[float]], stores: Sequence[str], peers: Iterable[str]) -> dict[str, Any]:
    """By name {"ratio": the median, "rounds": of each round}, of times: below 1 the first named is the faster. Of
    several contenders on one side, the fastest of each round counts."""
    found = {}
    for kind in stores:
        three, two = [variant(algorithm, kind) for algorithm in THREE], variant(TWO, kind)
        found[f"three_pass_to_two_pass_{kind}"] = _ratio(medians, three, two)
        found[f"three_pass_to_copy_{kind}"] = _ratio(medians, three, COPY)
        found[f"two_pass_to_copy_{kind}"] = _ratio(medians, [two], COPY)
    every = [variant(algorithm, kind) for algorithm in ALGORITHMS for kind in stores]
    found[BEST] = _ratio(medians, every, AUTO)
    timed = {name: OURS.get(name, AUTO) for name in peers if name in medians}
    alone = {name: _ratio(medians, [name], ours) for name, ours in timed.items()}
    found |= {f"{name}_to_auto": ratio for name, ratio in alone.items()}
    if alone:
        found[PEER] = _summed_up(
            [min(each) for each in zip(*(ratio["rounds"] for ratio in alone.values()), strict=True)]
        )
    return found


def _ratio(medians: Mapping[str, Sequence[float]], above: Sequence[str], below: str) -> dict[str, Any]:
    fastest = map(min, *(medians[name] for name in above)) if len(above) > 1 else medians[above[0]]
    return _summed_up([time / other for time, other in zip(fastest, medians[below], strict=True)])


def _summed_up(rounds: list[float]) -> dict[str, Any]:
    return {"ratio": float(np.median(rounds)), "rounds": rounds}


def show(report: Mapping[str, Any]) -> None:
    """For people: one table, or several where that would be too wide."""
    sizes, stores = report["sizes"], report["stores"]
    if sizes:
        elements, times, compared = _elements(sizes), _times(sizes), _compared(sizes, stores)
        title = f"softmax of a row: {_count(report['threads'], 'thread')}, {_count(report['rounds'], 'round')}"
        width = room()
        tables = {f"{title}; ns per element, and ratios of times": _broken(elements, times + compared, width)}
        if any(len(parts) > 1 for parts in tables.values()):
            tables = {
                f"{title}; ns per element": _broken(elements, times, width),
                "ratios of times": _broken(elements, compared, width),
            }
        for name, parts in tables.items():
            for part in parts:
                table(name, [column[0] for column in part], zip(*(column[1:] for column in part), strict=True))
        emit_sentence(
            "GB/s: of the copy; 2: two-pass; 3: the better of the three-pass algorithms; best: of all of them"
        )
    for line in report["left_out"]:
        emit_sentence(f"left out: {line}")
    for name, reason in report["absent"].items():
        emit_sentence(f"absent: {name}: {reason}")
    emit_sentence(provenance(report))


def _elements(sizes: Sequence[Mapping[str, Any]]) -> Column:
    return [">elements", *(f"{item['n']:,}" for item in sizes)]


def _times(sizes: Sequence[Mapping[str, Any]]) -> list[Column]:
    """Columns, with their heads, of ns per element, and what that is of a copy in GB/s."""
    found = []
    for name in dict.fromkeys(name for item in sizes for name in item["ns_per_element"]):
        head = name.removeprefix("three-pass-").replace("streaming", "stream").replace(" ", "\n")
        found.append([">" + head, *_cells(sizes, "ns_per_element", name, 3)])
    return [*found, [">GB/s", *_cells(sizes, "gb_per_second", COPY, 1)]]


def _compared(sizes: Sequence[Mapping[str, Any]], stores: Sequence[str]) -> list[Column]:
    """Columns, with their heads, of ratios."""
    first = stores[0]
    heads = {f"three_pass_to_two_pass_{kind}": f"3/2\n{kind.replace('streaming', 'stream')}" for kind in stores}
    heads |= {f"three_pass_to_copy_{first}": "3/copy", f"two_pass_to_copy_{first}": "2/copy"}
    heads |= {BEST: "best/\nauto", PEER: "peer/\nauto"}
    flat = [{"ratios": {name: found["ratio"] for name, found in item["ratios"].items()}} for item in sizes]
    timed = {name for item in flat for name in item["ratios"]}
    return [[">" + head, *_cells(flat, "ratios", name, 2)] for name, head in heads.items() if name in timed]


def _cells(sizes: Sequence[Mapping[str, Any]], kind: str, name: str, digits: int) -> list[str]:
    return [f"{item[kind][name]:.{digits}f}" if name in item[kind] else "-" for item in sizes]


def _broken(first: Column, columns: Iterable[Column], room: int) -> list[list[Column]]:
    """Columns in tables that are no wider than the room, each of which begins with the first."""
    tables = [[first]]
    for column in columns:
        if len(tables[-1]) > 1 and sum(map(_width, [*tables[-1], column])) > room:
            tables.append([first])
        tables[-1].append(column)
    return tables


def _width(column: Column) -> int:
    """With the space between columns."""
    return SPACE + max(len(line) for cell in column for line in cell.lstrip(">").split("\n"))


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
