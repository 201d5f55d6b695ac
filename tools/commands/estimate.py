"""`mj estimate`: what a model will take on devices that are not here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from .. import options

if TYPE_CHECKING:
    import numpy as np

    from ...device_profiles import Profile
    from ...runtime.model import Model
    from ..estimate.estimate import Estimate


@click.command("estimate", short_help="Predict latency, energy and memory on other devices.")
@options.model
@click.option("--profile", "names", multiple=True, default=("host",), metavar="NAME", type=options.PROFILE,
              help="A device that `mj profiles` lists, or a profile's file; several are shown side by side.  "
              "[default: host]")  # fmt: skip
@options.shapes
@click.option("--input", "files", multiple=True, metavar="NAME=FILE", help="An input on whose elements the model's "
              "steps depend, as .npy, .npz or an image: they are then what follows from it.")  # fmt: skip
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Threads (default: as the profile says).")
@click.option("--steps", is_flag=True, help="List every step, which is one kernel with all that is fused into it.")
@options.as_json
def command(
    model: str, names: tuple[str, ...], shapes: tuple[str, ...], files: tuple[str, ...], threads: int | None,
    steps: bool, as_json: bool,
) -> None:  # fmt: skip
    """Predict what an inference of MODEL takes on devices: latency, energy and memory.

    The model is planned for each device as it will run there; the arena and the packed weights are exact. Latency is
    from the estimated cycles of each kernel's loops and from the memory's speed, energy from the profile's
    coefficients. The report says how wrong such predictions have been. Nothing is compiled or run, but
    a model whose steps depend on data that --input does not give: once, in NumPy, on random numbers.

    \b
    Examples:
      mj estimate model.mj --profile jetson-nano
      mj estimate net.onnx --profile raspberry-pi-4 --profile raspberry-pi-5
    """
    from ..models.devices import described
    from ..models.feeds import read_inputs
    from ..models.sources import concrete_shapes, open_model, parse_named, parse_shapes
    from ..report.display import emit_json

    opened = open_model(model)
    asked = parse_shapes(opened, shapes)
    known = read_inputs(opened, parse_named(opened, files, "--input"), asked)
    sizes = concrete_shapes(opened, {**asked, **{name: array.shape for name, array in known.items()}})
    found, completed = [], []
    for name in dict.fromkeys(names):
        profile, source = described(name)
        found.append(_estimated(opened, sizes, profile, threads, known))
        completed.append(source)
    if as_json:
        emit_json(
            {
                "model": model,
                "shapes": {name: list(shape) for name, shape in sizes.items()},
                **_report(found, completed),
            }
        )
    else:
        _show(model, found, completed, steps)


def _estimated(
    model: Model, sizes: Mapping[str, tuple[int, ...]], profile: Profile, threads: int | None,
    known: Mapping[str, np.ndarray],
) -> Estimate:  # fmt: skip
    from ...runtime.errors import InputError
    from ...runtime.ops.registry import DataNeeded
    from ..estimate.estimate import estimate

    try:
        return estimate(model, sizes, profile, threads, known)
    except DataNeeded as problem:
        raise InputError(
            f"{problem}: what runs depends on data. Where that follows from an input that stays the same, give it with "
            "--input NAME=FILE.npy"
        ) from None


def _report(found: Sequence[Estimate], completed: Sequence[str | None]) -> dict[str, Any]:
    import msgspec

    from ..estimate.published import record

    return {
        "estimates": [_fields(each, source) for each, source in zip(found, completed, strict=True)],
        "how_wrong": msgspec.to_builtins(record()),
    }


def _fields(found: Estimate, source: str | None) -> dict[str, Any]:
    return {
        "profile": found.profile.name,
        "device": found.profile.title,
        "completed_from": source,
        "measured_on": found.profile.measured_on or None,
        "target": found.target,
        "threads": found.threads,
        "seconds": found.seconds,
        "sustained_seconds": found.sustained_seconds,
        "joules": found.joules,
        "joules_above_idle": found.joules_above_idle,
        "memory_bytes": found.memory,
        "peak_bytes": found.peak_bytes,
        "fits": found.fits,
        "steps": [
            {
                "index": step.work.index, "operator": step.work.operator, "node": step.work.node,
                "kernel": step.work.kernel, "macs": step.work.macs, "weight_bytes": step.work.weight_bytes,
                "data_bytes": step.work.data_bytes, "arena_in_use_bytes": step.in_use, "seconds": step.seconds,
                "joules_above_idle": step.joules,
            }
            for step in found.steps
        ],
    }  # fmt: skip


def _show(model: str, found: Sequence[Estimate], completed: Sequence[str | None], steps: bool) -> None:
    from ..report.display import duration, emit, emit_sentence, size, table

    rows = [
        [each.profile.name, each.target, each.threads, duration(each.seconds), _warm(each), _millijoules(each.joules),
         _millijoules(each.joules_above_idle), size(each.memory["arena"]), size(each.memory["packed weights"]),
         size(each.peak_bytes) + ("" if each.fits else ": does not fit")]
        for each in found
    ]  # fmt: skip
    columns = ["device", "target", ">threads", ">latency", ">warm", ">mJ", ">mJ above\nidle", ">arena",
               ">packed\nweights", ">memory"]  # fmt: skip
    table(f"{model}: predicted, not measured", columns, rows)
    if steps:
        for each in found:
            _show_steps(each)
    for each, source in zip(found, completed, strict=True):
        if source is not None:
            emit_sentence(f"{each.profile.name}: what this computer does not tell of itself is {source}'s.")
    emit_sentence(_how(found))
    emit("")


def _show_steps(found: Estimate) -> None:
    from ..report.display import duration, shorten, size, table

    rows = []
    for step in found.steps:
        work, share = step.work, step.seconds / found.seconds if found.seconds else 0.0
        energy = "" if step.joules is None else f"{step.joules * 1e6:.1f}"
        rows.append([work.index, work.operator, work.kernel, f"{work.macs:,}" if work.macs else "",
                     size(work.weight_bytes + work.data_bytes), size(step.in_use), duration(step.seconds),
                     f"{100 * share:.1f} %", energy, shorten(work.node)])  # fmt: skip
    columns = [">step", "operator", "kernel", ">multiply-adds", ">bytes", ">arena\nin use", ">time", ">share",
               ">uJ above\nidle", "node"]  # fmt: skip
    table(f"Steps on {found.profile.name}", columns, rows)


def _how(found: Sequence[Estimate]) -> str:
    from ..estimate.published import record

    known = record()
    measured = [each.profile.name for each in found if each.profile.kernels]
    guessed = [each.profile.name for each in found if not each.profile.kernels]
    parts = []
    if measured:
        parts.append(f"{', '.join(measured)}: from kernels that were timed there by `mj profiles --measure`.")
    if guessed:
        parts.append(
            f"{', '.join(guessed)}: from data sheets; `mj profiles --measure` on the device makes it better. Nobody "
            f"has measured this engine there. Of {known.rows} published measurements of other engines, each predicted "
            f"without itself, half are within a factor of {known.latency_median:g} and nine of ten within "
            f"{known.latency_p90:g}; of {known.energy_rows} of energy half within {known.energy_median:g}."
        )
    parts.append("docs/profiles.md lists the misses.")
    return " ".join(parts)


def _warm(found: Estimate) -> str:
    from ..report.display import duration

    return "" if found.sustained_seconds <= found.seconds else duration(found.sustained_seconds)


def _millijoules(joules: float | None) -> str:
    return "-" if joules is None else f"{joules * 1e3:.3g}"
