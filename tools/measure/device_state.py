"""How warm a computer is, how fast it is clocked, and what holds it down: before and after a measurement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..report.run_parts import Conditions, DeviceState
from ..sensors.source import ReadError, System, run_program
from ..sensors.sysfs import read_number, read_text
from .disturbance import Meddling

if TYPE_CHECKING:
    from ...device_profiles import Thermal

CPU: Final = "sys/devices/system/cpu"
COLDEST: Final = -40.0
"""Celsius below which a zone is switched off: a Jetson says -256."""
FAKE: Final = ("PMIC", 100.0)
"""A Jetson's PMIC zone, which says 100 always."""
COOLING: Final = ("cpufreq", "cpu", "processor", "devfreq")
"""Cooling devices that slow a CPU down; others are fans."""
RASPBERRY: Final = "sys/devices/platform/soc/soc:firmware/get_throttled"
FLAGS: Final = ("under-voltage", "clock capped", "throttled", "soft temperature limit")
"""Of a Raspberry Pi's firmware, bits 0 to 3: now; 16 to 19: since boot."""
BOOT: Final = 16
SINCE_BOOT: Final = " since boot"


def read_state(root: Path = Path("/")) -> DeviceState:
    """root: the folder that holds sys, proc and usr, for containers and tests. What is not there is left out."""
    system = System(root)
    clocks = dict(_clocks(system, "scaling_cur_freq"))
    limits = dict(_clocks(system, "scaling_max_freq"))
    return DeviceState(
        celsius=dict(_temperatures(system)),
        mhz=clocks or dict(_listed_clocks(root)),
        limit_mhz=limits,
        governor=read_text(root / CPU / "cpu0/cpufreq/scaling_governor"),
        throttled=[*_raspberry(system), *_cooling(system), *_limited(system, limits)],
        throttle_events=dict(_counters(system)),
    )


def held_down(before: DeviceState, after: DeviceState) -> list[str]:
    """What held the clocks down between two moments, in words; what did so since boot counts where it is new."""
    found = [text for text in after.throttled if not text.endswith(SINCE_BOOT) or text not in before.throttled]
    found += [text for text in before.throttled if not text.endswith(SINCE_BOOT) and text not in found]
    for name, count in after.throttle_events.items():
        more = count - before.throttle_events.get(name, 0)
        if more > 0:
            found.append(f"{name} grew by {more}")
    return found


def warnings_of(states: Sequence[DeviceState], thermal: Thermal | None) -> list[str]:
    """What a reader of figures has to know of the device between the first and the last of these moments. thermal: of
    its profile."""
    found = [f"the clock was held down: {text}" for text in held_down(states[0], states[-1])]
    warmest = max((celsius for state in states if (celsius := hottest(state)) is not None), default=None)
    if warmest is not None and thermal is not None and warmest >= thermal.throttle_celsius.value:
        found.append(
            f"it got {warmest:.0f} degrees warm, and lowers its clock from {thermal.throttle_celsius.value:g} on: "
            "figures of a cool device are better"
        )
    return found


def conditions_of(before: DeviceState, after: DeviceState, meddling: Meddling | None) -> Conditions:
    if meddling is None:
        return Conditions(before=before, after=after)
    return Conditions(
        before=before, after=after, others_cpus=meddling.others, preempted=meddling.preempted, waited_s=meddling.waited
    )


def hottest(state: DeviceState) -> float | None:
    return max(state.celsius.values(), default=None)


def slowest(state: DeviceState) -> float | None:
    """MHz of the CPU that is clocked lowest."""
    return min(state.mhz.values(), default=None)


def _temperatures(system: System) -> Iterator[tuple[str, float]]:
    found = False
    for zone in system.glob("sys/class/thermal/thermal_zone*"):
        name, celsius = read_text(zone / "type") or zone.name, read_number(zone / "temp", 1e-3)
        if celsius is None or celsius < COLDEST or (name.startswith(FAKE[0]) and celsius == FAKE[1]):
            continue
        found = True
        yield name, round(celsius, 3)
    if found:
        return
    for chip in system.glob("sys/class/hwmon/hwmon*"):
        for file in system.glob(str((chip / "temp*_input").relative_to(system.root))):
            label = read_text(file.with_name(file.name.replace("_input", "_label"))) or file.name.partition("_")[0]
            celsius = read_number(file, 1e-3)
            if celsius is not None and celsius >= COLDEST:
                yield f"{read_text(chip / 'name') or chip.name} {label}", round(celsius, 3)


def _clocks(system: System, name: str) -> Iterator[tuple[str, float]]:
    for file in system.glob(f"{CPU}/cpu[0-9]*/cpufreq/{name}"):
        mhz = read_number(file, 1e-3)
        if mhz is not None:
            yield file.parents[1].name, round(mhz, 3)


def _listed_clocks(root: Path) -> Iterator[tuple[str, float]]:
    """Of x86 without the files of cpufreq, such as virtual machines."""
    name = ""
    for line in (read_text(root / "proc/cpuinfo") or "").splitlines():
        key, _, value = (part.strip() for part in line.partition(":"))
        if key == "processor":
            name = f"cpu{value}"
        elif key == "cpu MHz" and name:
            yield name, float(value)


def _raspberry(system: System) -> Iterator[str]:
    text = read_text(system.root / RASPBERRY)
    if text is None:
        program = system.program("vcgencmd")
        try:
            text = run_program(program, "get_throttled") if program is not None else ""
        except ReadError:
            return
    try:
        flags = int(text.strip().rpartition("=")[2], 16)
    except ValueError:
        return
    for bit, name in enumerate(FLAGS):
        if flags >> bit & 1:
            yield f"{name} now"
        if flags >> (bit + BOOT) & 1:
            yield f"{name}{SINCE_BOOT}"


def _cooling(system: System) -> Iterator[str]:
    for device in system.glob("sys/class/thermal/cooling_device*"):
        kind, state = read_text(device / "type") or "", read_number(device / "cur_state")
        if state and any(word in kind.lower() for word in COOLING):
            yield f"{kind} at {state:g} of {read_number(device / 'max_state') or state:g}"


def _limited(system: System, limits: dict[str, float]) -> Iterator[str]:
    highest = dict(_clocks(system, "cpuinfo_max_freq"))
    for name, mhz in limits.items():
        if name in highest and mhz < highest[name]:
            yield f"{name} may have {mhz:.0f} of {highest[name]:.0f} MHz"


def _counters(system: System) -> Iterator[tuple[str, int]]:
    """Of x86 cores and packages; of a Jetson's over-current alarms."""
    for file in system.glob(f"{CPU}/cpu[0-9]*/thermal_throttle/*_throttle_count"):
        count = read_number(file)
        if count is not None:
            yield f"{file.parents[1].name} {file.name}", int(count)
    for file in system.glob("sys/class/hwmon/hwmon*/oc*_event_cnt"):
        count = read_number(file)
        if count is not None:
            yield file.name, int(count)
