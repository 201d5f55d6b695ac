"""What a report says of runs, as tables that a page, Markdown and CSV all show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .bench_run import BenchRun
from .display import counted, duration, shape, size
from .energy_run import EnergyRun, Window
from .run_file import AnyRun
from .run_parts import Interval, Latency, Layer

DASH = "-"
ROUNDING = 1e-12
"""Joules below which a figure is none."""


@dataclass(frozen=True, slots=True)
class Cell:
    """text: for people. value: the run file's own number, in SI units, for programs; None where it is none. short: what
    a page shows of a long text, whose whole a pointer that rests on it sees."""

    text: str
    value: float | None = None
    short: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """columns: names, those of numbers begin with '>'. rows: the first cell of each says what the row is of."""

    title: str
    columns: list[str]
    rows: list[list[Cell]]


@dataclass(slots=True)
class Named:
    """A run and what the report calls it."""

    name: str
    run: AnyRun


@dataclass(slots=True)
class Section:
    """run: what it is of; None where it compares all of them."""

    title: str
    run: Named | None
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def named(runs: Sequence[tuple[str, AnyRun]]) -> list[Named]:
    """Runs by the names of their files, with a number behind those that occur twice."""
    found: list[Named] = []
    for path, run in runs:
        name = Path(path).name.removesuffix(".json") or path
        taken = {each.name for each in found}
        number = 2
        candidate = name
        while candidate in taken:
            candidate, number = f"{name} ({number})", number + 1
        found.append(Named(candidate, run))
    return found


def sections(runs: Sequence[Named]) -> list[Section]:
    """The overview, then one section for each run."""
    return [Section("Overview", None, [_overview(runs)]), *map(_of_run, runs)]


def plain(text: str) -> Cell:
    return Cell(text or DASH)


def number(value: float | None, text: str) -> Cell:
    """text: how a value that is known reads."""
    return Cell(DASH) if value is None else Cell(text, value)


def seconds(value: float | None) -> Cell:
    return Cell(DASH) if value is None else Cell(duration(value), value)


def byte_count(value: int | None) -> Cell:
    return Cell(DASH) if value is None else Cell(size(value), value)


def energy_text(joules: float, unit: float = 1.0) -> str:
    """Four digits, in so many joules; less than a picojoule is what rounding left of a difference."""
    return f"{joules / unit if abs(joules) >= ROUNDING else 0.0:.4g}"


def millijoules(interval: Interval | None, *, bounds: bool = True) -> Cell:
    """value: in joules."""
    if interval is None:
        return Cell(DASH)
    said = _bounds(interval) if bounds else ""
    return Cell(f"{energy_text(interval.value / 1000, 1e-3)} mJ{said}", interval.value / 1000)


def _bounds(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return ""
    return f" ({interval.low:.4g} to {interval.high:.4g})"


def typical_seconds(run: AnyRun) -> float | None:
    """Of one inference: the median, or what a run of energy counted."""
    if run.latency:
        return run.latency[0].median
    return run.per_inference.seconds if isinstance(run, EnergyRun) and run.per_inference is not None else None


def energy(run: AnyRun) -> tuple[Interval | None, Interval | None, str]:
    """Millijoules of one inference in total and above idle, and how they are known."""
    if isinstance(run, EnergyRun):
        found = run.per_inference
        return (None, None, "") if found is None else (found.total_mj, found.above_idle_mj, run.source.how)
    joules = [layer.joules_above_idle for layer in run.layers]
    if not joules or any(each is None for each in joules):
        return None, None, ""
    return None, Interval(1000 * sum(each for each in joules if each is not None), None, None), "modelled"


def accuracies(runs: Sequence[Named]) -> dict[str, tuple[str, float]]:
    """Metric and value by the model's digest, which every run of that file shares."""
    return {
        run.run.model.sha256: (run.run.accuracy.metric, run.run.accuracy.value)
        for run in runs
        if run.run.model is not None and run.run.accuracy is not None
    }


