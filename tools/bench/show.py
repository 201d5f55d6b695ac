"""A run of `mj bench` for people, and as JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from ..measure.device_state import hottest, slowest
from ..measure.fallback import sentence
from ..report.bench_run import BenchRun, Paired
from ..report.display import counted, duration, emit_sentence, factor, provenance, shorten, size, table

Report = dict[str, Any]


def as_report(run: BenchRun) -> Report:
    """The run file's fields without samples; seconds, round_medians and peers are the latencies by name."""
    report: Report = msgspec.to_builtins(run)
    for found in [*report["latency"], *([report["duty"]] if report["duty"] else [])]:
        del found["samples"]
    # Said once by whatever emits a report.
    del report["warnings"]
    model = report["model"] or {}
    peers = {each.name for each in run.latency if each.kind == "peer"}
    return {
        **report,
        **{name: model.get(name) for name in ("target", "threads", "seed")},
        "seconds": {
            each["name"]: {key: each[key] for key in ("median", "p90", "p99", "min", "mean", "calls")}
            for each in report["latency"]
        },
        "round_medians": {each["name"]: each["round_medians"] for each in report["latency"]},
        "peers": {
            each.name: {"ratio": each.ratio.value, "round_ratios": each.round_ratios}
            for each in run.paired
            if each.name in peers
        },
    }


def show(run: BenchRun, *, layers: bool) -> None:
    assert run.model is not None and run.machine is not None
    _latencies(run)
    _start(run)
    _sustained(run)
    _duty(run)
    if layers:
        _layers(run)
    if run.numpy is not None and sentence(run.numpy):
        emit_sentence(sentence(run.numpy))
    for text in (_precision(run), _memory(run), _state(run)):
        if text:
            emit_sentence(text)
    for name, reason in run.refused.items():
        emit_sentence(f"left out: {name}: {reason}")
    if run.held:
        emit_sentence(f"peers: {run.held}")
    emit_sentence(
        provenance({"machine": msgspec.to_builtins(run.machine), "versions": run.versions, "target": run.model.target})
    )


def _latencies(run: BenchRun) -> None:
    assert run.model is not None
    pairs = {pair.name: pair for pair in run.paired}
    rows = []
    for each in run.latency:
        times = [duration(seconds) for seconds in (each.median, each.p90, each.p99)]
        rows.append(
            [each.name, *times, "" if each.cpu_s is None else duration(each.cpu_s), *_against(pairs.get(each.name))]
        )
    threads, rounds = run.model.threads, len(run.latency[0].round_medians)
    title = f"{run.model.path}: {counted(threads, 'thread')}, {counted(rounds, 'round')}"
    columns = ["engine", ">median", ">p90", ">p99", ">CPU time"]
    if run.paired:
        first = "ours" if any(each.kind == "peer" for each in run.latency) else "the first"
        table(title, [*columns, f">its time\n/ {first}", ">95 %"], rows)
    else:
        table(title, columns, [row[:5] for row in rows])


def _against(pair: Paired | None) -> list[str]:
    if pair is None:
        return ["", ""]
    low, high = pair.ratio.low, pair.ratio.high
    bounds = "" if low is None or high is None else f"{factor(low)}..{factor(high)}"
    if bounds and not pair.differs:
        bounds += ", as fast"
    return [factor(pair.ratio.value), bounds]


def _precision(run: BenchRun) -> str:
    found = run.stability
    if found is None or found.precision is None or not found.stable:
        # The warning says it.
        return ""
    return f"The median is known within {found.precision:.1%} (95 %)."


def _start(run: BenchRun) -> None:
    if run.start is None:
        return
    rows = []
    for name, each in (("warm", run.start.warm), ("cold", run.start.cold)):
        if each is not None:
            times = (each.interpreter_s, each.load_s, each.first_s, each.seconds)
            rows.append([name, *map(duration, times), "" if each.peak_bytes is None else size(each.peak_bytes)])
    table(
        "Start of a process",
        ["kernels", ">Python,\nNumPy", ">loading", ">first\ninference", ">together", ">peak\nmemory"],
        rows,
    )


def _sustained(run: BenchRun) -> None:
    rows = []
    for each in run.sustained:
        celsius, mhz = hottest(each.state), slowest(each.state)
        rows.append([
            f"{(each.start_s + each.seconds) / 60:.3g}", duration(each.median), duration(each.p90), duration(each.p99),
            str(each.calls), "" if celsius is None else f"{celsius:.1f}", "" if mhz is None else f"{mhz:.0f}",
            ", ".join(each.state.throttled),
        ])  # fmt: skip
    if rows:
        columns = [">until\nminute", ">median", ">p90", ">p99", ">calls", ">C", ">MHz", "held down by"]
        table("Sustained load", columns, rows)


def _duty(run: BenchRun) -> None:
    found = run.duty
    if found is None:
        return
    row = [
        f"{found.rate:g}", f"{found.reached:.4g}", *map(duration, (found.median, found.p90, found.p99, found.cpu_s)),
        f"{found.cpu_s * found.reached:.2%}", str(found.late),
    ]  # fmt: skip
    columns = [">asked\n/s", ">reached\n/s", ">median", ">p90", ">p99", ">CPU time\nof one", ">of a CPU", ">late"]
    table("Load at a rate", columns, [row])


def _layers(run: BenchRun) -> None:
    whole = sum(layer.seconds or 0.0 for layer in run.layers)
    rows = []
    for layer in run.layers:
        seconds = layer.seconds or 0.0
        energy = "" if layer.joules_above_idle is None else f"{layer.joules_above_idle * 1e6:.1f}"
        rows.append([
            layer.index, layer.operator, "NumPy" if layer.kernel is None else layer.kernel.partition("(")[0],
            f"{layer.macs:,}" if layer.macs else "", size(layer.weight_bytes + layer.data_bytes), duration(seconds),
            f"{100 * seconds / whole:.1f} %" if whole else "", energy, shorten(layer.node),
        ])  # fmt: skip
    columns = [
        ">step",
        "operator",
        "kernel",
        ">multiply-adds",
        ">bytes",
        ">time",
        ">share",
        ">uJ above idle\n(modelled)",
        "node",
    ]
    if not any(layer.joules_above_idle is not None for layer in run.layers):
        columns, rows = [*columns[:7], columns[8]], [[*row[:7], row[8]] for row in rows]
    table("Steps", columns, rows)


def _memory(run: BenchRun) -> str:
    found = run.memory
    if found is None:
        return ""
    text = f"Memory: arena {size(found.arena_bytes)}, packed weights {size(found.weight_bytes)}"
    if found.peak_bytes is None:
        return f"{text}."
    own = "" if found.numpy_bytes is None else f", {size(found.numpy_bytes)} of it Python and NumPy"
    return f"{text}; a process that only runs the model takes {size(found.peak_bytes)} at most{own}."


def _state(run: BenchRun) -> str:
    conditions = run.conditions
    if conditions is None or conditions.before is None or conditions.after is None:
        return ""
    before, after, parts = conditions.before, conditions.after, []
    hot, hotter = hottest(before), hottest(after)
    if hot is not None and hotter is not None:
        parts.append(f"{hot:.1f} C before, {hotter:.1f} C after")
    clock, later = slowest(before), slowest(after)
    if clock is not None and later is not None:
        parts.append(f"{clock:.0f} MHz before, {later:.0f} MHz after")
    if before.governor:
        parts.append(f"governor {before.governor}")
    parts += [text for text in after.throttled if text not in parts]
    return f"Device: {'; '.join(parts)}." if parts else ""
