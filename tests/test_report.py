"""`mj report`: every format says what the run files say, nothing in them becomes markup or a formula, and pages stay
small."""

from __future__ import annotations

import csv
import html.parser
import io
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cli import mj, mj_json, one_line
from report_runs import HOSTILE, bench, energy

from millijoule.tools.report.contents import energy_text, millijoules, named, sections
from millijoule.tools.report.markdown import write_markdown
from millijoule.tools.report.page.chart import LETTER, across, chart
from millijoule.tools.report.page.markup import tag
from millijoule.tools.report.page.page import write_page
from millijoule.tools.report.page.power import COLUMNS, power_trace
from millijoule.tools.report.page.tradeoff import tradeoff
from millijoule.tools.report.run_file import AnyRun, write_run
from millijoule.tools.report.run_parts import Interval
from millijoule.tools.report.spreadsheet import write_csv

VOID = ("meta", "link")


class Elements(html.parser.HTMLParser):
    """Every element's name and attributes; that those with an end have one."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, name: str, attributes: Any) -> None:
        self.found.append((name, dict(attributes)))
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name


def files(folder: Path, **runs: AnyRun) -> list[Path]:
    for name, run in runs.items():
        write_run(run, str(folder / f"{name}.json"))
    return [folder / f"{name}.json" for name in runs]


def test_a_page_of_several_runs(tmp_path: Path) -> None:
    paths = files(tmp_path, small=bench(1), power=energy(1))
    report = mj_json("report", *paths, "-o", tmp_path / "out.html")
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert report["runs"] == ["small", "power"] and report["output_bytes"] == len(page.encode())
    elements = Elements(page)
    assert not elements.open
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(set(ids)) == len(ids)
    referred = [a[key] for _, a in elements.found for key in ("aria-labelledby",) if key in a]
    referred += [str(a["href"])[1:] for name, a in elements.found if name == "a"]
    assert set(referred) <= set(ids)
    assert all(attributes["aria-label"] for name, attributes in elements.found if name == "svg")
    assert all("scope" in attributes for name, attributes in elements.found if name == "th")


def test_the_page_asks_for_nothing() -> None:
    page = write_page(named([("a.json", bench(1)), ("b.json", energy(1))]))
    elements = Elements(page).found
    assert not [name for name, _ in elements if name in ("script", "img", "iframe", "object", "image", "use")]
    addresses = [str(a[key]) for _, a in elements for key in ("src", "href", "xlink:href") if key in a]
    assert all(address.startswith(("#", "data:,")) for address in addresses)
    assert "http" not in page.replace("http-equiv", "") and "url(" not in page and "@import" not in page
    policy = next(a["content"] for name, a in elements if a.get("http-equiv"))
    assert policy is not None and "default-src 'none'" in policy


def hostile() -> AnyRun:
    """Every string of a run is of the kind that does harm."""

    def spoil(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {key: spoil(item, key) for key, item in value.items()}
        if isinstance(value, list):
            return [spoil(item, key) for item in value]
        return HOSTILE if isinstance(value, str) and key not in ("kind", "created") else value

    return msgspec.convert(spoil(msgspec.to_builtins(bench(3))), type(bench()))


def test_nothing_in_a_run_becomes_markup() -> None:
    harmless = [name for name, _ in Elements(write_page(named([("a.json", bench(3))]))).found]
    page = write_page(named([(f"{HOSTILE}.json", hostile())]))
    elements = Elements(page)
    assert not elements.open and {name for name, _ in elements.found} == set(harmless)
    assert not [key for _, attributes in elements.found for key in attributes if key.startswith("on")]
    assert "\u202e" not in page


def test_nothing_in_a_run_becomes_markdown() -> None:
    text = write_markdown(named([(f"{HOSTILE}.json", hostile())]))
    assert not re.search(r"(?<!\\)<", text) and not re.search(r"(?<!\\)\]\(", text) and "\u202e" not in text
    # Every table keeps its columns.
    for block in text.split("\n\n"):
        lines = [line for line in block.split("\n") if line.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) <= 1


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_nothing_in_a_run_becomes_a_formula(start: str) -> None:
    run = bench(1, name=f"{start}cmd|'/c calc'!A0")
    rows = list(csv.reader(io.StringIO(write_csv(named([(f"{start}2.json", run)])))))
    texts = [cell for row in rows for place, cell in enumerate(row) if place != 4]
    assert not [text for text in texts if text.startswith(("=", "+", "@")) or (text.startswith("-") and text != "-")]
    assert all(row[4] == "" or float(row[4]) is not None for row in rows[1:])


def test_figures_in_csv_are_the_run_files(tmp_path: Path) -> None:
    run = bench(1, layers=80)
    (path,) = files(tmp_path, small=run)
    assert mj("report", path, "-o", tmp_path / "out.csv").exit_code == 0
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    times = {row["row"]: float(row["value"]) for row in rows if row["table"] == "Layers" and row["figure"] == "time"}
    assert times == {str(layer.index): layer.seconds for layer in run.layers}
    (median,) = [row for row in rows if (row["table"], row["row"], row["figure"]) == ("Latency", "model.mj", "median")]
    assert float(median["value"]) == run.latency[0].median


def test_figures_in_markdown_are_the_run_files() -> None:
    text = write_markdown(named([("small.json", bench(1)), ("power.json", energy(1))]))
    median = bench(1).latency[0].median
    assert f"| {1000 * median:.2f} ms |" in text and "6.8 mJ (6.6 to 7)" in text
    assert "## Overview" in text and "## small" in text and "### Layers" in text


def test_ten_runs_take_less_than_a_megabyte() -> None:
    runs: list[tuple[str, AnyRun]] = []
    for seed in range(5):
        runs.append((f"bench{seed}.json", bench(seed, layers=400, samples=5000, name=f"model_{seed}.mj")))
        runs.append((f"power{seed}.json", energy(seed, points=20000)))
    assert len(write_page(named(runs)).encode()) < 1_000_000


def test_runs_with_nothing_but_what_must_be() -> None:
    bare = msgspec.structs.replace(
        bench(1), latency=[], layers=[], memory=None, accuracy=None, bounds=None, paired=[], start=None, sustained=[],
        duty=None, model=None, machine=None, conditions=None, warnings=[],
    )  # fmt: skip
    page = write_page(named([("a.json", bare), ("a.json", bare)]))
    assert not Elements(page).open and "a (2)" in page and "<svg" not in page
    assert write_csv(named([("a.json", bare)])) and write_markdown(named([("a.json", bare)]))


@pytest.mark.parametrize("values", [(0.0, 0.0), (1e-9, 1e-9), (5.0, 5.0), (-1.0, 3.0), (1e-12, 1e12), (0.999, 1.001)])
@pytest.mark.parametrize("log", [False, True])
def test_axes_of_any_range(values: tuple[float, float], log: bool) -> None:
    axis = across("x", *values, log=log)
    assert 1 < len(axis.ticks()) < 30
    for value in axis.ticks():
        assert axis.start - 1 <= axis.at(value) <= axis.end + 1


def test_long_traces_are_drawn_with_their_extremes() -> None:
    run = energy(1, points=20000)
    run.trace.watts[7777] = 60.0
    picture = power_trace(run)
    assert picture is not None and "60 W" in picture and picture.count("L") < 8 * COLUMNS
    ticks = [float(text) for text in re.findall(r'class="tick"[^>]*text-anchor="end">([^<]*)<', picture)]
    assert max(ticks) >= 60


@pytest.mark.parametrize(("count", "shown"), [(10, 11), (200, 60)])
def test_windows_and_stages_with_the_numbers_of_the_run_file(count: int, shown: int) -> None:
    run = energy(1)
    first = run.windows[0]
    windows = [msgspec.structs.replace(first, number=n, start_s=2.0 * n, energy_uj=1e6 + n) for n in range(count)]
    between = msgspec.structs.replace(first, kind="between", start_s=1.0, energy_uj=1e6)
    run = msgspec.structs.replace(run, windows=windows, between=[between])
    tables = {table.title: table for table in sections(named([("run.json", run)]))[-1].tables}
    found = [[cell.value for cell in row] for row in tables["Windows"].rows]
    assert [row[3] for row in found] == pytest.approx([1.0, 1.0, *(1 + 1e-6 * n for n in range(1, count))])
    assert [row[0] for row in found[:3]] == [0.0, 1.0, 2.0]
    ((_, asked, total, above, mean),) = tables["Stages of the cascade"].rows
    assert (asked.value, total.value, above.text) == (0.8, 0.0152, "-") and mean.value == pytest.approx(0.0122)
    page = write_page(named([("run.json", run)]))
    assert page.count(", idle<") + page.count(", load<") + page.count(", between<") == shown
    assert (f"The first {shown} of {count + 1} windows" in page) == (count >= shown)


def test_numbers_of_runs_that_cost_the_same_can_be_told_apart() -> None:
    runs = named([(f"{n}.json", bench(1, accuracy=0.8)) for n in range(4)])
    picture = tradeoff(runs)
    assert picture is not None
    places = re.findall(r'class="point" x="([0-9.]+)" y="([0-9.]+)"', picture)
    assert len({x for x, _ in places}) == 1
    heights = sorted(float(y) for _, y in places)
    assert all(after - before >= 13 for before, after in pairwise(heights)) and len(heights) == 4


def test_accuracy_is_a_property_of_the_model_file() -> None:
    measured = energy(2)
    runs = named([("one.json", bench(1, accuracy=0.8)), ("two.json", bench(2, accuracy=0.9)), ("power.json", measured)])
    picture = tradeoff(runs)
    assert picture is not None and "3 power: 90.00%, 6.8 mJ" in picture
    assert tradeoff(runs[:1]) is None


def test_markup_escapes_what_is_no_markup() -> None:
    assert tag("p", "<b>", ["&", tag("i", "x")], 1.5, title='"') == '<p title="&quot;">&lt;b&gt;&amp;<i>x</i>1.5</p>'


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"{", "no run file"), (b'{"kind": "bench", "version": 99}', "version 99"), (b"\xff\xfe", "no run file")],
)
def test_files_that_are_no_runs(content: bytes, problem: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(content)
    done = mj("report", tmp_path / "run.json", "-o", tmp_path / "out.html")
    assert done.exit_code == 2 and one_line(done.stderr) and problem in done.stderr and "run.json" in done.stderr
    assert not (tmp_path / "out.html").exists()


@pytest.mark.parametrize("name", ["out.pdf", "out", "-"])
def test_outputs_of_no_known_format(name: str, tmp_path: Path) -> None:
    (path,) = files(tmp_path, small=bench(1))
    done = mj("report", path, "-o", name)
    assert done.exit_code == 2 and one_line(done.stderr) and ".html" in done.stderr


def test_a_report_does_not_replace_its_runs(tmp_path: Path) -> None:
    (path,) = files(tmp_path, small=bench(1))
    path = path.rename(tmp_path / "small.csv")
    done = mj("report", path, "-o", path)
    assert done.exit_code == 2 and "would replace" in done.stderr


@pytest.mark.parametrize(("low", "high"), [(8e-5, 2e-2), (1e-6, 1.2e-6), (3e-4, 0.5), (1e-9, 10.0)])
def test_labels_of_ticks_do_not_cover_each_other(low: float, high: float) -> None:
    axis = across("time", low, high, log=True, write=lambda value: f"{1e6 * value:.6g} microseconds")
    picture = str(chart("said", axis, None, []))
    found = re.findall(r'class="tick" x="([\d.]+)"[^>]*>([^<]*)<', picture)
    assert found
    ends = [(float(x) - LETTER * len(label) / 2, float(x) + LETTER * len(label) / 2) for x, label in found]
    assert all(end < start for (_, end), (start, _) in pairwise(ends))


def test_what_rounding_leaves_of_a_difference_is_no_energy() -> None:
    assert energy_text(-1.574e-20, 1e-3) == "0" and energy_text(-1.776e-15) == "0"
    assert energy_text(1.6091e-4, 1e-3) == "0.1609" and energy_text(-2e-12) == "-2e-12"
    assert millijoules(Interval(-1e-17, -0.5, 0.5)).text == "0 mJ (-0.5 to 0.5)"
    assert millijoules(Interval(6.8, 6.6, 7.0), bounds=False).text == "6.8 mJ"
