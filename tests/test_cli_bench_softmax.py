"""`mj bench softmax`: everything is timed that can be, and what is said of it hangs together."""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np
import pytest
from cli import mj, mj_json, mj_process, one_line
from small_model import small_model

from millijoule.device_profiles import Cache, Cluster
from millijoule.runtime.errors import Error
from millijoule.runtime.ops.softmax import softmax as reference
from millijoule.tools.measure import machine, softmax_contenders, softmax_peers
from millijoule.tools.measure.softmax_contenders import (
    ALGORITHMS,
    AUTO,
    COPY,
    SESSION,
    THREE,
    TWO,
    Contender,
    Row,
    make_row,
)
from millijoule.tools.measure.softmax_report import ratios, show, summarise

PLAIN = ALGORITHMS
QUICK = ("--seconds", "0.002", "--rounds", "3")


@pytest.fixture(scope="module")
def report() -> Any:
    return mj_json("bench", "softmax", "--sizes", "1000, 5e3", *QUICK, "--no-peers", "--seed", 3)


def test_every_algorithm_is_timed_at_every_size(report: Any) -> None:
    assert [item["n"] for item in report["sizes"]] == [1000, 5000]
    names = {*PLAIN, *(f"{name} streaming" for name in PLAIN), AUTO, COPY}
    for item in report["sizes"]:
        assert set(item["seconds"]) == set(item["round_medians"]) == names
        for name in names:
            found, n = item["seconds"][name], item["n"]
            assert 0 < found["min"] <= found["median"] <= found["p99"] and found["calls"] >= 3
            assert len(item["round_medians"][name]) == 3
            assert item["ns_per_element"][name] == pytest.approx(found["median"] / n * 1e9)
            assert item["gb_per_second"][name] == pytest.approx(8 * n / found["median"] / 1e9)


def test_ratios_are_medians_of_those_of_the_rounds(report: Any) -> None:
    for item in report["sizes"]:
        times, found = item["round_medians"], item["ratios"]
        for kind, end in (("plain", ""), ("streaming", " streaming")):
            better = [min(pair) for pair in zip(*(times[name + end] for name in THREE), strict=True)]
            expected = [a / b for a, b in zip(better, times[TWO + end], strict=True)]
            assert found[f"three_pass_to_two_pass_{kind}"] == {"ratio": median(expected), "rounds": expected}
        expected = [a / b for a, b in zip(times[TWO], times[COPY], strict=True)]
        assert found["two_pass_to_copy_plain"] == {"ratio": median(expected), "rounds": expected}


def test_the_report_says_where_it_is_from(report: Any) -> None:
    assert report["threads"] == 1 and report["seed"] == 3 and report["rounds"] == 3
    assert report["stores"] == ["plain", "streaming"]
    assert report["versions"]["numpy"] == np.__version__ and report["machine"]["usable_cpus"] >= 1
    assert report["absent"] == {} and report["left_out"] == [] and report["target"] != "host"


def fixed(slower: float = 1.0) -> dict[str, Any]:
    """A report of numbers that nobody measured: a row of 1000 elements takes 250 to 1050 ns, and a copy 100.
    slower: by how much all but the copy take longer."""
    names = [*PLAIN, *(f"{name} streaming" for name in PLAIN), AUTO]
    round_of = {name: np.array([(250 + 100 * at) * 1e-9 * slower]) for at, name in enumerate(names)}
    sizes = [summarise(1000, 3 * [{**round_of, COPY: np.array([1e-7])}], ["plain", "streaming"], [])]
    machine = {"cpu": "a CPU", "usable_cpus": 2, "load_average": 0.0}
    about = {"threads": 1, "rounds": 3, "stores": ["plain", "streaming"], "left_out": [], "absent": {}}
    return {"sizes": sizes, **about, "target": "x86-64-v3", "machine": machine, "versions": {"numpy": "2.0"}}


