"""Recordings of external meters, each in its own format to the letter."""

from __future__ import annotations

import json
import struct
import sys
import zipfile
from collections import Counter
from pathlib import Path
from random import Random

import msgspec
import numpy as np
import pytest

from millijoule.tools.energy.reports import replayed_run
from millijoule.tools.energy.windows import whole
from millijoule.tools.report.provenance import now
from millijoule.tools.sensors.recordings import joulescope_jls, registry
from millijoule.tools.sensors.recordings.columns import understand
from millijoule.tools.sensors.recordings.format import Settings
from millijoule.tools.sensors.recordings.registry import FORMATS, formats, read_recording
from millijoule.tools.sensors.source import SensorError
from millijoule.tools.sensors.trace import Trace

PPK2 = """\
Timestamp(ms),Current(uA),D0-D7
0,1000,00000000
0.01,2000,00000001
0.02,NaN,00000001
0.03,4000,00000000
"""
PPK2_EIGHT = """\
Timestamp(ms),Current(uA),D0,D1,D2,D3,D4,D5,D6,D7
0,1000,0,0,0,0,0,0,0,0
0.01,2000,1,0,0,0,0,0,0,0
0.03,4000,1,0,0,0,0,0,0,0
"""
JOULESCOPE = """\
#device,sampled_id,i_avg,i_std,i_min,i_max,v_avg,v_std,v_min,v_max,p_avg,p_std,p_min,p_max,charge,energy
u/js220/000415,500000,0.2,0.01,0.1,0.3,5.0,0,5.0,5.0,1.0,0.05,0.5,1.5,0.1,0.5
u/js220/000415,1000000,0.4,0.01,0.1,0.5,5.0,0,5.0,5.0,2.0,0.05,0.5,2.5,0.3,1.5
u/js220/000415,1500000,0.2,0.01,0.1,0.3,5.0,0,5.0,5.0,1.0,0.05,0.5,1.5,0.4,2.0
"""
JOULESCOPE_CSV = """\
time (s),current (A),voltage (V),power (W),charge (C),energy (J)
0.0,0.2,5.0,1.0,0.0,0.0
0.5,0.4,5.0,2.0,0.15,0.75
1.0,0.2,5.0,1.0,0.30,1.50
"""
OTII = """\
"Wall-clock time (UTC)","Arc Main Current (A)","Arc Main Voltage (V)","Arc Main Energy (J)"
"2024-05-01T12:00:00.000Z","0.010","3.700","0.000"
"2024-05-01T12:00:00.500Z","0.010","3.700","0.0185"
"2024-05-01T12:00:01.000Z","0.030","3.700","0.0555"
"""
OTII_SECONDS = """\
"Timestamp","Arc Main Current (A)","Arc Main Voltage (V)"
"0.0","0.010","3.700"
"0.5","0.010","3.700"
"1.0","0.010","3.700"
"""
MONSOON = """\
Time (s),Main Avg Current (mA),Main Max Current (mA),Main Avg Voltage (V),USB Avg Current (mA),Main Avg Voltage (V)
0.0,100,250,4.0,7,Main Avg Voltage (V)
0.1,200,250,4.0,7,
0.2,,,,,
0.3,100,250,4.0,7,
"""
FNIRSI = """

timestamp sample_in_packet voltage_V current_A dp_V dn_V temp_C_ema energy_Ws capacity_As
1700000000.000 0 5.0 0.10000 0.1 0.2 25.0 0.005 0.001
1700000000.010 1 5.0 0.20000 0.1 0.2 25.0 0.015 0.003
1700000000.020 2 5.0 0.30000 0.1 0.2 25.0 0.030 0.006
1700000000.030 3 5.0 0.40000 0.1 0.2 25.0 0.050 0.010
1700000000.025 0 5.0 0.50000 0.1 0.2 25.0 0.075 0.015
1700000000.035 1 5.0 0.60000 0.1 0.2 25.0 0.105 0.021
1700000000.045 2 5.0 0.70000 0.1 0.2 25.0 0.140 0.028
1700000000.055 3 5.0 0.80000 0.1 0.2 25.0 0.180 0.036

timestamp sample_in_packet voltage_V current_A dp_V dn_V temp_C_ema energy_Ws capacity_As
1700000000.065 0 5.0 0.90000 0.1 0.2 25.0 0.045 0.009
"""
SHELLY = """\
{"src":"plug","method":"NotifyStatus","params":{"ts":1700000000.0,"switch:0":{"id":0,"apower":3.0}}}
{"src":"plug","method":"NotifyStatus","params":{"ts":1700000001.0,"switch:0":{"id":0,"apower":5.0,"aenergy":{"total":1.5}}}}
{"src":"plug","method":"NotifyStatus","params":{"ts":1700000002.0,"wifi":{}}}
{"src":"plug","method":"NotifyStatus","params":{"ts":1700000002.0,"switch:0":{"id":0,"apower":3.0}}}
"""
SUPPLY = """\
HM320P
1624000000.00 0.530 5.000 2.650
1624000000.25 0.530 5.000 2.650
1624000000.50 0.730 5.000 3.650
1624000000.75 0.530 5.000 2.650
"""