def _overview(runs: Sequence[Named]) -> Table:
    known = accuracies(runs)
    columns = [
        "run", ">no.", "model", "target", ">threads", ">median", ">p90", ">p99", ">energy above idle",
        ">energy in total", "energy by", ">arena", ">peak memory", ">accuracy",
    ]  # fmt: skip
    rows = []
    for place, each in enumerate(runs, 1):
        run, model = each.run, each.run.model
        ours = run.latency[0] if run.latency else None
        total, above, how = energy(run)
        accuracy = None if model is None else known.get(model.sha256)
        memory = run.memory
        rows.append(
            [
                Cell(each.name),
                Cell(str(place), place),
                plain("" if model is None else model.name),
                plain("" if model is None else model.target),
                number(None, "") if model is None else Cell(str(model.threads), model.threads),
                seconds(typical_seconds(run)),
                seconds(None if ours is None else ours.p90),
                seconds(None if ours is None else ours.p99),
                millijoules(above, bounds=False),
                millijoules(total, bounds=False),
                plain(how),
                byte_count(None if memory is None else memory.arena_bytes),
                byte_count(None if memory is None else memory.peak_bytes),
                Cell(DASH) if accuracy is None else Cell(f"{accuracy[1]:.4g} ({accuracy[0]})", accuracy[1]),
            ]
        )
    return Table("All runs", *_without_empty(columns, rows))


def _without_empty(columns: list[str], rows: list[list[Cell]]) -> tuple[list[str], list[list[Cell]]]:
    """Without columns in which no row has anything."""
    kept = [place for place in range(len(columns)) if any(row[place].text != DASH for row in rows)]
    return [columns[place] for place in kept], [[row[place] for place in kept] for row in rows]


def _of_run(each: Named) -> Section:
    run = each.run
    found = Section(each.name, each, notes=list(run.warnings))
    if isinstance(run, BenchRun) and run.held:
        found.notes.append(f"peers: {run.held}")
    if run.latency:
        found.tables.append(_latency(run))
    if isinstance(run, EnergyRun):
        found.tables += _energy(run)
        found.notes += run.source.notes
    if isinstance(run, BenchRun):
        found.tables += _bench(run)
    if run.layers:
        found.tables.append(_layers(run.layers))
    if run.memory is not None:
        found.tables.append(_memory(run))
    found.tables.append(_provenance(run))
    return found


def _latency(run: AnyRun) -> Table:
    columns = ["contender", ">median", ">rounds, 95 %", ">p90", ">p99", ">min", ">mean", ">calls", ">CPU time"]
    rows = [_latency_row(each) for each in run.latency]
    return Table("Latency", *_without_empty(columns, rows))


def _latency_row(each: Latency) -> list[Cell]:
    return [
        Cell(each.name), seconds(each.median), _between(each.interval),
        *map(seconds, (each.p90, each.p99, each.min, each.mean)), Cell(f"{each.calls:,}", each.calls),
        seconds(each.cpu_s),
    ]  # fmt: skip


def _between(bounds: Interval | None) -> Cell:
    if bounds is None or bounds.low is None or bounds.high is None:
        return Cell(DASH)
    return Cell(f"{duration(bounds.low)} to {duration(bounds.high)}")