def numbers_of(shown: str) -> list[list[str]]:
    """What stands behind the number of elements, in each table."""
    return [line.split()[1:] for line in shown.splitlines() if line.lstrip().startswith("1,000 ")]


TIMES = ["0.250", "0.350", "0.450", "0.550", "0.650", "0.750", "0.850", "0.950", "1.050", "0.100", "80.0"]
RATIOS = ["1.80", "1.31", "4.50", "2.50", "0.24"]
TITLE = "softmax of a row: 1 thread, 3 rounds; ns per element"


def test_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millijoule.tools.measure.softmax_report.room", lambda: 200)
    monkeypatch.setenv("COLUMNS", "200")
    show(fixed())
    shown = capsys.readouterr().out
    assert numbers_of(shown) == [[*TIMES, *RATIOS]]
    assert f"{TITLE}, and ratios of times\n" in shown and "target x86-64-v3 on a CPU, 2 CPUs usable" in shown
    heads = ("two-pass", "reload", "recompute", "stream", "auto", "copy", "GB/s", "3/2", "3/copy", "2/copy", "best/")
    assert all(head in shown for head in heads) and "peer/" not in shown


@pytest.mark.parametrize(
    ("columns", "slower", "counts"),
    [
        (140, 1.0, [11, 5]),
        (80, 1.0, [5, 6, 5]),
        (5, 1.0, [1] * 16),
        # Numbers so long take more tables, and not more room.
        (140, 1e9, [8, 3, 5]),
        (80, 1e9, [4, 4, 3, 5]),
    ],
)
def test_a_table_that_is_too_wide_becomes_several(
    columns: int, slower: float, counts: list[int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("millijoule.tools.measure.softmax_report.room", lambda: columns)
    monkeypatch.setenv("COLUMNS", str(columns))
    show(fixed(slower))
    shown = capsys.readouterr().out
    assert [len(row) for row in numbers_of(shown)] == counts
    if slower == 1:
        assert [cell for row in numbers_of(shown) for cell in row] == [*TIMES, *RATIOS]
    assert f"{TITLE}\n" in shown and "ratios of times\n" in shown
    assert columns < 60 or all(len(line) <= columns for line in shown.splitlines())


def test_what_was_measured_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = mj("bench", "softmax", "--sizes", "1000", *QUICK, "--no-peers")
    assert done.exit_code == 0 and TITLE in done.stdout
    rows = numbers_of(done.stdout)
    assert len(rows) > 1 and all(float(cell) > 0 for row in rows for cell in row)
    # Eight times, auto, the copy and its rate, and five ratios.
    assert sum(map(len, rows)) == 16


@pytest.mark.parametrize(
    ("stores", "names"), [("plain", PLAIN), ("streaming", [f"{name} streaming" for name in PLAIN])]
)
def test_stores(stores: str, names: list[str]) -> None:
    found = mj_json("bench", "softmax", "--sizes", "1000", *QUICK, "--no-peers", "--stores", stores, "--threads", 2)
    item = found["sizes"][0]
    assert set(item["seconds"]) == {*names, AUTO, COPY}
    assert f"three_pass_to_two_pass_{stores}" in item["ratios"] and len(item["ratios"]) == 4
    assert 1 <= found["threads"] <= 2


def test_peers_are_timed_or_named_as_absent() -> None:
    found = mj_json("bench", "softmax", "--sizes", "1000", *QUICK, "--stores", "auto")
    item = found["sizes"][0]
    timed = set(item["seconds"]) & set(softmax_peers.PEERS)
    assert timed | set(found["absent"]) == set(softmax_peers.PEERS) and not timed & set(found["absent"])
    times = item["round_medians"]
    alone = []
    for name in timed:
        ours = times[softmax_peers.OURS.get(name, AUTO)]
        alone.append([a / b for a, b in zip(times[name], ours, strict=True)])
        assert item["ratios"][f"{name}_to_auto"]["rounds"] == alone[-1]
        assert found["versions"][softmax_peers.PEERS[name][0]]
    if alone:
        assert item["ratios"]["fastest_peer_to_auto"]["rounds"] == [min(each) for each in zip(*alone, strict=True)]


def test_an_absent_peer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("scipy.special", "torch", "onnxruntime", "ai_edge_litert.interpreter"):
        monkeypatch.setitem(sys.modules, module, None)
    done = mj("bench", "softmax", "--sizes", "1000", *QUICK, "--stores", "plain")
    assert done.exit_code == 0
    assert all(f"absent: {name}: " in done.stdout for name in softmax_peers.PEERS)


@pytest.mark.parametrize("name", softmax_peers.PEERS)
def test_a_peer_computes_the_softmax_of_the_row(name: str) -> None:
    with ExitStack() as stack:
        opened, absent = softmax_peers.open_peers(1, stack)
        if name in absent:
            pytest.skip(absent[name])
        row = make_row(3001, 0)
        contender = opened[name](row)
        contender.check()
        read = contender._read
        found = row.outputs[contender._at] if read is None else read()
        np.testing.assert_allclose(found, reference(row.x), rtol=1e-4, atol=1e-30)


def test_what_is_wrong_is_not_timed() -> None:
    row = make_row(1000, 0)
    peers = {
        "doubled": lambda row: Contender(
            "doubled", row, [lambda: None] * len(row.outputs), lambda: reference(row.x) * 2
        ),
        "broken": _broken,
    }
    found, failed = softmax_peers.join(peers, row)
    assert found == [] and "wrong softmax of 1000 elements" in failed[0] and failed[1].endswith("no such device")
    for y in row.outputs:
        y[...] = reference(row.x)
    with pytest.raises(Error, match="lazy"):
        Contender("lazy", row, [lambda: None] * len(row.outputs)).check()


def _broken(row: Row) -> Contender:
    raise OSError("no such device")


def test_outputs_rotate_alike_for_all_and_are_aligned() -> None:
    row = make_row(1001, 1)
    assert len(row.outputs) == softmax_contenders.output_count(1001) > 1
    assert all(y.shape == (1001,) and y.ctypes.data % 64 == 0 and y.flags.c_contiguous for y in (row.x, *row.outputs))
    assert np.abs(row.x).max() <= 1000 and row.x.min() < -900 and row.x.max() > 900
    used: list[int] = []
    both = [Contender(name, row, [partial(used.append, at) for at in range(len(row.outputs))]) for name in ("a", "b")]
    for step in range(len(row.outputs)):
        both[step % 2].feed()
        both[step % 2].invoke()
    assert sorted(used) == list(range(len(row.outputs)))


def test_output_count_stays_within_its_limits() -> None:
    for n in (1, 1000, 10**6, 10**8, 2**31 - 64):
        count = softmax_contenders.output_count(n)
        assert 1 <= count <= 1000 and (count == 1 or 4 * n * count <= 2e9)


def test_sizes_beyond_half_of_the_memory_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(softmax_contenders, "available_memory", lambda: 1 << 26)
    found = mj_json("bench", "softmax", "--sizes", "1000,1e8", *QUICK, "--no-peers", "--stores", "plain")
    assert [item["n"] for item in found["sizes"]] == [1000]
    assert len(found["left_out"]) == 1 and found["left_out"][0].startswith("100,000,000 elements: ")
    done = mj("bench", "softmax", "--sizes", "1e8", *QUICK, "--no-peers")
    assert done.exit_code == 0 and "left out: 100,000,000 elements" in done.stdout


def test_available_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    known = tmp_path / "meminfo"
    known.write_text("MemTotal: 99 kB\nMemAvailable:    2048 kB\n")
    monkeypatch.setattr(machine, "MEMINFO", known)
    assert machine.available_memory() == 2 << 20
    monkeypatch.setattr(machine, "MEMINFO", tmp_path / "absent")
    found = machine.available_memory()
    assert found is None or found > 1 << 20


def test_the_last_cache_is_the_one_before_memory() -> None:
    sizes: list[tuple[int, Literal["data", "instruction", "unified"], int]]
    sizes = [(1, "data", 32), (1, "instruction", 64), (3, "unified", 4096), (2, "unified", 512)]
    caches = [Cache(level=level, kind=kind, kib=kib) for level, kind, kib in sizes]
    last = Cluster(core="any", cpus=[0], caches=caches).last_cache
    assert last is not None and last.kib == 4096
    assert Cluster(core="any", cpus=[0]).last_cache is None


def test_ratios_of_known_numbers() -> None:
    medians = {
        TWO: [1.0, 2.0, 4.0],
        "two-pass-reload": [2.0, 2.0, 4.0],
        THREE[0]: [2.0, 9.0, 4.0],
        THREE[1]: [3.0, 6.0, 9.0],
        AUTO: [1.0, 1.0, 2.0],
        SESSION: [0.5, 0.5, 1.0],
        COPY: [0.5, 1.0, 2.0],
        "torch": [3.0, 3.0, 3.0],
        "litert": [1.0, 2.0, 1.0],
    }
    found = ratios(medians, ["plain"], ["torch", "litert", "scipy"])
    assert {name: ratio["ratio"] for name, ratio in found.items()} == {
        "three_pass_to_two_pass_plain": 2.0,
        "three_pass_to_copy_plain": 4.0,
        "two_pass_to_copy_plain": 2.0,
        "best_to_auto": 2.0,
        "torch_to_auto": 3.0,
        "litert_to_auto": 2.0,
        "fastest_peer_to_auto": 2.0,
    }


@pytest.mark.parametrize("sizes", ["0", "-5", "1.5", "many", "", "1000,,2000", "nan", "inf", "1e12"])
def test_bad_sizes_are_one_line(sizes: str) -> None:
    done = mj("bench", "softmax", "--sizes", sizes)
    assert done.exit_code == 2 and one_line(done.stderr) and "--sizes" in done.stderr


def test_bad_threads_and_targets() -> None:
    assert mj_process("bench", "softmax", "--threads", 0).returncode == 2
    before = os.environ.get("MILLIJOULE_TARGET")
    for target in ("z80", "numpy"):
        done = mj("bench", "softmax", "--sizes", "1000", "--target", target)
        assert done.exit_code == 2 and one_line(done.stderr) and target in done.stderr
    assert os.environ.get("MILLIJOULE_TARGET") == before


def test_the_target_is_what_is_asked_for_and_only_meanwhile(report: Any) -> None:
    detected = mj_json("doctor")["target"]
    base = detected["runs_also"][0] if detected["runs_also"] else detected["detected"]
    before = os.environ.get("MILLIJOULE_TARGET")
    found = mj_json("bench", "softmax", "--sizes", "1000", *QUICK, "--no-peers", "--stores", "plain", "--target", base)
    assert found["target"] == base and os.environ.get("MILLIJOULE_TARGET") == before


def test_help() -> None:
    assert "mj bench softmax" in mj("bench", "--help").stdout
    done = mj("bench", "softmax", "--help")
    assert done.exit_code == 0 and done.stdout.startswith("Usage: mj bench softmax [OPTIONS]")
    assert all(option in done.stdout for option in ("--sizes", "--threads", "--target", "--stores", "--json"))


def test_a_model_is_still_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_model().save(tmp_path / "model.mj")
    small_model().save(tmp_path / "softmax")
    monkeypatch.chdir(tmp_path)
    for name in ("model.mj", "./softmax"):
        done = mj("bench", name, "--target", "numpy", *QUICK, "--json")
        assert done.exit_code == 0 and json.loads(done.stdout)["model"]["path"] == name


def test_progress_goes_to_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millijoule.tools.report.progress.QUIET", 0.0)
    done = mj("bench", "softmax", "--sizes", "1000,2000", *QUICK, "--no-peers", "--stores", "plain", "--json")
    assert "measured 6 rounds in" in done.stderr and json.loads(done.stdout)["sizes"]