def read(folder: Path, text: str | bytes, name: str | None = None, **settings: object) -> tuple[str, Trace]:
    path = folder / "recording"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    found, trace = read_recording(path, name, Settings(**settings))  # type: ignore[arg-type]
    return found.name, trace


def total(trace: Trace) -> float:
    return trace.part(float(trace.times[0]), float(trace.times[-1])).joules


@pytest.mark.parametrize("text", [PPK2, PPK2_EIGHT])
def test_ppk2_needs_the_voltage_and_skips_what_is_no_number(tmp_path: Path, text: str) -> None:
    name, trace = read(tmp_path, text, volts=3.3)
    assert name == "ppk2" and trace.times.tolist() == pytest.approx([0, 1e-5, 3e-5])
    assert total(trace) == pytest.approx(3.3 * (1e-5 * 1.5e-3 + 2e-5 * 3e-3))
    with pytest.raises(SensorError, match="--volts"):
        read(tmp_path, text)


def archive(path: Path, metadata: object, currents: list[float]) -> bytes:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("session.raw", b"".join(struct.pack("<fH", each, 0xAAAA) for each in currents))
        file.writestr("metadata.json", json.dumps(metadata))
        file.writestr("minimap.raw", b"{}")
    return path.read_bytes()


def test_ppk2_archives(tmp_path: Path) -> None:
    metadata = {"metadata": {"samplesPerSecond": 100000, "startSystemTime": 1700000000000}, "formatVersion": 2}
    data = archive(tmp_path / "a.ppk2", metadata, [100.0, 300.0, float("nan"), 500.0])
    name, trace = read(tmp_path, data, volts=5.0)
    assert name == "ppk2-archive" and trace.times.tolist() == pytest.approx([0, 1e-5, 3e-5])
    assert total(trace) == pytest.approx(5e-6 * (200 * 1e-5 + 400 * 2e-5))
    with pytest.raises(SensorError, match="--volts"):
        read(tmp_path, data)
    for broken in (archive(tmp_path / "b.ppk2", {}, [1.0]), data[:200], b"PK\x03\x04"):
        with pytest.raises(SensorError, match="ppk2"):
            read(tmp_path, broken, volts=5.0)


def test_joulescope_statistics_tell_their_own_rate(tmp_path: Path) -> None:
    name, trace = read(tmp_path, JOULESCOPE)
    assert name == "joulescope" and trace.times.tolist() == [0.5, 1.0, 1.5]
    assert trace.joules.tolist() == pytest.approx([1.0, 0.5])
    doubled = JOULESCOPE.replace(",500000,", ",1000000,", 1).replace(",1500000,", ",3000000,")
    doubled = doubled.replace("u/js220/000415,1000000,0.4", "u/js220/000415,2000000,0.4")
    assert read(tmp_path, doubled)[1].times.tolist() == [0.5, 1.0, 1.5]
    with pytest.raises(SensorError, match="samples a second"):
        read(tmp_path, JOULESCOPE.replace(",1000000,", ",600000,").replace(",1500000,", ",700000,"))