def _energy(run: EnergyRun) -> list[Table]:
    rows = [
        [Cell("by"), Cell(f"{run.source.how}: {run.source.name}, {run.source.what}")],
        [Cell("whole device"), Cell({True: "yes", False: "no, a part of it", None: "not known"}[run.source.whole])],
        [Cell("inferences"), number(run.inferences, f"{run.inferences or 0:,}")],
        [Cell("energy"), Cell(f"{run.joules:.4g} J", run.joules)],
        [Cell("energy above idle"), number(run.above_idle_j, f"{energy_text(run.above_idle_j or 0.0)} J")],
        [Cell("mean power"), Cell(f"{run.power.mean:.4g} W", run.power.mean)],
        [Cell("peak power"), Cell(f"{run.power.peak:.4g} W", run.power.peak)],
    ]
    if run.power.idle is not None:
        rows.append([Cell("idle power"), Cell(f"{run.power.idle.value:.4g} W", run.power.idle.value)])
    if run.per_inference is not None:
        rows.append([Cell("an inference, in total"), millijoules(run.per_inference.total_mj)])
        rows.append([Cell("an inference, above idle"), millijoules(run.per_inference.above_idle_mj)])
    for life in run.battery.lives if run.battery is not None else ():
        said = f"{life.hours:.3g} h at {life.inferences_per_second:.3g} inferences/s" + (
            ", computed" if life.computed else ""
        )
        rows.append([Cell("battery"), Cell(said, life.hours * 3600)])
    found = [Table("Energy", ["", ">value"], rows)]
    if run.ways:
        columns = ["way", ">share", ">in total", ">above idle", ">time"]
        found.append(
            Table(
                "Ways through the cascade",
                columns,
                [
                    [Cell(way.name), Cell(f"{way.share:.1%}", way.share), millijoules(way.per_inference.total_mj),
                     millijoules(way.per_inference.above_idle_mj), seconds(way.per_inference.seconds)]
                    for way in run.ways
                ],
            )
        )  # fmt: skip
    if run.stages:
        rows = [
            [Cell(stage.name), Cell(f"{stage.asked:.1%}", stage.asked), millijoules(stage.total_mj),
             millijoules(stage.above_idle_mj), Cell(f"{stage.mean_mj:.4g} mJ", stage.mean_mj / 1000)]
            for stage in run.stages
        ]  # fmt: skip
        columns = ["part", ">asked by", ">in total", ">above idle", ">of the mean"]
        found.append(Table("Stages of the cascade", columns, rows))
    if run.windows:
        rows = [_window(window) for window in sorted([*run.windows, *run.between], key=lambda window: window.start_s)]
        columns = [">from", "window", ">long", ">energy", ">mean power", ">samples", ">inferences"]
        found.append(Table("Windows", columns, rows))
    return found


def _window(window: Window) -> list[Cell]:
    spent, long = window.energy_uj * 1e-6, window.end_s - window.start_s
    return [
        Cell(f"{window.start_s:.3f} s", window.start_s), Cell(f"{window.number}, {window.kind}"),
        Cell(f"{long:.3f} s", long), Cell(f"{spent:.6g} J", spent), Cell(f"{window.watts:.4g} W", window.watts),
        Cell(f"{window.samples:,}", window.samples), number(window.inferences, f"{window.inferences or 0:,}"),
    ]  # fmt: skip


def _bench(run: BenchRun) -> list[Table]:
    found = []
    if run.paired:
        rows = [
            [Cell(pair.name), Cell(f"{pair.ratio.value:.3f}{_bounds(pair.ratio)}", pair.ratio.value),
             Cell({True: "yes", False: "no", None: "not known"}[pair.differs])]
            for pair in run.paired
        ]  # fmt: skip
        found.append(Table("Time over the first contender's", ["contender", ">ratio", "differs"], rows))
    if run.start is not None:
        starts = [("warm", run.start.warm), *([("cold", run.start.cold)] if run.start.cold is not None else [])]
        rows = [
            [Cell(name), *map(seconds, (start.interpreter_s, start.load_s, start.first_s, start.seconds)),
             byte_count(start.peak_bytes)]
            for name, start in starts
        ]  # fmt: skip
        columns = ["start", ">Python", ">load", ">first inference", ">in all", ">peak memory"]
        found.append(Table("A new process", columns, rows))
    if run.sustained:
        rows = [
            [Cell(f"{minute.start_s / 60:.1f} min", minute.start_s), seconds(minute.median), seconds(minute.p90),
             seconds(minute.p99), Cell(f"{minute.calls:,}", minute.calls),
             Cell(", ".join(minute.state.throttled) or "no")]
            for minute in run.sustained
        ]  # fmt: skip
        columns = [">from", ">median", ">p90", ">p99", ">calls", "throttled"]
        found.append(Table("Under load for minutes", columns, rows))
    if run.duty is not None:
        duty = run.duty
        rows = [
            [Cell("asked for"), Cell(f"{duty.rate:g} /s", duty.rate)],
            [Cell("reached"), Cell(f"{duty.reached:.4g} /s", duty.reached)],
            [Cell("began late"), Cell(f"{duty.late:,} of {duty.calls:,}", duty.late)],
            [Cell("median"), seconds(duty.median)], [Cell("p99"), seconds(duty.p99)],
            [Cell("CPU time"), seconds(duty.cpu_s)],
        ]  # fmt: skip
        found.append(Table("At a rate", ["", ">value"], rows))
    return found


