"""Trees of files as the kernels of boards show their power sensors, to the letter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

PMIC = """\
     3V7_WL_SW_A current(0)=0.05855580A
       3V3_SYS_A current(1)=0.06148359A
       1V8_SYS_A current(2)=0.13272650A
      DDR_VDD2_A current(3)=0.13955800A
      DDR_VDDQ_A current(4)=0.00980400A
       1V1_SYS_A current(5)=0.19811380A
        0V8_SW_A current(6)=0.34157550A
      VDD_CORE_A current(7)=5.03652000A
       3V3_DAC_A current(17)=0.00006105A
       3V3_ADC_A current(18)=0.00054945A
       0V8_AON_A current(16)=0.00531135A
          HDMI_A current(22)=0.02161170A
     3V7_WL_SW_V volt(8)=3.61069200V
       3V3_SYS_V volt(9)=3.29982600V
       1V8_SYS_V volt(10)=1.81684800V
      DDR_VDD2_V volt(11)=1.10109800V
      DDR_VDDQ_V volt(12)=0.60366240V
       1V1_SYS_V volt(13)=1.10292900V
        0V8_SW_V volt(14)=0.80292960V
      VDD_CORE_V volt(15)=0.89369880V
       3V3_DAC_V volt(20)=3.29944700V
       3V3_ADC_V volt(21)=3.30402600V
       0V8_AON_V volt(19)=0.79618980V
          HDMI_V volt(23)=4.92450000V
         EXT5V_V volt(24)=4.92450000V
          BATT_V volt(25)=0.00341880V
"""
NO_PMIC = 'error=1 error_msg="Command not registered"\n'


def write(root: Path, files: Mapping[str, object]) -> None:
    """Files below root, each with its text and the newline that the kernel adds."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")


def hwmon_ina3221(root: Path, rails: list[tuple[str, int, int]], bus: str = "1-0040", number: int = 3) -> Path:
    """Mainline INA3221: (label, mV, mA) of up to three rails. The folder is below the driver, and a link to it below
    sys/class, as everywhere."""
    folder = root / f"sys/bus/i2c/drivers/ina3221/{bus}/hwmon/hwmon{number}"
    files: dict[str, object] = {"name": "ina3221", "update_interval": 10, "samples": 1}
    for channel, (label, millivolts, milliamperes) in enumerate(rails, 1):
        files |= {
            f"in{channel}_label": label,
            f"in{channel}_input": millivolts,
            f"in{channel}_enable": 1,
            f"curr{channel}_input": milliamperes,
            f"curr{channel}_crit": 32760,
            f"curr{channel}_max": 32760,
            f"curr{channel}_crit_alarm": 0,
            f"shunt{channel}_resistor": 5000,
            f"in{channel + 3}_input": milliamperes * 5,
        }
    files |= {"in7_label": "sum of shunt voltages", "in7_input": 0, "curr4_input": 0}
    write(folder, files)
    links = root / "sys/class/hwmon"
    links.mkdir(parents=True, exist_ok=True)
    (links / folder.name).symlink_to(folder)
    return folder


def jetson_nano(root: Path, unit: str = "") -> Path:
    """JetPack 4. unit: some versions write it behind the number."""
    folder = root / "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0"
    files: dict[str, object] = {"name": "ina3221x"}
    values = (("POM_5V_IN", 933, 5056, 184), ("POM_5V_GPU", 0, 5040, 0), ("POM_5V_CPU", 84, 5048, 16))
    for channel, (label, milliwatts, millivolts, milliamperes) in enumerate(values):
        files |= {
            f"rail_name_{channel}": label,
            f"in_power{channel}_input": f"{milliwatts}{unit}",
            f"in_voltage{channel}_input": millivolts,
            f"in_current{channel}_input": milliamperes,
            f"warn_current_limit_{channel}": "32760 ma",
            f"crit_current_limit_{channel}": "32760 ma",
        }
    write(folder, files)
    return folder


def powercap(root: Path, zones: Mapping[str, tuple[str, int, int | None]]) -> Path:
    """RAPL: name, energy and range in uJ of each zone, such as intel-rapl:0:2. All lie side by side, as sys/class has
    them."""
    folder = root / "sys/class/powercap"
    for zone, (name, energy, limit) in zones.items():
        write(folder / zone, {"name": name, "energy_uj": energy, "enabled": 0})
        if limit is not None:
            write(folder / zone, {"max_energy_range_uj": limit})
    return folder


def program(root: Path, name: str, answer: str, status: int = 0) -> Path:
    """A program of that name, which prints an answer whatever it is asked."""
    path = root / "usr/bin" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / f"{name}.txt").write_text(answer)
    path.write_text(f'#!/bin/sh\ncat "$0.txt"\nexit {status}\n')
    path.chmod(0o755)
    return path