def test_joulescope_exports(tmp_path: Path) -> None:
    name, trace = read(tmp_path, JOULESCOPE_CSV)
    assert name == "table" and trace.joules.tolist() == pytest.approx([0.75, 0.75])
    short = "time,i,v,p,charge,energy\n" + JOULESCOPE_CSV.partition("\n")[2]
    assert read(tmp_path, short)[1].joules.tolist() == pytest.approx([0.75, 0.75])


def jls(path: Path, signals: dict[str, list[float]], meters: int = 1) -> bytes:
    """signals: samples by unit, a thousand a second."""
    pyjls = pytest.importorskip("pyjls")
    with pyjls.Writer(str(path)) as file:
        for meter in range(1, meters + 1):
            file.source_def(source_id=meter, name=f"JS220-{meter}", vendor="Jetperch", model="JS220", version="1",
                            serial_number=str(meter))  # fmt: skip
            for number, (unit, samples) in enumerate(signals.items(), 10 * meter):
                file.signal_def(
                    signal_id=number, source_id=meter, signal_type=pyjls.SignalType.FSR, data_type=pyjls.DataType.F32,
                    sample_rate=1000, name=f"signal {unit}", units=unit,
                )  # fmt: skip
                file.fsr_f32(number, 0, np.array(samples, np.float32))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("signals", "volts"),
    [
        ({"W": [1.0, 2.0, 3.0, 4.0] * 1000}, None),
        ({"A": [1.0] * 4000, "V": [9.0] * 4000, "W": [1.0, 2.0, 3.0, 4.0] * 1000}, None),
        ({"A": [0.2, 0.4, 0.6, 0.8] * 1000, "V": [5.0] * 4000}, None),
        ({"A": [0.2, 0.4, 0.6, 0.8] * 1000}, 5.0),
    ],
)
@pytest.mark.parametrize("bins", [1 << 22, 1000, 17])
def test_joulescope_jls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signals: dict[str, list[float]], volts: float | None, bins: int
) -> None:
    monkeypatch.setattr(joulescope_jls, "BINS", bins)
    monkeypatch.setattr(joulescope_jls, "BLOCK", 900)
    name, trace = read(tmp_path, jls(tmp_path / "a.jls", signals), volts=volts)
    assert name == "joulescope-jls" and len(trace.joules) <= bins and not trace.lost.any()
    assert trace.times[0] == 0 and trace.times[-1] == pytest.approx(4) and total(trace) == pytest.approx(10)
    if bins == 1000:
        assert trace.watts == pytest.approx(2.5)


def test_jls_of_which_a_part_is_missing(tmp_path: Path) -> None:
    nan = float("nan")
    _, trace = read(tmp_path, jls(tmp_path / "a.jls", {"W": [2.0, nan, 2.0, 2.0]}))
    assert trace.lost.tolist() == [False, True, False, False] and trace.times[0] == 0
    assert total(trace) == pytest.approx(8e-3)
    whole = jls(tmp_path / "b.jls", {"A": [1.0, 1.0]})
    for data, said in (
        (whole, "--volts"),
        (jls(tmp_path / "c.jls", {"W": [nan, nan]}), "none that is a number"),
        (jls(tmp_path / "d.jls", {"C": [1.0, 1.0]}), "neither power nor current"),
        (jls(tmp_path / "e.jls", {"W": [1.0, 1.0]}, meters=2), "JS220-1, JS220-2"),
        (whole[:100], "no sound .jls"),
    ):
        with pytest.raises(SensorError, match=said):
            read(tmp_path, data)


def test_jls_without_the_package_that_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyjls", None)
    with pytest.raises(SensorError, match="pip install pyjls"):
        read(tmp_path, b"jlsfmt\r\n" + bytes(100))


