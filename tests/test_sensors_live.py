"""Sensors on trees that look as boards do: totals, wraps, rights, and what gives no numbers."""

from __future__ import annotations

import os
import struct
import threading
import time
import tty
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from fake_boards import NO_PMIC, PMIC, hwmon_ina3221, jetson_nano, powercap, program, write

from millijoule.device_profiles import Rail, load, names
from millijoule.tools.sensors.board import rails_of
from millijoule.tools.sensors.counter import Counter
from millijoule.tools.sensors.live import pi5_pmic, shelly, um25c
from millijoule.tools.sensors.proof import prove
from millijoule.tools.sensors.rails import choose_total
from millijoule.tools.sensors.registry import LIVE, open_sensor, sources, survey
from millijoule.tools.sensors.source import ReadError, Sensor, SensorError, System

ORIN = [("VDD_IN", 4968, 1520), ("VDD_CPU_GPU_CV", 4960, 1784), ("VDD_SOC", 4960, 496)]
AGX = (
    [("VDD_GPU_SOC", 19016, 288), ("VDD_CPU_CV", 19024, 72), ("VIN_SYS_5V0", 5056, 800)],
    [("NC", 5008, 9999), ("VDDQ_VDD2_1V8AO", 5000, 200), ("NC", 5000, 9999)],
)
WRAP = 262143328850


def opened(chosen: str | None, root: Path) -> Sensor:
    return open_sensor(chosen, System(root))[0]


def test_orin_nano_takes_the_rail_that_feeds_the_board(tmp_path: Path) -> None:
    hwmon_ina3221(tmp_path, ORIN)
    sensor = opened(None, tmp_path)
    assert sensor.facts.name == "ina3221" and sensor.facts.whole and "VDD_IN" in sensor.facts.what
    assert sensor.read() == pytest.approx(4.968 * 1.520)
    # 40 uV over 5 milliohm are 8 mA.
    assert sensor.facts.resolution == pytest.approx(0.008 * 4.968) and sensor.facts.fastest == 100
    assert opened("ina3221:VDD_SOC", tmp_path).read() == pytest.approx(4.960 * 0.496)


