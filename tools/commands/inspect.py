"""`mj inspect`: what is in a model and what this CPU, or another, would do with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from .. import options

if TYPE_CHECKING:
    import numpy as np

    from ...runtime.model import Model
    from ...runtime.program.program import Program


LABELS = 5
"""How many labels are shown."""


@click.command("inspect", short_help="Show what is in a model, and which steps have a kernel.")
@options.model
@options.inputs
@options.shapes
@options.target
@options.threads
@click.option("--steps", is_flag=True, help="List every step of the program, not only those that run in NumPy.")
@click.option("--profile", is_flag=True, help="Run the model on random numbers and list the time of every step.")
@options.seed
@options.as_json
def command(
    model: str,
    inputs: tuple[str, ...],
    shapes: tuple[str, ...],
    target: str | None,
    threads: int | None,
    steps: bool,
    profile: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Show the inputs, outputs, operators, sizes and steps of MODEL.

    Nothing is compiled or run unless --profile is given, so any target will do: --target cortex-a72 shows the program
    of a Raspberry Pi 4. But a model whose sizes depend on data is run once, in NumPy, on random numbers, which decide
    what it computes, or on the arrays of --input. A symbolic batch is taken as 1; other symbolic dimensions need
    --shape or --input.

    \b
    Examples:
      mj inspect model.mj
      mj inspect model.onnx --shape input=1,3,320,320 --profile
    """
    from ..models.feeds import read_inputs
    from ..models.sources import concrete_shapes, open_model, parse_named, parse_shapes
    from ..report.display import emit_json

    opened = open_model(model)
    asked = parse_shapes(opened, shapes)
    known = read_inputs(opened, parse_named(opened, inputs, "--input"), asked)
    sizes = concrete_shapes(opened, {**asked, **{name: array.shape for name, array in known.items()}})
    report = _facts(model, opened)
    report["planned_shapes"] = {name: list(shape) for name, shape in sizes.items()}
    if profile:
        report.update(_profiled(opened, sizes, known, threads, target, seed))
    else:
        report.update(_planned(opened, sizes, known, threads, target))
    if as_json:
        emit_json(report)
    else:
        _show(report, steps or profile)


def _facts(path: str, model: Model) -> dict[str, Any]:
    import os

    from ..models.facts import operators, preprocessing, tensors, weight_bytes

    stored = weight_bytes(model.graph)
    return {
        "model": path,
        "file_bytes": os.path.getsize(path),
        "source": {"name": model.metadata.source.name, "format": model.metadata.source.format},
        "inputs": tensors(model.inputs),
        "outputs": tensors(model.outputs),
        "operators": operators(model.graph),
        "labels": len(model.metadata.labels),
        "self_test": len(model.self_test),
        "first_labels": model.metadata.labels[:LABELS],
        "preprocessing": preprocessing(model.metadata.preprocessing),
        "weights": {"bytes": sum(stored.values()), "by_dtype": stored},
    }


def _planned(
    model: Model,
    shapes: Mapping[str, tuple[int, ...]],
    given: Mapping[str, np.ndarray],
    threads: int | None,
    target: str | None,
) -> dict[str, Any]:
    from ...device_profiles import load as load_profile
    from ...device_profiles import usable_cpus
    from ...runtime.boxed import is_boxed
    from ..measure.profile import describe_steps
    from ..models.plans import any_target, plan_program

    known = any_target(target)
    count = threads or usable_cpus()
    # Numbers would be taken for constants of every run.
    boxed = {name: array for name, array in given.items() if is_boxed(array.dtype)}
    strip_bytes = load_profile().strip_bytes
    program, packed = plan_program(model, shapes, known, count, strip_bytes=strip_bytes, known=boxed)
    return {**_sizes(model, program, packed, count, str(known or "numpy")), "steps": describe_steps(program)}


def _profiled(
    model: Model,
    shapes: Mapping[str, tuple[int, ...]],
    given: Mapping[str, np.ndarray],
    threads: int | None,
    target: str | None,
    seed: int,
) -> dict[str, Any]:
    from ..measure.profile import profile_steps
    from ..models.feeds import random_inputs
    from ..models.plans import program_of
    from ..models.sources import load

    unknown = {name: shape for name, shape in shapes.items() if name not in given}
    feeds = {**random_inputs(model, unknown, seed), **given}
    with load(model, threads, target) as session:
        steps = profile_steps(session, feeds)
        engine = session.engine
        program = program_of(engine, feeds)
        return {**_sizes(model, program, engine.weights.used, session.threads, session.target), "steps": steps}


