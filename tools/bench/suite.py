"""Many models beside their peers, one after another, and the geometric means of how much faster they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec

from ...runtime.errors import Error, InputError
from ...runtime.file.metadata import SOURCE_ENDINGS
from ..measure.bounds import streamed
from ..measure.statistics import geometric_mean
from ..report.bench_run import BenchRun
from ..report.display import duration, emit_sentence, factor, provenance, table
from ..report.run_parts import Bounds
from .session import Request, bench

SUFFIXES: Final = (".mj", *SOURCE_ENDINGS)
BRIEF: Final = 5e-6
"""Seconds that a best peer takes, below which calling it from Python is most of the time: such models are apart."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One model. kind: what most of its multiply-adds are of. best, best_seconds: the fastest peer. ratio: its time
    over ours, from rounds in turns. of_macs, of_memory: the time that its multiply-adds, and the bytes that its steps
    read and write, take at the bounds, over ours. refused: peers that could not run it, and why."""

    model: str
    kind: str
    macs: int
    seconds: float
    best: str | None = None
    best_seconds: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    of_macs: float | None = None
    of_memory: float | None = None
    refused: dict[str, str] = {}

    @property
    def brief(self) -> bool:
        return self.best_seconds is not None and self.best_seconds < BRIEF


class Suite(msgspec.Struct, frozen=True, kw_only=True):
    """means: geometric, by kind and of all, of models that are not brief. failed: why a model could not be run. held:
    which peers keep to the target's instructions, where the CPU has more."""

    results: list[Result]
    means: dict[str, float]
    failed: dict[str, str]
    machine: dict[str, Any]
    versions: dict[str, str | None]
    target: str
    bounds: Bounds | None
    held: list[str] = []


def listed(paths: Iterable[str]) -> list[str]:
    """Models, and those in folders, by name. InputError where a folder has none."""
    found: list[str] = []
    for path in paths:
        if not Path(path).is_dir():
            found.append(path)
            continue
        inside = sorted(str(file) for file in Path(path).iterdir() if file.suffix.lower() in SUFFIXES)
        if not inside:
            raise InputError(f"{path}: no model is in this folder ({', '.join(SUFFIXES)})")
        found += inside
    return list(dict.fromkeys(found))


def run_suite(request: Request, progress: Callable[[str], None] = lambda _: None) -> Suite:
    """request: its paths are the models. Error where none of them can be run."""
    runs: dict[str, BenchRun] = {}
    failed: dict[str, str] = {}
    bounds: Bounds | None = None
    for path in request.paths:
        progress(path)
        inputs = replace(request.inputs, shapes=_shapes_of(path, request))
        _bench_one(replace(request, paths=[path], inputs=inputs, bounds=bounds is None), runs, failed)
        if bounds is None and path in runs:
            bounds = runs[path].bounds
    if not runs:
        raise Error("; ".join(failed.values()))
    last = next(reversed(runs.values()))
    assert last.machine is not None and last.model is not None
    results = [result_of(path, run, bounds) for path, run in runs.items()]
    versions = {name: number for run in runs.values() for name, number in run.versions.items()}
    return Suite(
        results=results, means=means(results), failed=failed, machine=msgspec.to_builtins(last.machine),
        versions=versions, target=last.model.target, bounds=bounds,
        held=list(dict.fromkeys(run.held for run in runs.values() if run.held)),
    )  # fmt: skip


def _shapes_of(path: str, request: Request) -> tuple[str, ...]:
    """What --shape says of one model: FILE:NAME=SHAPE of that file alone, anything else of all."""
    files = {Path(each).name for each in request.paths}
    found = []
    for text in request.inputs.shapes:
        file, colon, rest = text.partition(":")
        if not colon or file not in files:
            found.append(text)
        elif file == Path(path).name:
            found.append(rest)
    return tuple(found)


def _bench_one(request: Request, runs: dict[str, BenchRun], failed: dict[str, str]) -> None:
    (path,) = request.paths
    try:
        runs[path] = bench(request)
    except Error as error:
        failed[path] = str(error)


