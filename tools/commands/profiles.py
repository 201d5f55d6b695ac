"""`mj profiles`: the devices that are known, what this computer is, and what it can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from .. import options

if TYPE_CHECKING:
    from ...device_profiles import Profile


@click.command("profiles", short_help="List and show device profiles, detect this device's, measure it.")
@click.argument("name", required=False, metavar="[NAME]", type=options.PROFILE)
@click.option("--detect", "detected", is_flag=True, help="Show what this computer is, and the profile that fits it.")
@click.option("--measure", is_flag=True, help="Time kernels and memory here (two minutes; the computer should be idle) "
              "and write a profile of your own.")  # fmt: skip
@click.option("-o", "--output", metavar="FILE.toml", type=options.FILE, help="With --measure: a profile for another "
              "computer, such as your desk's, instead of this one's own.")  # fmt: skip
@options.as_json
def command(name: str | None, detected: bool, measure: bool, output: str | None, as_json: bool) -> None:
    """List device profiles, or show the one called NAME ("host": this computer's).

    A profile says what is known of a device: cores, caches, memory, power, and where each number is from. Your own are
    TOML files in ~/.config/millijoule/profiles; one with `extends = "raspberry-pi-4"` changes only what it names.

    \b
    Examples:
      mj profiles
      mj profiles jetson-nano
      mj profiles --detect
      mj profiles --measure
    """
    if sum((name is not None, detected, measure)) > 1:
        raise click.UsageError("Give one of NAME, --detect and --measure.")
    if output is not None and not measure:
        raise click.UsageError("-o / --output goes with --measure.")
    if measure:
        _measure(output, as_json)
    elif detected:
        _detected(as_json)
    elif name is not None:
        _show(name, as_json)
    else:
        _list(as_json)


def _list(as_json: bool) -> None:
    from ...device_profiles.catalogue import BOARDS, every, file_of
    from ..report.display import emit_json, table

    found = every()
    own = {name for name in found if (path := file_of(name)) is not None and path.parent != BOARDS}
    if as_json:
        emit_json({"profiles": [{**_fields(profile), "own": name in own} for name, profile in found.items()]})
        return
    rows = [
        [name, profile.title, _cores(profile), profile.target, f"{profile.memory_mib or '-'}", _sensor(profile),
         "yours" if name in own else ""]
        for name, profile in found.items()
    ]  # fmt: skip
    table("", ["profile", "device", "cores", "target", ">MiB", "power", ""], rows)


def _show(name: str, as_json: bool) -> None:
    from ..models.devices import profile_of
    from ..report.display import emit, emit_json, emit_sentence

    profile = profile_of(name)
    if as_json:
        emit_json(_fields(profile))
        return
    emit(f"{profile.name}: {profile.title}\n")
    if profile.notes:
        emit_sentence(profile.notes + "\n")
    if profile.match:
        emit_sentence(f"Recognised by {', '.join(profile.match)}.\n")
    _tables(profile)


def _tables(profile: Profile) -> None:
    from ..report.display import emit, size, table

    rows = [
        ["target", profile.target, ""],
        ["threads", f"{profile.threads} of {profile.cores} cores", ""],
        ["memory", "-" if profile.memory is None else size(profile.memory), f"{profile.system_mib} MiB for the system"],
        ["pages", size(profile.page_bytes), ""],
        ["helpers spin", f"{profile.spin_us:g} us", ""],
        ["sharing a step", f"{profile.share_us:g} us", ""],
        ["an inference besides", f"{profile.invoke_us:g} us", ""],
        ["a program of several", "-" if profile.stage_us is None else f"{profile.stage_us:g} us", ""],
        ["kept in the last cache", size(profile.cached), ""],
        ["softmax reads again", f"above {size(profile.softmax_bytes)}", f"{profile.softmax_share:g} of the last cache"],
        ["strips of images", f"above {size(profile.strip_bytes)}", f"{profile.strip_share:g} of the second cache"],
    ]
    if profile.measured_on:
        rows.append(["measured on", profile.measured_on, ""])
    if profile.memory_gbps:
        rows.append(["memory speed", f"{profile.memory_gbps.value:g} GB/s", profile.memory_gbps.source])
    for what, figures in (("energy", profile.energy), ("thermal", profile.thermal)):
        for field in figures.__struct_fields__ if figures is not None else ():
            figure = getattr(figures, field)
            if figure is not None:
                rows.append([f"{what}: {field}", f"{figure.value:g}", figure.source])
    table("", ["", "", "from"], rows)
    clusters = [
        [cluster.core, _cpus(cluster.cpus), cluster.mhz or "-",
         ", ".join(f"L{c.level} {c.kind} {size(c.size)}" + (f" of {c.shared_by}" if c.shared_by > 1 else "")
                   for c in cluster.caches)]
        for cluster in profile.clusters
    ]  # fmt: skip
    table("Clusters, the first of which threads are kept to", ["core", "cpus", ">MHz", "caches"], clusters)
    if profile.rails:
        chosen = profile.total_rails
        rails = [[rail.sensor, rail.label, _role(rail.total, rail in chosen)] for rail in profile.rails]
        table("Power rails", ["sensor", "label", ""], rails)
    if profile.kernels:
        kernels = [[name, f"{cost.compute:.3g}", f"{cost.ends:.3g}", f"{cost.chunk_ns:.1f}", f"{cost.call_ns:.1f}"]
                   for name, cost in sorted(profile.kernels.items())]  # fmt: skip
        table("Kernels", ["kernel", ">loops", ">their ends", ">ns a chunk", ">ns a call"], kernels)
        emit("loops, ends: times the cycles that are estimated for them; the file has all that was measured")


def _detected(as_json: bool) -> None:
    from ...device_profiles import detect
    from ...device_profiles.board import facts
    from ...runtime.targets.device import fitting_profile
    from ..report.display import emit, emit_json, emit_sentence

    here, said = detect(), facts()
    found, sure = fitting_profile()
    if as_json:
        emit_json({"host": _fields(here), "facts": said, "profile": found, "board": sure})
        return
    emit_sentence(f"{here.title}: {_cores(here)}, {here.memory_mib or '-'} MiB")
    emit_sentence(f"the system says: {', '.join(said) or 'nothing'}")
    emit("")
    if found is None:
        emit("No profile fits; `mj profiles --measure` makes one.")
    elif sure:
        emit(f"This is a {found}: `mj profiles {found}` shows what is known of it.")
    else:
        emit_sentence(
            f"No profile names this board; for its instruction set there is {found}; `mj profiles --measure` makes one."
        )
    emit("\nWhat was found of this computer itself:\n")
    _tables(here)


def _measure(output: str | None, as_json: bool) -> None:
    from ..estimate.calibrate import measure_device
    from ..report.display import emit_json, emit_sentence
    from ..report.output import check_output

    if output is not None:
        check_output(output, ())
    report = measure_device(output)
    if as_json:
        emit_json(report)
        return
    emit_sentence(
        f"wrote {report['output']}: {len(report['kernels'])} kinds of kernels, memory {report['memory_gbps']:.1f} "
        f"GB/s, sharing a step {report['share_us']:.1f} us, softmax reads again from {report['softmax_share']:g} of "
        f"the last cache. What was timed is fitted within {report['median_error_percent']:.1f} % (median), nine of ten "
        f"steps within {report['p90_error_percent']:.1f} %."
    )


def _fields(profile: Profile) -> Mapping[str, Any]:
    import msgspec

    found: Mapping[str, Any] = msgspec.to_builtins(profile)
    return found


def _cores(profile: Profile) -> str:
    return " + ".join(f"{cluster.cores}x {cluster.core}" for cluster in profile.clusters)


def _cpus(cpus: list[int]) -> str:
    return (
        f"{cpus[0]}-{cpus[-1]}"
        if len(cpus) > 2 and cpus == list(range(cpus[0], cpus[-1] + 1))
        else ", ".join(map(str, cpus))
    )


def _sensor(profile: Profile) -> str:
    rails = profile.total_rails
    if not rails:
        return "-"
    return f"{rails[0].sensor}: {rails[0].label}" if rails[0].total else f"{rails[0].sensor}: sum of {len(rails)}"


def _role(total: bool, chosen: bool) -> str:
    if total:
        return "the whole board"
    return "added" if chosen else "a part"