def test_otii_energy_accumulates(tmp_path: Path) -> None:
    name, trace = read(tmp_path, OTII)
    assert name == "otii" and trace.joules.tolist() == pytest.approx([0.0185, 0.037])
    assert trace.times[0] == 1714564800.0 and np.diff(trace.times).tolist() == [0.5, 0.5]
    reset = OTII.replace('"0.0555"', '"0.0010"')
    assert read(tmp_path, reset)[1].joules.tolist() == pytest.approx([0.0185, 0.5 * 0.02 * 3.7])
    name, trace = read(tmp_path, OTII_SECONDS)
    assert name == "otii" and total(trace) == pytest.approx(0.037)


def test_monsoon_takes_the_means_of_the_main_channel(tmp_path: Path) -> None:
    name, trace = read(tmp_path, MONSOON)
    assert name == "monsoon" and trace.times.tolist() == pytest.approx([0, 0.1, 0.3])
    assert total(trace) == pytest.approx(0.1 * 0.6 + 0.2 * 0.6)


def test_fnirsi_steps_back_at_packets(tmp_path: Path) -> None:
    name, trace = read(tmp_path, FNIRSI)
    assert name == "fnirsi" and len(trace.times) == 9 and (np.diff(trace.times) > 0).all()
    powers = np.arange(1, 10) * 0.5
    assert trace.joules.tolist() == pytest.approx((np.diff(trace.times) * (powers[1:] + powers[:-1]) / 2).tolist())


def test_shelly_notifications(tmp_path: Path) -> None:
    name, trace = read(tmp_path, SHELLY)
    assert name == "shelly-log" and total(trace) == pytest.approx(8)
    bare = '{"id":0,"apower":3.0}\n{"id":0,"apower":3.0}\n'
    with pytest.raises(SensorError, match="without a time"):
        read(tmp_path, bare)


def test_a_bench_supply(tmp_path: Path) -> None:
    name, trace = read(tmp_path, SUPPLY)
    assert name == "table" and trace.period == pytest.approx(0.25)
    assert total(trace) == pytest.approx(0.25 * (2.65 + 3.15 + 3.15))


@pytest.mark.parametrize(
    "text",
    [
        "time,power\n0,2\n1,2\n2,2\n",
        "0 2\n1 2\n2 2\n",
        "time_ms;power_mW\n0;2000\n1000;2000\n2000;2000\n",
        "Zeit;P\nTime (s);Power (mW)\n0,0;2000,0\n1,0;2000,0\n2,0;2000,0\n",
        "timestamp\tpower\n1700000000000\t2\n1700000001000\t2\n1700000002000\t2\n",
        "Timestamp,Power (W)\n2024-05-01 12:00:00.0,2\n2024-05-01 12:00:01.0000000,2\n2024-05-01 12:00:02,2\n",
        "# a remark\ntime [s],voltage [V],current [mA]\n0,5,400\n1,5,400\n2,5,400\n",
        "\ufefftime,power\r\n0,2\r\n1,2\r\n2,2\r\n",
        "t,energy_mWh\n0,0\n1,0.5555555555\n2,1.1111111111\n",
        "ms,mW\n0,2000\n1000,2000\n2000,2000\n",
        "#time_ms,power_mW\n0,2000\n1000,2000\n2000,2000\n",
        "0,00 2,00\n1,00 2,00\n2,00 2,00\n",
        "time|power\n0|2\n1|2\n2|2\n",
        "Zeit [s];Leistung [mW];Temperatur [C]\n0,0;2000,0;40\n1,0;2000,0;40\n2,0;2000,0;40\n",
        "time (seconds),supply (milliwatts)\n0,2000\n1,2000\n2,2000\n",
        "TIME (MS),POWER (mw)\n0,2000\n1000,2000\n2000,2000\n",
        "hours,W\n1,2\n1.000277777778,2\n1.000555555556,2\n",
        "Time (days),Power (W)\n0,2\n1.157407407e-5,2\n2.314814815e-5,2\n",
        "Time;Power (W)\n31.12.2026 23:59:59,0;2\n1.1.2027 00:00:00,5;2\n01.01.2027 00:00:01;2\n",
        "Date,Time,Power (W)\n2026-12-31,23:59:59.5,2\n2027-01-01,0:00:00.5,2\n2027-01-01,0:00:01.5,2\n",
        "time,cpu_power_W,gpu_power_W,total_power_W\n0,1,1,2\n1,1,1,2\n2,1,1,2\n",
        "time,max_power_W,avg_power_W\n0,9,2\n1,9,2\n2,9,2\n",
    ],
)
def test_tables_from_anywhere(tmp_path: Path, text: str) -> None:
    name, trace = read(tmp_path, text)
    assert name == "table" and trace.times[-1] - trace.times[0] == pytest.approx(2)
    assert total(trace) == pytest.approx(4)