def test_what_a_reading_takes_is_not_what_another_program_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One reading of five during which this process had no CPU leaves the rate as it is."""
    hwmon_ina3221(tmp_path, ORIN)
    times = iter([0, 1e-5, 1, 1 + 1e-5, 2, 2.5, 3, 3 + 1e-5, 4, 4 + 1e-5])
    sensor = next(source for source in sources() if source.name == "ina3221").find(System(tmp_path))  # type: ignore[misc]
    monkeypatch.setattr("millijoule.tools.sensors.proof.time.perf_counter", lambda: next(times))
    found = prove(next(iter(sensor)))
    assert found.seconds == pytest.approx(1e-5) and found.rate == 100


def test_agx_orin_sums_the_rails_that_are_connected(tmp_path: Path) -> None:
    for number, rails in enumerate(AGX):
        hwmon_ina3221(tmp_path, rails, bus=f"1-004{number}", number=7 - number)
    sensor = opened("ina3221", tmp_path)
    assert not sensor.facts.whole and "NC" not in sensor.facts.what.split()
    assert sensor.read() == pytest.approx(19.016 * 0.288 + 19.024 * 0.072 + 5.056 * 0.8 + 5.0 * 0.2)
    names = [found.facts.name for found in survey(System(tmp_path)) if found.facts]
    assert names == [
        "ina3221",
        *(f"ina3221:{rail}" for rail in ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0", "VDDQ_VDD2_1V8AO")),
    ]


def test_files_right_below_the_driver(tmp_path: Path) -> None:
    """As some kernels have them, without a folder hwmon."""
    folder = hwmon_ina3221(tmp_path, ORIN)
    above = folder.parent.parent
    for file in folder.iterdir():
        file.rename(above / file.name)
    (tmp_path / "sys/class/hwmon" / folder.name).unlink()
    assert opened(None, tmp_path).read() == pytest.approx(4.968 * 1.520)


def test_a_rail_that_is_switched_off_is_not_read(tmp_path: Path) -> None:
    folder = hwmon_ina3221(tmp_path, [("GPU", 5000, 100), ("CPU", 5000, 200), ("SOC", 5000, 400)])
    write(folder, {"in3_enable": 0})
    assert opened("ina3221", tmp_path).read() == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("labels", "chosen", "whole"),
    [
        (["POM_5V_IN", "POM_5V_GPU", "POM_5V_CPU"], [0], True),
        (["VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"], [0], True),
        (["VDD_SYS_GPU", "VDD_SYS_SOC", "VDD_IN", "VDD_SYS_CPU", "VDD_SYS_DDR"], [2], True),
        (["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0", "NC", "VDDQ_VDD2_1V8AO", "NC"], [0, 1, 2, 4], False),
        (["GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"], [0, 1, 2, 3, 4, 5], False),
        (["VIN"], [0], True),
        (["Total power", "CPU"], [0], True),
        (["VDD_INT", "VDD_ARM"], [0, 1], False),
    ],
)
def test_rules_for_totals(labels: list[str], chosen: list[int], whole: bool) -> None:
    choice = choose_total(labels, "ina3221")
    assert (list(choice.indices), choice.whole) == (chosen, whole)


def test_two_totals_or_none() -> None:
    with pytest.raises(SensorError, match=r"VDD_IN, POM_5V_IN.*--source"):
        choose_total(["VDD_IN", "POM_5V_IN", "CPU"], "ina3221")
    with pytest.raises(SensorError, match="connected"):
        choose_total(["NC", "NC"], "ina3221")


def test_a_profile_decides_which_rails_are_the_total(tmp_path: Path) -> None:
    hwmon_ina3221(tmp_path, [("VDD_IN", 5000, 1000), ("VDD_CPU", 5000, 300), ("VDD_5V0", 5000, 1400)])
    program(tmp_path, "vcgencmd", PMIC)
    powercap(tmp_path, {"intel-rapl:0": ("package-0", 5, WRAP), "intel-rapl:1": ("psys", 5, WRAP)})

    def total(sensor: str, *rails: tuple[str, bool], of: str = "") -> Sensor:
        listed = tuple(Rail(sensor=of or sensor, label=label, total=whole) for label, whole in rails)
        source = next(source for source in sources() if source.name == sensor)
        assert source.find is not None
        return next(iter(source.find(System(tmp_path, listed))))

    assert total("ina3221").read() == pytest.approx(5)
    assert total("ina3221", ("VDD_IN", False), ("VDD_CPU", False)).read() == pytest.approx(6.5)
    board = total("ina3221", ("VDD_IN", False), ("VDD_5V0", True))
    assert board.read() == pytest.approx(7) and board.facts.whole
    assert total("ina3221", ("ANOTHER", True)).read() == pytest.approx(5)
    for whole in (True, False):
        assert total("ina3221", ("VDD_5V0", whole), of="ina2xx").read() == pytest.approx(5)
    assert total("pi5-pmic", ("HDMI", False), ("VDD_CORE", False)).read() == pytest.approx(
        0.0216117 * 4.9245 + 5.03652 * 0.8936988
    )
    assert total("rapl").facts.what.startswith("package-0:")
    assert total("rapl", ("psys", False)).facts.what.startswith("psys:")


def test_every_shipped_profile_lists_rails_that_its_sensor_may_have() -> None:
    known = {source.name for source in sources()}
    for name in names():
        assert {rail.sensor for rail in load(name).rails} <= known


def test_the_board_is_known_by_its_device_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rails_of(tmp_path) == ()
    write(tmp_path, {"proc/device-tree/compatible": "raspberrypi,5-model-b\0brcm,bcm2712\0"})
    assert {rail.sensor for rail in rails_of(tmp_path)} == {"pi5-pmic"}
    monkeypatch.setenv("MILLIJOULE_PROFILE", "jetson-orin-nano")
    assert [rail.label for rail in rails_of(tmp_path) if rail.total] == ["VDD_IN"]
    monkeypatch.setenv("MILLIJOULE_PROFILE", "toaster")
    with pytest.raises(SensorError, match="toaster"):
        rails_of(tmp_path)


@pytest.mark.parametrize("unit", ["", " mw", "mW"])
def test_jetson_nano_with_jetpack_4(tmp_path: Path, unit: str) -> None:
    jetson_nano(tmp_path, unit)
    sensor = opened(None, tmp_path)
    assert sensor.facts.name == "ina3221-jetpack4" and sensor.facts.whole
    assert sensor.read() == pytest.approx(0.933)
    assert opened("ina3221-jetpack4:POM_5V_CPU", tmp_path).read() == pytest.approx(0.084)


def test_thor_reads_microwatts(tmp_path: Path) -> None:
    write(
        tmp_path / "sys/class/hwmon/hwmon4",
        {"name": "ina238", "in1_label": "VIN", "in1_input": 19000, "power1_input": 38500000, "shunt_resistor": 2000},
    )
    sensor = opened(None, tmp_path)
    assert sensor.read() == pytest.approx(38.5) and sensor.facts.whole
    assert sensor.facts.resolution == pytest.approx(5e-6 / 2e-3 * 19)


def test_ina226_and_an_ina228_that_adds_up_itself(tmp_path: Path) -> None:
    write(
        tmp_path / "sys/class/hwmon/hwmon0",
        {"name": "ina226", "in1_input": 5020, "power1_input": 4075000, "shunt_resistor": 10000, "update_interval": 4},
    )
    sensor = opened(None, tmp_path)
    assert sensor.read() == pytest.approx(4.075) and sensor.facts.fastest == 250
    (tmp_path / "sys/class/hwmon/hwmon0/name").write_text("ina228\n")
    write(tmp_path / "sys/class/hwmon/hwmon0", {"energy1_input": 5000000})
    (energy,) = next(source for source in sources() if source.name == "ina2xx").find(System(tmp_path))  # type: ignore[misc]
    assert energy.facts.quantity == "energy" and energy.read() == 0
    write(tmp_path / "sys/class/hwmon/hwmon0", {"energy1_input": 5250000})
    assert energy.read() == pytest.approx(0.25)


def rapl(root: Path, name: str = "rapl") -> Sensor:
    (source,) = (source for source in sources() if source.name == "rapl")
    assert source.find is not None
    return next(sensor for sensor in source.find(System(root)) if sensor.facts.name == name)


def test_rapl_adds_packages_and_memory_but_no_parts(tmp_path: Path) -> None:
    folder = powercap(
        tmp_path,
        {
            "intel-rapl:0": ("package-0", 1000, WRAP),
            "intel-rapl:0:0": ("core", 1000, WRAP),
            "intel-rapl:0:1": ("uncore", 1000, WRAP),
            "intel-rapl:0:2": ("dram", 1000, 65712999613),
            "intel-rapl:1": ("package-1", 1000, WRAP),
            "intel-rapl:2": ("psys", 1000, WRAP),
            "intel-rapl-mmio:0": ("package-0", 1000, WRAP),
        },
    )
    sensor = rapl(tmp_path)
    assert sensor.read() == 0 and not sensor.facts.whole
    for zone in folder.iterdir():
        write(zone, {"energy_uj": 3001000})
    assert sensor.read() == pytest.approx(9)
    names = [found.facts.name for found in survey(System(tmp_path)) if found.facts]
    parts = ("package-0", "package-0/core", "package-0/uncore", "package-0/dram", "package-1", "psys")
    assert names == ["rapl", *(f"rapl:{part}" for part in parts)]


def test_rapl_wraps(tmp_path: Path) -> None:
    folder = powercap(tmp_path, {"intel-rapl:0": ("package-0", WRAP - 2_000_000, WRAP)})
    sensor = rapl(tmp_path)
    assert sensor.read() == 0
    write(folder / "intel-rapl:0", {"energy_uj": 1_500_000})
    assert sensor.read() == pytest.approx(3.5) and sensor.lost == 0


def test_rapl_without_its_range_leaves_a_wrap_out_and_says_so(tmp_path: Path) -> None:
    folder = powercap(tmp_path, {"intel-rapl:0": ("package-0", WRAP - 2_000_000, None)})
    sensor = rapl(tmp_path)
    assert "wrap" in sensor.facts.notes[0]
    sensor.read()
    write(folder / "intel-rapl:0", {"energy_uj": 1_500_000})
    assert sensor.read() == 0 and sensor.lost == 1
    write(folder / "intel-rapl:0", {"energy_uj": 2_500_000})
    assert sensor.read() == pytest.approx(1.0)


def test_a_counter_that_is_reset_or_may_have_wrapped_twice() -> None:
    counter = Counter(1000.0, most_watts=100)
    assert counter.advance(500, 0) == 0
    assert counter.advance(510, 1) == 10
    # Back to zero would be a wrap over 490 J, which one second at 100 W cannot be.
    assert counter.advance(0, 2) == 10 and counter.lost == 1
    assert counter.advance(5, 3) == 15
    # In 20 s 100 W fill it twice.
    assert counter.advance(7, 23) == 15 and counter.lost == 2
    assert counter.advance(995, 24) == 15 and counter.lost == 3
    assert counter.advance(5, 25) == 25


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder that others than root may read, too, and a test that is not root."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        root = os.geteuid() == 0
        yield folder
        if root:
            os.seteuid(0)


def test_rights_are_explained(nobody: Path) -> None:
    folder = powercap(nobody, {"intel-rapl:0": ("package-0", 5, WRAP)})
    (folder / "intel-rapl:0/energy_uj").chmod(0o400 if os.geteuid() == 0 else 0)
    if os.geteuid() == 0:
        os.seteuid(65534)
    with pytest.raises(SensorError, match=r"energy_uj may not be read.*chmod a\+r"):
        opened("rapl", nobody)
    (listed,) = (found for found in survey(System(nobody)) if found.source.name == "rapl")
    assert "run as root" in listed.reason and listed.facts is None


def test_refusals_by_errno() -> None:
    from millijoule.tools.sensors.sysfs import refusal

    text = refusal(Path("energy_uj"), PermissionError(13, "Permission denied"))
    assert "run as root" in text and "chmod a+r energy_uj" in text


def test_pi_5(tmp_path: Path) -> None:
    program(tmp_path, "vcgencmd", PMIC)
    sensor = opened(None, tmp_path)
    assert sensor.facts.name == "pi5-pmic" and sensor.facts.fastest == 10 and not sensor.facts.whole
    amperes = [float(line.split("=")[1][:-1]) for line in PMIC.splitlines()[:12]]
    volts = [float(line.split("=")[1][:-1]) for line in PMIC.splitlines()[12:24]]
    assert sensor.read() == pytest.approx(sum(a * v for a, v in zip(amperes, volts, strict=True)))
    assert "12 rails" in sensor.facts.what and sorted(pi5_pmic.parse(PMIC))[-1] == "VDD_CORE"
    assert any("less than the Pi takes" in note for note in sensor.facts.notes)


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (NO_PMIC, 0, "only the Pi 5"),
        (NO_PMIC, 1, "only the Pi 5"),
        ("VCHI initialization failed: cannot open /dev/vcio\n", 255, "group video"),
        (PMIC.replace("5.03652000A", "nanA"), 0, "VDD_CORE"),
        (PMIC.replace("      VDD_CORE_V volt(15)=0.89369880V\n", ""), 0, "without its voltage"),
        ("", 0, "no answer"),
        ("x" * 5000 + "\n", 0, r"vcgencmd: x{120}$"),
        ("y" * 5000 + "\n", 1, r"vcgencmd: y{120}$"),
    ],
)
def test_pis_that_do_not_answer(tmp_path: Path, answer: str, status: int, said: str) -> None:
    program(tmp_path, "vcgencmd", answer, status)
    with pytest.raises(SensorError, match=said):
        opened("pi5-pmic", tmp_path)


def test_rails_that_rest_read_zero() -> None:
    assert pi5_pmic.parse(PMIC.replace("0.13955800A", "0.00000000A"))["DDR_VDD2"] == 0


def test_battery(tmp_path: Path) -> None:
    folder = tmp_path / "sys/class/power_supply"
    write(folder / "AC", {"type": "Mains", "online": 0})
    write(folder / "hidpp_0", {"type": "Battery", "scope": "Device", "status": "Discharging"})
    write(folder / "BAT0", {"type": "Battery", "status": "Discharging", "power_now": 6540000})
    sensor = opened(None, tmp_path)
    assert sensor.read() == pytest.approx(6.54) and sensor.facts.whole and sensor.facts.fastest == 1
    write(folder / "BAT0", {"status": "Charging"})
    with pytest.raises(ReadError, match="unplug"):
        sensor.read()
    with pytest.raises(SensorError, match=r"gives no numbers.*Charging"):
        opened("battery", tmp_path)


def test_battery_of_current_and_voltage_of_either_sign(tmp_path: Path) -> None:
    write(
        tmp_path / "sys/class/power_supply/BAT1",
        {"type": "Battery", "status": "Discharging", "current_now": -512000, "voltage_now": 11800000},
    )
    assert opened("battery", tmp_path).read() == pytest.approx(0.512 * 11.8)


def test_other_powers_of_hwmon(tmp_path: Path) -> None:
    folder = tmp_path / "sys/class/hwmon"
    write(folder / "hwmon0", {"name": "amdgpu", "power1_average": 11000000, "power1_label": "slowPPT"})
    write(folder / "hwmon1", {"name": "power_meter", "power1_average": 95000000, "power1_average_interval": 4000})
    write(folder / "hwmon2", {"name": "cpu_thermal", "temp1_input": 48312})
    sensor = opened(None, tmp_path)
    assert sensor.facts.name == "hwmon:power_meter/power1" and sensor.facts.whole and sensor.facts.fastest == 0.25
    assert opened("hwmon:amdgpu/slowPPT", tmp_path).read() == pytest.approx(11)


def test_shelly_of_both_generations() -> None:
    status = {"id": 0, "source": "init", "output": True, "apower": 8.9, "voltage": 237.5, "freq": 50, "current": 0.06,
              "pf": 0.6, "aenergy": {"total": 6.5, "by_minute": [45.1, 47.3, 88.8], "minute_ts": 1626935779},
              "temperature": {"tC": 42.3, "tF": 108.1}}  # fmt: skip
    assert shelly.power(status) == 8.9
    assert (
        shelly.power({"method": "NotifyStatus", "params": {"ts": 1.5, "switch:0": {"id": 0, "apower": 3.25}}}) == 3.25
    )
    assert shelly.power({"meters": [{"power": 7.07, "is_valid": True, "total": 12034}]}) == 7.07
    several: list[object] = [{}, [], {"params": {"ts": 1.0}}, {"apower": None}, {"apower": True}, {"meters": []}]
    for broken in several:
        with pytest.raises(ReadError):
            shelly.power(broken)


@pytest.fixture
def first_generation() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/status"
            self.send_response(200 if known else 404)
            self.end_headers()
            if known:
                self.wfile.write(b'{"meters":[{"power":12.5,"total":3}]}')

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_shelly_over_the_network(first_generation: str, tmp_path: Path) -> None:
    sensor = opened(f"shelly:{first_generation}", tmp_path)
    assert sensor.read() == 12.5 and sensor.facts.fastest == 1
    with pytest.raises(SensorError, match=r"shelly:127\.0\.0\.1:9"):
        opened("shelly:127.0.0.1:9", tmp_path)


UM25C = struct.pack(">HHHI", 0x09C9, 0x01FE, 0x0148, 0x0688).ljust(130, b"\0")


def test_um25c_answers() -> None:
    found = um25c.parse(UM25C)
    assert found.model == "UM25C" and found.watts == pytest.approx(1.672)
    assert found.volts * found.amperes == pytest.approx(found.watts, abs=2e-3)
    fine = um25c.parse(struct.pack(">HHHI", 0x09C9, 5100, 3280, 1673).ljust(130, b"\0"))
    assert fine.volts == pytest.approx(5.1) and fine.amperes == pytest.approx(0.328)
    for broken, said in (
        (UM25C[:-1], "129 bytes"),
        (b"\x12\x34" + UM25C[2:], "0x1234"),
        (struct.pack(">HHHI", 0x0963, 510, 328, 900).ljust(130, b"\0"), "0.900 W"),
    ):
        with pytest.raises(ReadError, match=said):
            um25c.parse(broken)


def test_um25c_on_a_serial_line(tmp_path: Path) -> None:
    meter, line = os.openpty()
    tty.setraw(line)
    # What was left of an earlier answer.
    os.write(meter, b"rest")

    def answer() -> None:
        while os.read(meter, 1) == um25c.REQUEST:
            for start in range(0, 130, 50):
                os.write(meter, UM25C[start : start + 50])

    threading.Thread(target=answer, daemon=True).start()
    sensor = opened(f"um25c:{os.ttyname(line)}", tmp_path)
    assert sensor.read() == pytest.approx(1.672) and "UM25C" in sensor.facts.what
    sensor.close()
    with pytest.raises(SensorError, match="cannot open"):
        opened(f"um25c:{tmp_path / 'rfcomm0'}", tmp_path)


def test_every_kind_is_registered() -> None:
    folder = Path(um25c.__file__).parent
    assert sorted(LIVE) == sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    names = [source.name for source in sources()]
    assert len(set(names)) == len(names) and all((source.find is None) != (source.open is None) for source in sources())


def test_nothing_is_there(tmp_path: Path) -> None:
    assert all(found.facts is None and found.reason for found in survey(System(tmp_path)))
    with pytest.raises(SensorError, match="--sources"):
        opened(None, tmp_path)
    with pytest.raises(SensorError, match=r"no source 'nvml'.*ina3221"):
        opened("nvml", tmp_path)
    with pytest.raises(SensorError, match="an address is wanted, as in shelly:HOST"):
        opened("shelly", tmp_path)


def test_a_sensor_that_cannot_be_used_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    write(tmp_path / "sys/class/power_supply/BAT0", {"type": "Battery", "status": "Discharging", "power_now": 5000000})
    powercap(tmp_path, {"intel-rapl:0": ("package-0", 5, WRAP)})
    with pytest.warns(UserWarning, match=r"rapl is left out: .*does not grow") as said:
        assert opened(None, tmp_path).facts.name == "battery"
    assert len(said) == 1, "kinds that are not there need no warning"


def test_a_rail_that_is_not_there(tmp_path: Path) -> None:
    hwmon_ina3221(tmp_path, ORIN)
    with pytest.raises(SensorError, match="only ina3221, ina3221:VDD_IN"):
        opened("ina3221:VDD_5V", tmp_path)


def test_silent_sensors_are_refused(tmp_path: Path) -> None:
    """Zero for ever, a counter that stands still, text instead of a number."""
    folder = hwmon_ina3221(tmp_path, [("VDD_IN", 0, 0)])
    with pytest.raises(SensorError, match="0 W every time"):
        opened("ina3221", tmp_path)
    write(folder, {"curr1_input": "N/A"})
    with pytest.raises(SensorError, match=r"no numbers.*N/A"):
        opened("ina3221", tmp_path)
    powercap(tmp_path, {"intel-rapl:0": ("package-0", 5, WRAP)})
    with pytest.raises(SensorError, match="does not grow"):
        opened("rapl", tmp_path)


def test_a_reading_costs_less_than_a_hundredth_of_a_core(tmp_path: Path) -> None:
    """At 100 Hz that is 100 us of CPU time; of three tries the best counts, as a busy computer's caches are cold."""
    for number, rails in enumerate(AGX):
        hwmon_ina3221(tmp_path, rails, bus=f"1-004{number}", number=number)
    sensor = opened("ina3221", tmp_path)

    def cost() -> float:
        began = time.process_time()
        for _ in range(1000):
            sensor.read()
        return (time.process_time() - began) / 1000

    assert min(cost() for _ in range(3)) < 100e-6
    assert prove(sensor).cpu_seconds > 0
