"""What commands read of a profile: each shows it, and changes what it says with it. (Predictions: test_estimate.py.)"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from cli import mj, mj_energy, mj_json
from fake_boards import hwmon_ina3221, write
from session_models import tiny_network
from small_model import small_model

import millijoule
from millijoule.device_profiles import Cache, Cluster, Energy, KernelCost, Profile, Rail, Thermal, load
from millijoule.runtime.targets.device import completed, fitting_profile
from millijoule.tools.report.bench_run import BenchRun
from millijoule.tools.report.run_file import read_run

PAGE = Path(__file__).resolve().parent.parent / "docs" / "profiles.md"
TABLES = {Cluster: "clusters.", Cache: "clusters.caches.", Thermal: "thermal."}
"""How the page names what lies in a table of a profile; a figure has no fields of its own there."""


def figure(value: float) -> dict[str, object]:
    return {"value": value, "source": f"source of {value}"}


FIELDS: dict[str, Any] = {
    "extends": "raspberry-pi-4",
    "name": "shed",
    "title": "The one in the shed",
    "notes": "Its fan is broken.",
    "target": "numpy",
    "threads": 3,
    "page_bytes": 65536,
    "memory_mib": 1234,
    "system_mib": 321,
    "memory_gbps": figure(3.75),
    "spin_us": 17,
    "share_us": 19,
    "invoke_us": 23,
    "stage_us": 29,
    "cached_kib": 777,
    "softmax_share": 0.375,
    "strip_share": 0.4375,
    "match": ["product:Shed*"],
    "measured_on": "Zilog Z80",
    "clusters": [
        {
            "core": "Big core",
            "cpus": [4, 5, 6],
            "mhz": 1717,
            "caches": [{"level": 2, "kind": "unified", "kib": 4321, "shared_by": 3}],
        }
    ],
    "rails": [{"sensor": "ina3221", "label": "SHED_IN", "total": True}, {"sensor": "ina3221", "label": "SHED_CPU"}],
    "energy": {name: figure(100.5 + i) for i, name in enumerate(Energy.__struct_fields__)},
    "thermal": {"throttle_celsius": figure(61.5), "sustained_mhz": figure(1414)},
    "kernels": {"conv_f32": {"compute": 1.25, "ends": 2.25, "chunk_ns": 33.5, "call_ns": 44.5}},
}


def toml(path: Path, **fields: object) -> Path:
    path.write_bytes(msgspec.toml.encode(fields))
    return path


def test_a_profile_is_shown_with_every_field(tmp_path: Path) -> None:
    """All but those costs of kernels of which it says that the file has them."""
    found = mj_json("profiles", toml(tmp_path / "shed.toml", **FIELDS))
    assert found == {"warnings": []} | msgspec.to_builtins(millijoule.device_profiles.load(tmp_path / "shed.toml"))
    text = mj("profiles", tmp_path / "shed.toml", COLUMNS="200").stdout
    shown = [
        "shed: The one in the shed", "Its fan is broken.", "numpy", "3 of 3 cores", "1234.00 MiB", "321 MiB",
        "64.0 KiB", "17 us", "19 us", "23 us", "777.0 KiB", "0.375 of the last cache", "0.4375 of the second cache",
        "Zilog Z80", "3.75 GB/s", "source of 3.75", "Big core", "4-6", "1717", "L2 unified 4.22 MiB of 3",
        "SHED_IN", "SHED_CPU",
        "the whole board", "a part", "61.5", "1414", "conv_f32", "1.25", "2.25", "33.5", "44.5", "product:Shed*",
        *(f"{100.5 + i:g}" for i in range(len(Energy.__struct_fields__))), *(Energy.__struct_fields__),
    ]  # fmt: skip
    assert [each for each in shown if each not in text] == []


def test_the_page_names_every_field() -> None:
    text = re.sub("```.*?```", "", PAGE.read_text(), flags=re.DOTALL)
    rows = {name for line in text.splitlines() if line.startswith("| `") for name in re.findall(r"`([^`]+)`", line)}
    wanted = {
        TABLES.get(kind, "") + field
        for kind in (Profile, *TABLES)
        for field in kind.__struct_fields__
        if field not in ("energy", "thermal", "kernels", "caches")
    }
    assert wanted - rows == set()
    told = set(re.findall(r"`([^`]+)`", text))
    assert {field for kind in (Energy, Rail, KernelCost) for field in kind.__struct_fields__} - told == set()


def test_idle_watts_of_a_prediction(tmp_path: Path) -> None:
    small_model().save(tmp_path / "small.mj")
    for watts in (1.25, 4.5):
        path = toml(
            tmp_path / "a.toml", extends="jetson-nano", energy={"idle_watts": {"value": watts, "source": "test"}}
        )
        report = mj_json("energy", tmp_path / "small.mj", "--source", f"model:{path}", "--rate", 10)
        assert report["power"]["idle"]["value"] == watts
        above = report["per_inference"]["above_idle_mj"]["value"] * 1e-3
        assert report["power"]["mean"] == pytest.approx(watts + 10 * above)


@pytest.mark.parametrize("command", ["bench", "energy"])
@pytest.mark.parametrize(("celsius", "warns"), [(70, True), (75, False)])
def test_where_a_device_throttles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, celsius: float, warns: bool
) -> None:
    small_model().save(tmp_path / "small.mj")
    hwmon_ina3221(tmp_path, [("VDD_IN", 5000, 1500)])
    zone = "sys/class/thermal/thermal_zone0"
    write(tmp_path, {f"{zone}/type": "cpu-thermal", f"{zone}/temp": 72000})
    path = toml(
        tmp_path / "a.toml", extends="raspberry-pi-4", target="numpy",
        thermal={"throttle_celsius": {"value": celsius, "source": "test"}},
    )  # fmt: skip
    monkeypatch.setenv("MILLIJOULE_PROFILE", str(path))
    of_a_run = (tmp_path / "small.mj", "--root", tmp_path, "--rounds", 2, "--json")
    if command == "energy":
        done = mj_energy(*of_a_run)
    else:
        done = mj("bench", *of_a_run, "--seconds", 0.01, "--start", "none")
    assert done.exit_code == 0, done.stderr
    warnings = json.loads(done.stdout)["warnings"]
    assert any("lowers its clock from 70 on" in text for text in warnings) == warns


@pytest.mark.parametrize("core_watts", [2.0, 7.0])
def test_the_energy_of_measured_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, core_watts: float) -> None:
    """Of a run's layers, modelled: with picojoules of 0, a core's power for the time that each took."""
    small_model().save(tmp_path / "small.mj")
    nothing = {name: {"value": 0, "source": "test"} for name in Energy.__struct_fields__}
    path = toml(
        tmp_path / "a.toml", extends="raspberry-pi-4", target="numpy",
        energy=nothing | {"core_watts": {"value": core_watts, "source": "test"}},
    )  # fmt: skip
    monkeypatch.setenv("MILLIJOULE_PROFILE", str(path))
    output = tmp_path / "run.json"
    done = mj("bench", tmp_path / "small.mj", "--seconds", 0.01, "--rounds", 2, "--start", "none", "-o", output)
    assert done.exit_code == 0, done.stderr
    run = read_run(str(output))
    assert isinstance(run, BenchRun) and run.layers
    for layer in run.layers:
        assert layer.seconds is not None and layer.joules_above_idle == pytest.approx(core_watts * layer.seconds)


@pytest.mark.parametrize("core_watts", [2.0, 7.0])
def test_the_energy_that_remembering_saves(tmp_path: Path, core_watts: float) -> None:
    path = toml(
        tmp_path / "a.toml", extends="raspberry-pi-4", target="numpy",
        energy={"core_watts": {"value": core_watts, "source": "test"}},
    )  # fmt: skip
    memory = millijoule.Memory()
    x = np.ones((1, 5, 5, 3), np.float32)
    with millijoule.load(tiny_network(), memory=memory, profile=path, threads=1) as session:
        for _ in range(3):
            session.run(x)
    counts = memory.counts
    assert counts.hits == 2 and counts.saved_joules == pytest.approx(core_watts * counts.saved_seconds)


def test_this_computer_s_energy_is_that_of_its_instruction_set() -> None:
    if fitting_profile()[0] is None:
        pytest.skip("no profile fits this computer")
    memory, x = millijoule.Memory(), np.ones((1, 5, 5, 3), np.float32)
    with millijoule.load(tiny_network(), memory=memory, threads=1) as session:
        for _ in range(2):
            session.run(x)
    energy = completed(load())[0].energy
    assert energy is not None
    assert memory.counts.saved_joules == pytest.approx(energy.core_watts.value * memory.counts.saved_seconds)


def test_predictions_say_on_what_they_were_measured(tmp_path: Path) -> None:
    small_model().save(tmp_path / "small.mj")
    for cpu in (None, "Zilog Z80"):
        fields = {} if cpu is None else {"measured_on": cpu}
        path = toml(tmp_path / "a.toml", extends="raspberry-pi-4", **fields)
        (found,) = mj_json("estimate", tmp_path / "small.mj", "--profile", path)["estimates"]
        assert found["measured_on"] == cpu


@pytest.mark.parametrize("text", ['extends = "no-such-board"', "speed = 3", "extends = [", ""])
@pytest.mark.parametrize("name", ["broken", "raspberry-pi-4", "x86-64-v3", "armv8.0"])
def test_one_profile_that_cannot_be_read_is_no_matter_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, name: str
) -> None:
    """Whatever goes through all of them leaves it out, and says which file it is."""
    folder = tmp_path / "millijoule" / "profiles"
    folder.mkdir(parents=True)
    (folder / f"{name}.toml").write_text(text)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    small_model().save(tmp_path / "small.mj")
    for arguments in (
        ("profiles",),
        ("profiles", "--detect"),
        ("energy", "--sources", "--root", tmp_path),
        ("estimate", tmp_path / "small.mj"),
        ("bench", tmp_path / "small.mj", "--target", "numpy", "--seconds", "0.01", "--rounds", "2", "--start", "none"),
    ):
        done = mj(*arguments)
        assert done.exit_code == 0 and str(folder / f"{name}.toml") in done.stderr, done.stderr
    assert "jetson-nano" in mj("profiles").stdout and mj("profiles", name).exit_code == 2
