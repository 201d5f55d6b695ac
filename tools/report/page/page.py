"""One self-contained page about any number of runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..bench_run import BenchRun
from ..contents import DASH, Cell, Named, Section, Table, energy, energy_text, sections, typical_seconds
from ..display import counted, duration, size
from ..energy_run import EnergyRun
from .latency import distribution, over_minutes
from .markup import Content, Markup, tag
from .memory import arena_map
from .power import power_trace
from .roofline import roofline
from .style import STYLE
from .tradeoff import tradeoff

MOST_ROWS = 60
"""Of a table of layers, the longest; all of them are in the run file, and in the report as CSV."""
WHOLE = 28
"""Characters of a text that is not broken into lines, such as a target's name at its hyphens."""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What the page may load: nothing."""
SEEN = (
    "How often which latency was seen (square root); solid line: median, dashed: 99th percentile; what took longest is "
    "in the last column."
)


def write_page(runs: Sequence[Named]) -> str:
    parts = sections(runs)
    title = "millijoule report: " + ", ".join(each.name for each in runs)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("link", rel="icon", href="data:,"),
        tag("title", title),
        tag("style", Markup(STYLE)),
    )
    links = [tag("li", tag("a", part.title, href=f"#part{number}")) for number, part in enumerate(parts)]
    body = tag(
        "body",
        tag("a", "Skip to the report", class_="skip", href="#report"),
        tag(
            "header",
            tag("h1", "millijoule report"),
            tag("p", _head(runs), class_="soft"),
            tag("nav", tag("ul", links), aria_label="Runs"),
        ),
        tag("main", [_section(part, f"part{number}", runs) for number, part in enumerate(parts)], id="report"),
        tag("footer", tag("p", "Made by mj report from run files of mj bench and mj energy.", class_="soft")),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _head(runs: Sequence[Named]) -> str:
    machines = sorted({each.run.machine.cpu for each in runs if each.run.machine is not None})
    dates = sorted({each.run.created[:10] for each in runs})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return f"{counted(len(runs), 'run')}, {when}" + (f", on {', '.join(machines)}" if machines else "")


def _section(part: Section, anchor: str, runs: Sequence[Named]) -> Markup:
    heading = f"{anchor}-title"
    figures = list(_overview_figures(runs) if part.run is None else _figures(part.run.run))
    content: list[Content] = [tag("h2", part.title, id=heading)]
    if part.run is not None:
        content.append(_tiles(part.run))
    if part.notes:
        notes = tag("ul", [tag("li", note) for note in part.notes])
        content.append(tag("div", tag("strong", "To know"), notes, class_="warn", role="note"))
    if figures:
        content.append(tag("div", figures, class_="grid-of"))
    content += [_card(table, f"{anchor}-table{number}") for number, table in enumerate(part.tables)]
    return tag("section", content, id=anchor, aria_labelledby=heading)


def _tiles(each: Named) -> Markup:
    """The figures that are looked for first."""
    run = each.run
    total, above, how = energy(run)
    found: list[tuple[str, str]] = []
    if run.model is not None:
        found.append(("model", run.model.name))
        found.append(("target", f"{run.model.target}, {counted(run.model.threads, 'thread')}"))
    typical = typical_seconds(run)
    if typical is not None:
        found.append(("latency, median" if run.latency else "time of an inference", duration(typical)))
    if run.latency:
        found.append(("latency, p99", duration(run.latency[0].p99)))
    if above is not None:
        found.append((f"energy above idle, {how}", f"{energy_text(above.value / 1000, 1e-3)} mJ"))
    if total is not None:
        found.append((f"energy in total, {how}", f"{energy_text(total.value / 1000, 1e-3)} mJ"))
    if run.memory is not None:
        found.append(("arena", size(run.memory.arena_bytes)))
    if run.accuracy is not None:
        found.append((run.accuracy.metric, f"{run.accuracy.value:.4g}"))
    return tag("dl", [tag("div", tag("dt", name), tag("dd", text)) for name, text in found], class_="tiles")


def _overview_figures(runs: Sequence[Named]) -> Iterator[Markup]:
    import msgspec

    firsts = [msgspec.structs.replace(each.run.latency[0], name=each.name) for each in runs if each.run.latency]
    if len(firsts) > 1:
        caption = SEEN
        yield from _figure("Latency of every run", distribution(firsts), caption)
    caption = "Numbers are the runs' in the table below. Energy above idle where it is known, else in total."
    yield from _figure("Accuracy against cost", tradeoff(runs), caption)


def _figures(run: BenchRun | EnergyRun) -> Iterator[Markup]:
    caption = SEEN
    yield from _figure("Latency", distribution(run.latency), caption)
    if isinstance(run, BenchRun):
        minutes = [(each.start_s, each.median, each.p90, each.p99) for each in run.sustained]
        yield from _figure("Under load for minutes", over_minutes(minutes), "Median, 90th and 99th percentile.")
    if isinstance(run, EnergyRun):
        how = {"measured": "Measured", "replayed": "From a recording", "modelled": "Modelled"}[run.source.how]
        caption = f"{how}: {run.source.name}. Shaded: windows of load (darker) and rest."
        yield from _figure("Power over time", power_trace(run), caption)
    dashed = "" if run.bounds is None else "; dashed: the most that this CPU does on one thread"
    caption = f"Each dot is a layer, larger where it takes more time{dashed}."
    yield from _figure("Roofline", roofline(run.layers, run.bounds), caption)
    if run.memory is not None:
        caption = "Each block is a value: from which step to which it lives, and where in the arena it lies."
        yield from _figure("Memory of activations", arena_map(run.memory), caption)


def _figure(title: str, picture: Markup | None, caption: str) -> Iterator[Markup]:
    if picture is not None:
        yield tag("figure", tag("h3", title), picture, tag("figcaption", caption))


def _card(table: Table, anchor: str) -> Markup:
    heading = tag("h3", table.title, id=anchor)
    rows, note = table.rows, None
    if len(rows) > MOST_ROWS and table.title == "Layers":
        place = table.columns.index(">time") if ">time" in table.columns else None
        if place is not None:
            longest = sorted(rows, key=lambda row: row[place].value or 0, reverse=True)[:MOST_ROWS]
            rows = [row for row in rows if any(row is one for one in longest)]
        else:
            rows = rows[:MOST_ROWS]
        note = tag("p", f"The {len(rows)} longest of {len(table.rows)} layers; -o report.csv has all.", class_="soft")
    elif len(rows) > MOST_ROWS and table.title == "Windows":
        rows = rows[:MOST_ROWS]
        note = tag("p", f"The first {len(rows)} of {len(table.rows)} windows; -o report.csv has all.", class_="soft")
    # What scrolls has to be reachable by the keyboard, and to say what it is.
    region = tag("div", _table(table, rows), class_="scroll", role="region", tabindex=0, aria_labelledby=anchor)
    return tag("div", heading, note, region, class_="card narrow" if len(table.columns) == 2 else "card")


def _table(table: Table, rows: Sequence[Sequence[Cell]]) -> Markup:
    numbers = [name.startswith(">") for name in table.columns]
    heads = [
        tag(
            "th",
            name.removeprefix(">") or tag("span", "figure", class_="soft"),
            scope="col",
            class_="n" if right else None,
        )
        for name, right in zip(table.columns, numbers, strict=True)
    ]
    body = []
    for row in rows:
        cells = []
        for place, (cell, right) in enumerate(zip(row, numbers, strict=True)):
            value = None if cell.value is None else repr(cell.value)
            whole = len(cell.short or cell.text) <= WHOLE
            # A sentence among numbers is broken, so that they stay where a phone shows them.
            kind = ("n" if whole or cell.value is not None else "n s") if right else "w" if whole else None
            if place == 0:
                cells.append(tag("th", cell.text, scope="row", class_=kind, data_value=value))
                continue
            bar = _bar(cell.value) if table.columns[place] == ">share" and cell.text != DASH else None
            text = tag("span", cell.short, title=cell.text) if cell.short else cell.text
            cells.append(tag("td", text, bar, class_=kind, data_value=value))
        body.append(tag("tr", cells))
    return tag("table", tag("thead", tag("tr", heads)), tag("tbody", body))


def _bar(share: float | None) -> Markup:
    return tag("span", tag("i", style=f"width:{100 * (share or 0):.1f}%"), class_="bar", aria_hidden="true")