def _sizes(model: Model, program: Program, packed: int, threads: int, target: str) -> dict[str, Any]:
    from ..measure.fallback import describe_fallback
    from ..models.cascades import describe

    return {
        "cascade": describe(model, program.node_macs),
        "target": target,
        "threads": threads,
        "numpy": describe_fallback(program),
        "macs": program.macs,
        "packed_weight_bytes": packed,
        "arena": {
            "bytes": program.arena_bytes,
            "lower_bound": program.lower_bound,
            "scratch_bytes_per_thread": program.scratch_bytes,
        },
    }


def _show(report: Mapping[str, Any], every_step: bool) -> None:
    from ..measure.fallback import sentence
    from ..measure.profile import show_steps
    from ..models.facts import tensor_rows
    from ..report.display import counted, emit, size, table

    source = report["source"]["name"]
    origin = f", from {source}" if source and not report["model"].endswith(source) else ""
    emit(f"{report['model']}: {size(report['file_bytes'])}{origin}\n")
    table("", ["", "name", "shape", "dtype", "quantized"], tensor_rows(report))
    if report["cascade"] is not None:
        from ..models import cascades

        heads = ["stage", "source", ">multiply-adds", ">temperature", "sure where"]
        table("", heads, cascades.rows(report["cascade"]))
    arena, weights = report["arena"], report["weights"]
    share = f" ({arena['bytes'] / arena['lower_bound']:.2f} times it)" if arena["lower_bound"] else ""
    dtypes = ", ".join(f"{size(count)} {dtype}" for dtype, count in weights["by_dtype"].items())
    numpy_steps = sum(step["kernel"] is None for step in report["steps"])
    scratch = size(arena["scratch_bytes_per_thread"])
    shapes = ", ".join(f"{name} {'x'.join(map(str, dims))}" for name, dims in report["planned_shapes"].items())
    rows = [
        ["planned for", f"{report['target']}, {counted(report['threads'], 'thread')}, {shapes}"],
        ["multiply-adds", f"{report['macs']:,}"],
        ["weights", f"{size(weights['bytes'])} stored ({dtypes or 'none'}), "
                    f"{size(report['packed_weight_bytes'])} packed for the target"],
        ["arena", f"{size(arena['bytes'])}, lower bound {size(arena['lower_bound'])}{share}"],
        ["scratch", f"{scratch} a thread"],
        ["steps", sentence(report["numpy"]) or f"{len(report['steps'])}, each with a kernel"],
        ["operators", ", ".join(f"{count} {name}" for name, count in report["operators"].items())],
        *_image_rows(report),
        ["labels", _labels(report["labels"], report["first_labels"])],
        ["self-test", f"{counted(report['self_test'], 'input')}, for mj verify" if report["self_test"] else "none"],
    ]  # fmt: skip
    table("", ["", ""], rows)
    if every_step:
        show_steps(report["steps"])
    elif numpy_steps:
        show_steps(report["steps"], only_numpy=True)


def _image_rows(report: Mapping[str, Any]) -> list[list[str]]:
    """How images are prepared; of a cascade whose stages want them otherwise, for each stage."""
    cascade = report["cascade"]
    if cascade is None:
        return [["images", _images(report["preprocessing"])]]
    said = [_images(stage["preprocessing"]) for stage in cascade["stages"]]
    if len(set(said)) == 1:
        return [["images", said[0]]]
    return [[f"images, stage {number}", text] for number, text in enumerate(said)]


def _images(settings: Mapping[str, Any] | None) -> str:
    if settings is None:
        return "no preprocessing known"
    mean, std = (_channels(settings[name]) for name in ("mean", "std"))
    scale = "" if settings["scale"] == 1 else f" * {settings['scale']:.6g}"
    crop = f" {settings['crop_fraction']:g}" if settings["resize"] == "crop" else ""
    pad = f" with {settings['pad_value']:g}" if settings["resize"] == "pad" else ""
    resized = f"{settings['resize']}{crop}{pad}, {settings['interpolation']}"
    return f"(pixel{scale} - {mean}) / {std}, {settings['color']}, {resized}"


def _channels(numbers: Sequence[float]) -> str:
    text = ", ".join(f"{number:.6g}" for number in numbers)
    return text if len(numbers) == 1 else f"({text})"


def _labels(count: int, first: list[str]) -> str:
    if not count:
        return "none"
    return f"{count}: {', '.join(first)}{', ...' if count > len(first) else ''}"
