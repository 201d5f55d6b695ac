"""The report's page in headless Chromium: it opens without an error or a request, shows the run files' figures, and can
be read with the keyboard, by a screen reader, in the dark and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import browser
import pytest
from report_runs import HOSTILE, bench, energy

from millijoule.tools.report.contents import named
from millijoule.tools.report.page.page import write_page
from millijoule.tools.report.run_file import AnyRun

PROGRAM = browser.find()
pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="needs Chromium (apt-get install chromium), or MILLIJOULE_BROWSER with its program"
)
SMALL, LARGE = bench(1, accuracy=0.88), bench(2, layers=90, name="large.mj", accuracy=0.93)
RUNS: list[tuple[str, AnyRun]] = [
    ("small.json", SMALL),
    ("large.json", LARGE),
    ("energy.json", energy(1)),
    (f"{HOSTILE}.json", bench(4, name=HOSTILE)),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Browser]:
    folder = tmp_path_factory.mktemp("browser")
    path = folder / "report.html"
    path.write_text(write_page(named(RUNS)), encoding="utf-8")
    assert PROGRAM is not None
    with browser.Browser(PROGRAM, folder / "home") as opened:
        opened.open(path)
        yield opened


def test_it_opens_without_an_error_or_a_request(page: browser.Browser) -> None:
    assert page.evaluate("document.querySelectorAll('section').length") == 1 + len(RUNS)
    said = [entry for entry in page.log if entry["method"] in ("Log.entryAdded", "Runtime.consoleAPICalled")]
    said += [entry for entry in page.log if entry["method"] == "Runtime.exceptionThrown"]
    assert not said
    asked = [entry["params"]["request"]["url"] for entry in page.log if entry["method"] == "Network.requestWillBeSent"]
    assert [url.partition(":")[0] for url in asked if not url.startswith("data:")] == ["file"]


def test_a_hostile_name_is_text(page: browser.Browser) -> None:
    assert page.evaluate("document.querySelectorAll('script,img,iframe,object,embed,form').length") == 0
    assert "<script>alert(1)</script>" in page.evaluate("document.body.innerText")


def cells(page: browser.Browser, section: str, table: str) -> dict[str, list[float | None]]:
    """The values of a table's rows, by what the first cell says."""
    script = """(() => {
      const part = [...document.querySelectorAll('section')].find(s => s.querySelector('h2').textContent === %r);
      const card = [...part.querySelectorAll('.card')].find(c => c.querySelector('h3').textContent === %r);
      return [...card.querySelectorAll('tbody tr')].map(row => [row.cells[0].textContent,
        [...row.cells].slice(1).map(c => c.dataset.value === undefined ? null : Number(c.dataset.value))]);
    })()"""
    return dict(page.evaluate(script % (section, table)))


def test_the_figures_are_those_of_the_run_files(page: browser.Browser) -> None:
    ours = SMALL.latency[0]
    assert cells(page, "small", "Latency")["model.mj"][0] == ours.median
    assert [cells(page, "Overview", "All runs")["small"][place] for place in (4, 5, 6)] == [
        ours.median,
        ours.p90,
        ours.p99,
    ]
    layers = cells(page, "small", "Layers")
    for layer in SMALL.layers:
        assert {layer.seconds, layer.macs, layer.weight_bytes, layer.data_bytes} <= set(layers[str(layer.index)])
    assert len(cells(page, "large", "Layers")) == 60
    assert cells(page, "energy", "Energy")["an inference, above idle"] == [pytest.approx(0.0068)]
    shown = page.evaluate("document.querySelector('#part1').innerText")
    assert f"{1000 * ours.median:.2f} ms" in shown and SMALL.model is not None and SMALL.model.sha256 in shown


def drawn(page: browser.Browser, label: str) -> Any:
    return page.evaluate(
        f"""(() => {{ const svg = [...document.querySelectorAll('svg')].find(s => s.ariaLabel.startsWith({label!r}));
        return {{label: svg.ariaLabel, rects: [...svg.querySelectorAll('rect')].map(r => r.getBBox().width),
        dots: [...svg.querySelectorAll('circle')].map(c => [c.cx.baseVal.value, c.cy.baseVal.value])}}; }})()"""
    )


def test_what_is_drawn_is_where_the_figures_say(page: browser.Browser) -> None:
    memory = SMALL.memory
    assert memory is not None
    arena = drawn(page, "Memory map")
    assert len(arena["rects"]) == len(memory.buffers)
    lived = sorted(buffer.last - buffer.first + 1 for buffer in memory.buffers)
    step = min(arena["rects"])
    assert sorted(round(width / step) for width in arena["rects"]) == lived
    assert len(drawn(page, "Roofline")["dots"]) == len(SMALL.layers)
    assert len(drawn(page, "Power over time")["rects"]) == 10
    # The more accurate run is higher up, the one that costs more further right.
    small, large = drawn(page, "Accuracy against")["dots"][:2]
    assert large[0] > small[0] and large[1] < small[1]


def test_the_keyboard_reaches_every_link_and_table(page: browser.Browser) -> None:
    page.evaluate("document.activeElement.blur()")
    seen = []
    for _ in range(1 + 1 + len(RUNS)):
        page.press_tab()
        seen.append(page.evaluate("document.activeElement.textContent"))
    assert seen[:2] == ["Skip to the report", "Overview"] and seen[2:5] == ["small", "large", "energy"]
    page.press_tab()
    assert page.evaluate("document.activeElement.getAttribute('role')") == "region"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_a_screen_reader_is_told_what_everything_is(page: browser.Browser) -> None:
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    named_roles: dict[str, list[str]] = {}
    for node in nodes:
        if not node.get("ignored"):
            role = node["role"]["value"]
            named_roles.setdefault(role, []).append(node.get("name", {}).get("value", ""))
    for role in ("image", "region", "navigation", "link"):
        assert named_roles.get(role) and all(named_roles[role]), role
    assert len(named_roles["rowheader"]) > 50 and len(named_roles["columnheader"]) > 50
    assert page.evaluate("document.documentElement.lang") == "en"
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(h => Number(h.tagName[1]))")
    assert levels[0] == 1 and all(after <= before + 1 for before, after in pairwise(levels))


CONTRAST = """(() => {
  const light = c => { const p = c.match(/[\\d.]+/g).slice(0, 3).map(v => { v /= 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * p[0] + 0.7152 * p[1] + 0.0722 * p[2]; };
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (c !== 'rgba(0, 0, 0, 0)') return c; } return getComputedStyle(document.body).backgroundColor; };
  const texts = [...document.querySelectorAll('h1,h2,h3,p,a,dt,dd,th,td,li,figcaption,svg text')];
  return Math.min(...texts.map(e => { const s = getComputedStyle(e);
    const [a, b] = [light(e instanceof SVGElement ? s.fill : s.color), light(behind(e))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); }));
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(page: browser.Browser, scheme: str) -> None:
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(13, 17, 23)"
    assert dark == (scheme == "dark")
    assert page.evaluate(CONTRAST) >= 4.5


def test_a_phone_scrolls_tables_and_not_the_page(page: browser.Browser) -> None:
    page.call("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=2, mobile=True)
    try:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        sizes = "[...document.querySelectorAll('svg text')].map(t => t.getBoundingClientRect().height)"
        assert min(page.evaluate(sizes)) > 8
        # A table of one column of values is read without scrolling.
        wider = """[...document.querySelectorAll('.narrow .scroll')].map(each => each.scrollWidth - each.clientWidth)"""
        assert max(page.evaluate(wider)) <= 0
    finally:
        page.call("Emulation.clearDeviceMetricsOverride")
