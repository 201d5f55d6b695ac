"""A cascade's energy, split by how many stages are asked and what is known already."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from classifiers import classifier, images
from cli import mj_energy
from fake_boards import hwmon_ina3221

import millijoule as mill
from millijoule.tools.energy.evaluate import evaluate
from millijoule.tools.energy.load import Window
from millijoule.tools.energy.measure import Measured, Plan
from millijoule.tools.energy.stages import split
from millijoule.tools.energy.ways import MEMORY, Way, ways_of
from millijoule.tools.measure.statistics import mean
from millijoule.tools.report.energy_run import PerInference
from millijoule.tools.report.run_parts import Interval
from millijoule.tools.sensors.source import Facts
from millijoule.tools.sensors.trace import Trace

GATE = mill.Gate("margin", 0.5)
FACTS = Facts(name="fake", what="a fake", quantity="power", whole=True, resolution=0.001, fastest=1000)


@pytest.fixture
def pictures() -> np.ndarray:
    return images(40)


def test_each_way_is_run_by_itself(pictures: np.ndarray) -> None:
    with mill.Cascade([classifier(1), classifier(2)], GATE, target="numpy", threads=1) as cascade:
        ran = [cascade.run(pictures[at : at + 1]).ran for at in range(len(pictures))]
        ways = ways_of(cascade, {"image": pictures})
        assert [way.name for way in ways] == ["answered after 1 of 2 stages", "answered after 2 of 2 stages"]
        assert [way.share for way in ways] == [ran.count(1) / 40, ran.count(2) / 40]
        (record,) = (name for name in cascade.outputs if cascade.outputs[name].size == 5)
        for stages, way in enumerate(ways, 1):
            for _ in range(3 * ran.count(stages)):
                way.invoke()
                assert cascade.outputs[record].ravel()[4] == stages


def test_what_is_known_is_a_way_of_its_own(pictures: np.ndarray) -> None:
    memory = mill.Memory(entries=1000)
    twice = np.concatenate([pictures, pictures])
    with mill.Cascade([classifier(1), classifier(2)], GATE, memory, target="numpy", threads=1) as cascade:
        ways = ways_of(cascade, {"image": twice})
        assert ways[0].name == MEMORY and sum(way.share for way in ways) == pytest.approx(1)
        assert ways[0].share == memory.counts.hits / 80 > 0.1
        hits, misses = memory.counts.hits, memory.counts.misses
        for _ in range(10):
            ways[0].invoke()
        assert (memory.counts.hits, memory.counts.misses) == (hits + 10, misses)
        for _ in range(10):
            ways[1].invoke()
        assert (memory.counts.hits, memory.counts.misses) == (hits + 10, misses), "the memory must not be asked"


def test_other_models_have_one_way(pictures: np.ndarray) -> None:
    with mill.load(classifier(1), target="numpy", threads=1) as session:
        (way,) = ways_of(session, {"image": pictures[:1]})
        assert (way.name, way.share) == ("", 1.0)


def test_the_whole_is_the_mean_by_shares() -> None:
    """3 W above 2 W of rest: 10 ms for three of four inputs, 40 ms for the others."""
    loads, idles, at = [], [Window(0.5, 1.5)], 1.5
    for turn in range(6):
        way, count = turn % 2, (100, 25)[turn % 2]
        loads.append(Window(at, at + 1, count, 1.0, way))
        idles.append(Window(at + 1, at + 2))
        at += 2
    times = np.arange(0, at + 1, 0.001)
    busy = np.zeros(len(times), bool)
    for window in loads:
        busy |= (times >= window.start) & (times < window.end)
    trace = Trace.of_power(times, np.where(busy, 5.0, 2.0))
    found = evaluate(Measured(trace, loads, idles), FACTS, shares=[0.75, 0.25])
    values = [(way.total_mj.value, way.seconds) for way in found.ways]
    assert values == [(pytest.approx(50, rel=1e-3), 0.01), (pytest.approx(200, rel=1e-3), 0.04)]
    assert found.per_inference.total_mj.value == pytest.approx(87.5, rel=1e-3)
    assert found.per_inference.above_idle_mj is not None
    assert found.per_inference.above_idle_mj.value == pytest.approx(52.5, rel=1e-3)
    assert found.per_inference.seconds == pytest.approx(0.0175, rel=1e-3) and found.rate == pytest.approx(
        1 / 0.0175, rel=1e-3
    )
    assert found.power.mean == pytest.approx(5, rel=1e-3) and found.joules == pytest.approx(30, rel=1e-3)


def test_means_of_intervals() -> None:
    found = mean([Interval(10.0, 6.0, 14.0), Interval(20.0, 17.0, 23.0)], [0.5, 0.5])
    assert (found.value, found.low, found.high) == (15.0, 12.5, 17.5)
    assert mean([Interval(1.0, None, None), Interval(3.0, 2.0, 4.0)], [0.5, 0.5]) == Interval(2.0, None, None)


def test_several_ways_take_longer() -> None:
    plan = Plan.choose(5, None, None, 100, ways=3)
    assert plan.seconds == 2 and plan.total == pytest.approx(5 * 3 * 3 + 1)
    assert Plan.choose(5, 15.0, None, 100, ways=3).seconds == 1


def test_on_the_command_line(pictures: np.ndarray, tmp_path: Path) -> None:
    hwmon_ina3221(tmp_path, [("VDD_IN", 5000, 1500)])
    with mill.Cascade([classifier(1), classifier(2)], GATE, target="numpy", threads=1) as cascade:
        cascade.save(tmp_path / "pair.mj")
    np.save(tmp_path / "pictures.npy", pictures)
    options = ("--input", tmp_path / "pictures.npy", "--root", tmp_path, "--target", "numpy", "--rounds", 2)
    report = json.loads(mj_energy(tmp_path / "pair.mj", *options, "--json").stdout)
    assert [way["name"] for way in report["ways"]] == ["answered after 1 of 2 stages", "answered after 2 of 2 stages"]
    assert sum(way["share"] for way in report["ways"]) == pytest.approx(1)
    assert [each["way"] for each in report["windows"] if each["kind"] == "load"] == [0, 1, 0, 1]
    shares = [way["share"] * way["per_inference"]["total_mj"]["value"] for way in report["ways"]]
    assert report["per_inference"]["total_mj"]["value"] == pytest.approx(sum(shares))
    parts = [stage["mean_mj"] for stage in report["stages"]]
    assert [stage["name"] for stage in report["stages"]] == ["stage 0", "stage 1"] and report["stages"][0]["asked"] == 1
    assert sum(parts) == pytest.approx(report["per_inference"]["total_mj"]["value"])
    done = mj_energy(tmp_path / "pair.mj", *options)
    assert "of it stage 1" in done.stdout
    assert "answered after 2 of 2 stages" in done.stdout and "% of inputs" in done.stdout


def test_stages_and_memory_add_up_to_the_mean() -> None:
    """3 W: from memory 1 ms; stage 0 takes 10 ms, stages 1 and 2 together 50 ms, as no input ends after stage 1."""
    ways = [Way(MEMORY, 0.25, int), Way("", 0.5, int, ran=1), Way("", 0.25, int, ran=3)]
    figures = [
        PerInference(total_mj=Interval(value, value - half, value + half), above_idle_mj=None, seconds=1)
        for value, half in ((3.0, 1.0), (30.0, 3.0), (180.0, 4.0))
    ]
    found = split(ways, figures)
    assert [(each.name, each.asked) for each in found] == [("memory", 0.25), ("stage 0", 0.75), ("stages 1 to 2", 0.25)]
    assert [each.total_mj.value for each in found] == [3.0, 30.0, 150.0]
    assert found[2].total_mj == Interval(150.0, 145.0, 155.0)
    mean_mj = sum(way.share * each.total_mj.value for way, each in zip(ways, figures, strict=True))
    assert sum(each.mean_mj for each in found) == pytest.approx(mean_mj)
    assert split([Way("", 1.0, int)], figures[:1]) == []