def _layers(layers: Sequence[Layer]) -> Table:
    whole = sum(layer.seconds or 0 for layer in layers)
    columns = [">step", "operator", "node", "kernel", ">time", ">share", ">energy", ">MACs", ">weights", ">activations"]
    rows = [
        [
            Cell(str(layer.index), layer.index), Cell(layer.operator), plain(layer.node),
            Cell(layer.kernel or "NumPy", short=(layer.kernel or "").partition("(")[0]),
            seconds(layer.seconds),
            number((layer.seconds or 0) / whole if whole else None, f"{(layer.seconds or 0) / (whole or 1):.1%}"),
            number(layer.joules_above_idle, f"{1e6 * (layer.joules_above_idle or 0):.4g} uJ"),
            Cell(f"{layer.macs:,}", layer.macs), byte_count(layer.weight_bytes), byte_count(layer.data_bytes),
        ]
        for layer in layers
    ]  # fmt: skip
    return Table("Layers", *_without_empty(columns, rows))


def _memory(run: AnyRun) -> Table:
    memory = run.memory
    assert memory is not None
    rows = [
        [Cell(name), byte_count(value)]
        for name, value in (
            ("arena", memory.arena_bytes), ("alive at the busiest step", memory.lower_bound),
            ("packed weights", memory.weight_bytes), ("scratch", memory.scratch_bytes),
            ("peak of a process", memory.peak_bytes), ("Python and NumPy alone", memory.numpy_bytes),
        )
        if value is not None
    ]  # fmt: skip
    return Table("Memory", ["", ">bytes"], rows)


def _provenance(run: AnyRun) -> Table:
    rows = [("created", run.created), ("command", run.command)]
    model, machine, conditions = run.model, run.machine, run.conditions
    if model is not None:
        shapes = ", ".join(f"{name} {shape(dims)}" for name, dims in model.shapes.items())
        rows += [
            ("model", model.path), ("SHA-256", model.sha256),
            ("target", f"{model.target}, {counted(model.threads, 'thread')}"),
            ("profile", model.profile or ""), ("input shapes", shapes),
            ("seed", "" if model.seed is None else str(model.seed)),
        ]  # fmt: skip
    if machine is not None:
        rows += [
            ("CPU", f"{machine.cpu}, {machine.usable_cpus} of {machine.cores} cores usable"),
            ("clock", "" if machine.mhz is None else f"{machine.mhz} MHz, governor {machine.governor or 'not known'}"),
            ("system", machine.system),
            ("load at the start", "" if machine.load_average is None else f"{machine.load_average:g}"),
        ]
    if conditions is not None:
        others = conditions.others_cpus
        rows.append(("other programs", "" if others is None else f"kept {others:.2f} CPUs busy"))
        for when, state in (("before", conditions.before), ("after", conditions.after)):
            if state is not None:
                hottest = max(state.celsius.values(), default=None)
                parts = ([] if hottest is None else [f"{hottest:.0f} C"]) + state.throttled
                rows.append((when, ", ".join(parts)))
    rows.append(("versions", ", ".join(f"{name} {text}" for name, text in run.versions.items() if text)))
    rows.append(("settings", ", ".join(f"{name} {value}" for name, value in run.settings.items() if value is not None)))
    return Table("Where it comes from", ["", "value"], [[Cell(name), Cell(text)] for name, text in rows if text])
