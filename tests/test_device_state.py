"""How warm and fast a computer is, from trees of files as boards have them; and what other programs do."""

from __future__ import annotations

from pathlib import Path

import msgspec
from fake_boards import program, write

from millijoule.device_profiles import Figure, load
from millijoule.tools.measure.device_state import held_down, hottest, read_state, slowest, warnings_of
from millijoule.tools.measure.disturbance import Meddling, Watch

CPU = "sys/devices/system/cpu/cpu{}/cpufreq"


def clocks(now: int, allowed: int, most: int, cpu: int = 0) -> dict[str, object]:
    folder = CPU.format(cpu)
    return {
        f"{folder}/scaling_cur_freq": now, f"{folder}/scaling_max_freq": allowed, f"{folder}/cpuinfo_max_freq": most,
        f"{folder}/scaling_governor": "ondemand",
    }  # fmt: skip


def test_a_raspberry_pi(tmp_path: Path) -> None:
    write(tmp_path, {"sys/class/thermal/thermal_zone0/type": "cpu-thermal",
                     "sys/class/thermal/thermal_zone0/temp": 61322})  # fmt: skip
    write(tmp_path, clocks(1800000, 1800000, 1800000) | clocks(600000, 1800000, 1800000, 1))
    program(tmp_path, "vcgencmd", "throttled=0x50005\n")
    found = read_state(tmp_path)
    assert found.celsius == {"cpu-thermal": 61.322} and hottest(found) == 61.322
    assert found.mhz == {"cpu0": 1800.0, "cpu1": 600.0} and slowest(found) == 600 and found.governor == "ondemand"
    assert set(found.throttled) == {
        *("under-voltage now", "under-voltage since boot", "throttled now", "throttled since boot")
    }
    # Newer kernels have a file, which then counts.
    write(tmp_path, {"sys/devices/platform/soc/soc:firmware/get_throttled": "20002"})
    assert read_state(tmp_path).throttled == ["clock capped now", "clock capped since boot"]
    assert held_down(found, found) == ["under-voltage now", "throttled now"]


def test_a_jetson(tmp_path: Path) -> None:
    zones = {"CPU-therm": 45500, "PMIC-Die": 100000, "AO-therm": -256000}
    for number, (name, temperature) in enumerate(zones.items()):
        write(tmp_path / f"sys/class/thermal/thermal_zone{number}", {"type": name, "temp": temperature})
    write(tmp_path, clocks(921600, 921600, 1479000))
    write(tmp_path / "sys/class/thermal/cooling_device0", {"type": "pwm-fan", "cur_state": 2, "max_state": 5})
    write(tmp_path / "sys/class/thermal/cooling_device1", {"type": "thermal-cpufreq-0", "cur_state": 3, "max_state": 9})
    write(tmp_path / "sys/class/hwmon/hwmon2", {"name": "soctherm_oc", "oc1_event_cnt": 7})
    before = read_state(tmp_path)
    assert before.celsius == {"CPU-therm": 45.5}, "switched off, and always 100"
    assert before.throttled == ["thermal-cpufreq-0 at 3 of 9", "cpu0 may have 922 of 1479 MHz"]
    write(tmp_path / "sys/class/hwmon/hwmon2", {"oc1_event_cnt": 9})
    assert held_down(before, read_state(tmp_path))[-1] == "oc1_event_cnt grew by 2"


def test_a_pc_and_a_virtual_machine(tmp_path: Path) -> None:
    write(tmp_path / "sys/class/hwmon/hwmon1", {"name": "k10temp", "temp1_input": 52125, "temp1_label": "Tctl"})
    write(tmp_path, {"proc/cpuinfo": "processor\t: 0\ncpu MHz\t\t: 2445.432\n\nprocessor\t: 1\ncpu MHz\t\t: 2400.000"})
    write(tmp_path / "sys/devices/system/cpu/cpu0/thermal_throttle", {"core_throttle_count": 4})
    found = read_state(tmp_path)
    assert found.celsius == {"k10temp Tctl": 52.125} and found.mhz == {"cpu0": 2445.432, "cpu1": 2400.0}
    assert found.throttle_events == {"cpu0 core_throttle_count": 4} and held_down(found, found) == []


def test_a_device_that_gets_as_warm_as_its_profile_says_that_it_slows_down(tmp_path: Path) -> None:
    write(
        tmp_path, {"sys/class/thermal/thermal_zone0/type": "cpu-thermal", "sys/class/thermal/thermal_zone0/temp": 79500}
    )
    cool = read_state(tmp_path)
    write(tmp_path, {"sys/class/thermal/thermal_zone0/temp": 81000})
    warm, thermal = read_state(tmp_path), load("raspberry-pi-4").thermal
    assert thermal is not None and thermal.throttle_celsius.value == 80
    assert warnings_of([cool, cool], thermal) == [] == warnings_of([cool, warm, cool], None)
    for states in ([cool, warm, cool], [warm, cool], [cool, warm]):
        (said,) = warnings_of(states, thermal)
        assert said.startswith("it got 81 degrees warm, and lowers its clock from 80 on")
    higher = msgspec.structs.replace(thermal, throttle_celsius=Figure(value=90, source="test"))
    assert warnings_of([cool, warm], higher) == []


def test_where_nothing_is_told(tmp_path: Path) -> None:
    found = read_state(tmp_path)
    assert hottest(found) is None and slowest(found) is None and found.throttled == []


def test_waiting_for_a_cpu(tmp_path: Path) -> None:
    write(tmp_path / "task", {"1/schedstat": "100 2000000000 7", "2/schedstat": "5 1000000000 1", "3/other": ""})
    watch = Watch(tmp_path / "stat", tmp_path / "task")
    write(tmp_path / "task", {"1/schedstat": "900 2500000000 9"})
    found = watch.end()
    assert found.others is None and found.waited == 0.5
    assert found._replace(seconds=10.0, preempted=3).sentences() == [
        "this process waited 5% of the time for a CPU that another had, 3 times in the midst of work"
    ]
    assert found._replace(seconds=100.0).sentences() == []
    assert "0.7 CPUs busy" in Meddling(0.7, None, None, 1.0).sentences()[0]