def test_tables_without_names_have_the_units_they_are_said_to_have(tmp_path: Path) -> None:
    text = "7,0,2000\n7,1000,2000\n7,2000,2000\n"
    assert total(read(tmp_path, text, columns="-,ms,mW")[1]) == pytest.approx(4)
    named = "time,cpu_power_W,gpu_power_W\n" + text
    assert total(read(tmp_path, named, columns="-,ms,mW")[1]) == pytest.approx(4)
    with pytest.raises(SensorError, match="'furlong' is no unit"):
        read(tmp_path, text, columns="ms,furlong")
    with pytest.raises(SensorError, match="a time and a power"):
        read(tmp_path, text, columns="ms,V")
    with pytest.raises(SensorError, match="--columns"):
        read(tmp_path, text)


def test_mlperf_tiny(tmp_path: Path) -> None:
    data = b"\xf1" + struct.pack("<f", 1000.0) + np.arange(100, dtype="<f4").tobytes()
    name, trace = read(tmp_path, data)
    assert name == "mlperf-tiny" and total(trace) == pytest.approx(4950e-6) and trace.period == pytest.approx(1e-3)
    for broken in (data[:-1], data[:5], b"\xf1", b"\xf1" + struct.pack("<ff", 0, 1), data + b"\0\0\xc0\x7f"):
        with pytest.raises(SensorError, match=r"MLPerf Tiny|damaged"):
            read(tmp_path, broken)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        (b"\0" * 100, "known format"),
        ("this is a letter\nto somebody\n", "known format"),
        ("time,power\n1,2\n", "1 samples"),
        ("time,power\n" + "0,x\n" * 50 + "1,1\n2,2\n", "rows hold no numbers"),
        ("time,current (mA)\n0,1\n1,1\n", "--volts"),
        ("time,power\n5,1\n5,2\n", "all rows have the same time, 5 s"),
        ("time,power\n0,1e99\n1,1\n", r"1 samples.*does not: '0,1e99'"),
        ("time,temperature\n0,1\n1,1\n", r"columns 'time,temperature' are not a time and a power.*--columns"),
        ("Time (fortnights),Power (W)\n0,1\n1,1\n", "fortnights"),
        ("time,Power (dBm)\n0,1\n1,1\n", "dBm"),
        ("time,Power (MW)\n0,1\n1,1\n", "MW"),
        ("timestampMs,powerMw\n0,1\n1,1\n", "timestampMs"),
        ("# time, temperature\n0,1\n1,1\n", "temperature"),
        (
            "time,cpu_power_W,gpu_power_W\n0,1,1\n1,1,1\n",
            r"several columns.*watts \(cpu_power_W, gpu_power_W\).*--columns",
        ),
    ],
)
def test_what_is_no_recording(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(SensorError, match=said):
        read(tmp_path, text)


def test_a_meter_that_is_wired_the_wrong_way_round(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    for sign, said in (("", 0), ("-", 1)):
        path.write_text("".join(f"{second},{sign}2\n" for second in range(4)))
        found, trace = read_recording(path)
        warnings = replayed_run("recording", found, trace, whole(trace), None, now()).warnings
        assert len(warnings) == said and all("the wrong way round" in text for text in warnings)


INSERTED = (b"nan", b"inf", b"-", b"1e308", b"9" * 40, b",", b"\n", b'"', b"0", b"\0", b"{")


def damaged(random: Random, data: bytes) -> bytes:
    """The bytes with a few of them changed, left out, repeated or put between."""
    found = bytearray(data)
    for _ in range(random.randint(1, 6)):
        at = random.randrange(len(found) + 1)
        kind = random.randrange(4)
        if kind == 0:
            found[at : at + 1] = random.randbytes(1)
        elif kind == 1:
            found[at:at] = random.choice(INSERTED)
        elif kind == 2:
            del found[at : at + random.randint(1, 20)]
        else:
            found[at:at] = found[max(0, at - 30) : at]
    return bytes(found)


def test_damaged_recordings_are_read_or_refused(tmp_path: Path) -> None:
    """What is read becomes a run whose numbers are numbers."""
    texts = (PPK2, PPK2_EIGHT, JOULESCOPE, JOULESCOPE_CSV, OTII, OTII_SECONDS, MONSOON, FNIRSI, SHELLY, SUPPLY)
    sound = [text.encode() for text in texts]
    sound.append(b"\xf1" + struct.pack("<f", 1000.0) + np.arange(50, dtype="<f4").tobytes())
    sound.append(archive(tmp_path / "a.ppk2", {"metadata": {"samplesPerSecond": 100000}}, [100.0, 300.0, 500.0]))
    random, outcomes = Random(7), Counter[bool]()
    for _ in range(400):
        path = tmp_path / "recording"
        path.write_bytes(damaged(random, random.choice(sound)))
        try:
            found, trace = read_recording(path, None, Settings(volts=5.0))
            run = replayed_run("recording", found, trace, whole(trace), 3, now())
        except SensorError:
            outcomes[False] += 1
            continue
        outcomes[True] += 1
        json.dumps(msgspec.to_builtins(run), allow_nan=False)
    assert min(outcomes[True], outcomes[False]) > 50


def test_a_format_by_name(tmp_path: Path) -> None:
    with pytest.raises(SensorError, match="not a recording in the format monsoon"):
        read(tmp_path, OTII, name="monsoon")
    with pytest.raises(SensorError, match=r"no format 'jls'.*joulescope"):
        read(tmp_path, OTII, name="jls")
    with pytest.raises(SensorError, match="No such file"):
        read_recording(tmp_path / "nothing")


def test_every_format_is_registered() -> None:
    folder = Path(registry.__file__).parent
    helpers = {"__init__", "beginning", "columns", "format", "registry", "table"}
    assert {*FORMATS} == {path.stem for path in folder.glob("*.py")} - helpers
    assert len({each.name for each in formats()}) == len(FORMATS)


@pytest.mark.parametrize(
    ("name", "kind", "scale"),
    [
        ("Time (ms)", "time", 1e-3),
        ("Timestamp", "time", 1.0),
        ("Wall-clock time (UTC)", "time", 1.0),
        ("elapsed_us", "time", 1e-6),
        ("Current(uA)", "amperes", 1e-6),
        ("Arc Main Voltage (V)", "volts", 1.0),
        ("power_mW", "watts", 1e-3),
        ("Power [kW]", "watts", 1e3),
        ("energy_Wh", "joules", 3600.0),
        ("energy_Ws", "joules", 1.0),
    ],
)
def test_names_of_columns(name: str, kind: str, scale: float) -> None:
    column = understand(3, name)
    assert column is not None and (column.place, column.kind) == (3, kind) and column.scale == pytest.approx(scale)


@pytest.mark.parametrize(
    "name",
    [
        "dp_V",
        "temp_C_ema",
        "sample_in_packet",
        "D0-D7",
        "capacity_As",
        "charge (C)",
        "",
        "min",
        "Power (dBm)",
        "Time (fortnights)",
        "power (MW)",
        "temperature",
    ],
)
def test_names_that_are_of_no_use(name: str) -> None:
    assert understand(0, name) is None


@pytest.mark.parametrize("name", ["min", "Power (dBm)", "Time (fortnights)", "power (MW)", "temperature"])
def test_units_that_are_not_known_are_not_taken_for_the_plain_one(name: str) -> None:
    assert understand(0, name) is None