def result_of(path: str, run: BenchRun, bounds: Bounds | None) -> Result:
    assert run.model is not None
    ours = run.latency[0]
    peers = [each for each in run.latency if each.kind == "peer"]
    macs, of_integers = run.model.macs or 0, run.model.int8_macs or 0
    kind = "int8" if 2 * of_integers > macs else "float"
    found = Result(
        model=path, kind=kind, macs=macs, seconds=ours.median, refused=run.refused,
        of_macs=None if bounds is None else _macs_seconds(macs, of_integers, bounds) / ours.median,
        of_memory=None if bounds is None else _memory_seconds(run) / ours.median,
    )  # fmt: skip
    if not peers:
        return found
    best = min(peers, key=lambda each: each.median)
    pair = next(each.ratio for each in run.paired if each.name == best.name)
    return msgspec.structs.replace(
        found, best=best.name, best_seconds=best.median, ratio=pair.value, low=pair.low, high=pair.high
    )


def _macs_seconds(macs: int, of_integers: int, bounds: Bounds) -> float:
    rates = bounds.macs_per_second
    return of_integers / rates["i8"] + (macs - of_integers) / rates["f32"]


def _memory_seconds(run: BenchRun) -> float:
    """At the speed of the cache, or the memory, that holds so much."""
    read_and_written = sum(layer.weight_bytes + layer.data_bytes for layer in run.layers)
    return read_and_written / streamed(read_and_written)


def means(results: Sequence[Result]) -> dict[str, float]:
    """By kind, and of all where there are several kinds."""
    found: dict[str, list[float]] = {}
    for each in results:
        if each.ratio is not None and not each.brief:
            found.setdefault(each.kind, []).append(each.ratio)
    every = [ratio for ratios in found.values() for ratio in ratios]
    by_kind = {kind: geometric_mean(ratios) for kind, ratios in sorted(found.items())}
    return by_kind | ({"all": geometric_mean(every)} if len(found) > 1 else {})


def as_report(suite: Suite) -> dict[str, Any]:
    report: dict[str, Any] = msgspec.to_builtins(suite)
    for each, result in zip(report["results"], suite.results, strict=True):
        each["brief"] = result.brief
        each["macs_per_second"] = result.macs / result.seconds
    return report


def show(suite: Suite) -> None:
    columns = [
        *("model", "kind", ">MMAC", ">ours", ">GMAC/s", ">of\nbound", ">of\nmemory"),
        *("fastest peer", ">its time", ">its time\n/ ours", ">95 %"),
    ]
    usual = [each for each in suite.results if not each.brief]
    if usual:
        table("Models", columns, [_row(each) for each in usual])
    brief = [each for each in suite.results if each.brief]
    if brief:
        rows = [[*_row(each)[:9], f"{1e6 * (each.seconds - (each.best_seconds or 0.0)):+.2f} us", ""] for each in brief]
        title = f"Models whose fastest peer takes less than {duration(BRIEF)}, which no mean counts"
        table(title, [*columns[:9], ">ours less\nits time", ""], rows)
    if suite.bounds is not None:
        rates = {name: f"{rate / 1e9:.0f} GMAC/s" for name, rate in suite.bounds.macs_per_second.items()}
        emit_sentence(
            f"bounds of one thread, just measured: {rates['i8']} int8, {rates['f32']} float, "
            f"{suite.bounds.bytes_per_second / 1e9:.1f} GB/s from memory"
        )
    for kind, mean in suite.means.items():
        emit_sentence(f"geometric mean, {kind}: {mean:.2f}")
    for path, reason in suite.failed.items():
        emit_sentence(f"failed: {path}: {reason}")
    for each in suite.results:
        for name, reason in each.refused.items():
            emit_sentence(f"left out: {name} of {each.model}: {reason}")
    for held in suite.held:
        emit_sentence(f"peers: {held}")
    emit_sentence(provenance({"machine": suite.machine, "versions": suite.versions, "target": suite.target}))


def _row(each: Result) -> list[str]:
    row = [
        Path(each.model).name, each.kind, f"{each.macs / 1e6:.2f}", duration(each.seconds),
        f"{each.macs / each.seconds / 1e9:.1f}", _share(each.of_macs), _share(each.of_memory),
    ]  # fmt: skip
    if each.best is None or each.best_seconds is None or each.ratio is None:
        return [*row, "", "", "", ""]
    bounds = "" if each.low is None or each.high is None else f"{factor(each.low)}..{factor(each.high)}"
    return [*row, each.best, duration(each.best_seconds), factor(each.ratio), bounds]


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"
