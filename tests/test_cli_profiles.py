"""`mj profiles`: lists, shows and detects devices."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from cli import mj, mj_json

from millijoule import device_profiles
from millijoule.runtime.targets import device, target
from millijoule.runtime.targets.device import GENERIC, fitting_profile


def test_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = mj("profiles", COLUMNS="200").stdout
    for name in device_profiles.names():
        (line,) = (line for line in text.splitlines() if line.split()[:1] == [name])
        assert device_profiles.load(name).cluster.core in line
    assert "ina3221-jetpack4: POM_5V_IN" in text and "pi5-pmic: sum of 12" in text
    folder = tmp_path / "millijoule" / "profiles"
    folder.mkdir(parents=True)
    (folder / "shed.toml").write_text('extends = "jetson-nano"\nname = "shed"\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    listed = mj_json("profiles")["profiles"]
    assert [item["name"] for item in listed if item["own"]] == ["shed"]
    assert len(listed) == len(device_profiles.names())


def test_one_profile() -> None:
    report = mj_json("profiles", "jetson-nano")
    assert report["energy"]["idle_watts"]["value"] == 1.39 and report["clusters"][0]["core"] == "Cortex-A57"
    text = mj("profiles", "jetson-nano").stdout
    assert (
        "energy: idle_watts" in text and "DeepEdgeBench" in text and "POM_5V_IN" in text and "the whole board" in text
    )
    assert "0, 3, 4, 5" in mj("profiles", "jetson-tx2").stdout
    assert "host: " in mj("profiles", "host").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("no-such-board",), "there is no device profile 'no-such-board'"),
        (("jetson_nano",), "did you mean jetson-nano?"),
        (("jetson-nano", "--detect"), "one of NAME"),
        (("missing.toml",), "cannot read device profile missing.toml"),
    ],
)
def test_what_is_no_profile(arguments: tuple[str, ...], message: str) -> None:
    done = mj("profiles", *arguments)
    assert done.exit_code == 2 and message in done.stderr


def test_what_this_computer_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    report = mj_json("profiles", "--detect")
    assert report["host"]["clusters"] == msgspec.to_builtins(device_profiles.detect().clusters)
    assert report["profile"] is None or report["profile"] in device_profiles.names()
    text = mj("profiles", "--detect").stdout
    assert all(len(line) <= 80 for line in text.splitlines())
    assert device_profiles.detect().title in text and (report["profile"] or "No profile fits") in text


@pytest.mark.parametrize("name", [name for name in target.TARGETS if target.TARGETS[name].base == name])
def test_a_profile_for_an_instruction_set(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the board has none; those with more than the least features take what is beneath."""
    monkeypatch.setattr(device, "detect", lambda: target.TARGETS[name])
    found, sure = fitting_profile(tmp_path)
    assert found in GENERIC and not sure
    assert device_profiles.load(found).target == ("x86-64-v4" if name.startswith("x86-64-v4") else name)
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/compatible").write_text("radxa,rock-5b\0rockchip,rk3588\0")
    assert fitting_profile(tmp_path) == ("rock-5b", True)
