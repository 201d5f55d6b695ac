"""`mj compile`: the machine code that a model needs, for this CPU or another, as one file."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import click

from .. import options

if TYPE_CHECKING:
    from ...runtime.targets.target import Target


@click.command("compile", short_help="Compile a model's kernels into a file, also for another device.")
@click.argument("model", metavar="MODEL", required=False, type=options.FILE)
@click.option("--target", "targets", multiple=True, metavar="NAME", type=options.TARGET,
              help="What to compile for, such as cortex-a72 or raspberry-pi-5; 'list' prints all. May be given several "
              "times. The CPU's own by default.")  # fmt: skip
@click.option("-o", "--output", metavar="FILE.mjk", type=options.FILE, help="The file to write.")
@click.option("--shape", "shapes", multiple=True, metavar="NAME=1,3,224,224", help="The shape of an input whose "
              "dimensions are symbolic; NAME= may be left out where there is one input. Given several times for an "
              "input, the file serves all of them.")  # fmt: skip
@options.as_json
def command(
    model: str | None, targets: tuple[str, ...], output: str | None, shapes: tuple[str, ...], as_json: bool
) -> None:
    """Compile the kernels that MODEL needs into FILE.mjk.

    A device then runs the model without compiling anything and without numba: `mj run model.mj --kernels FILE.mjk`, or
    mj.load("model.mj", kernels="FILE.mjk"). Of several targets in the file it takes the best that its CPU runs. Kernels
    serve any shape for the most part; a model with symbolic dimensions is compiled for those of its shapes that
    will be run. Kernel files hold machine code: load only those that you trust.

    \b
    Examples:
      mj compile model.mj --target raspberry-pi-5 -o model.mjk
      mj compile model.mj --target cortex-a72 --target cortex-a76 \\
         --shape 1,3,224,224 --shape 1,3,320,320 -o model.mjk
      mj compile --target list
    """
    if targets == ("list",):
        _list_targets(as_json)
        return
    if model is None or output is None:
        raise click.UsageError("Missing argument 'MODEL'." if model is None else "Missing option '-o' / '--output'.")
    _compile(model, targets, output, shapes, as_json)


def _compile(path: str, names: tuple[str, ...], output: str, texts: tuple[str, ...], as_json: bool) -> None:
    from ..models.kernels import needed_anywhere, write_kernels
    from ..models.sources import concrete_shapes, open_model, parse_shape_sets
    from ..report.display import counted, duration, emit, emit_json, size
    from ..report.output import check_output

    check_output(output, [path])
    began = time.perf_counter()
    targets = list(dict.fromkeys(map(_target, names or (None,))))
    model = open_model(path)
    sets = [concrete_shapes(model, given) for given in parse_shape_sets(model, texts)]
    needed = {target: needed_anywhere(model, sets, target) for target in targets}
    compiled = write_kernels(needed, output)
    report: dict[str, Any] = {
        "model": path,
        "output": output,
        "shapes": [{name: list(shape) for name, shape in shapes.items()} for shapes in sets],
        "targets": [
            {"target": part.target.name, "kernels": sorted(needed[part.target]), "code_bytes": len(part.blob.code)}
            for part in compiled
        ],
        "bytes": os.path.getsize(output),
        "seconds": time.perf_counter() - began,
    }
    if as_json:
        emit_json(report)
        return
    listed = ", ".join(f"{counted(len(part['kernels']), 'kernel')} for {part['target']}" for part in report["targets"])
    emit(f"wrote {output}: {listed}, {size(report['bytes'])}, in {duration(report['seconds'])}")


def _target(name: str | None) -> Target:
    from ...runtime.engine.engine import NUMPY
    from ...runtime.errors import TargetError
    from ..models.plans import any_target

    target = any_target(name)
    if target is None:
        problem = f"'{NUMPY}' needs no kernels" if name == NUMPY else "this CPU has no target of its own"
        raise TargetError(f"{problem}; `mj compile --target list` prints what can be compiled for")
    return target


def _list_targets(as_json: bool) -> None:
    from ... import device_profiles
    from ...runtime.targets.target import ALIASES, TARGETS, missing
    from ..report.display import emit_json, table

    others = {name: [alias for alias, meant in ALIASES.items() if meant == name] for name in TARGETS}
    devices: dict[str, list[str]] = {name: [] for name in TARGETS}
    for device in device_profiles.names():
        found = TARGETS.get(device_profiles.load(device).target)
        if found is not None and device != found.name:
            devices[found.name].append(device)
    report = [
        {
            "target": name,
            "aliases": others[name],
            "devices": devices[name],
            "machine": target.machine,
            "features": sorted(target.features),
            "missing_here": missing(target),
        }
        for name, target in TARGETS.items()
    ]
    if as_json:
        emit_json(report)
        return
    rows = []
    for item in report:
        lacking = item["missing_here"]
        here = "runs here" if not lacking else f"lacks {', '.join(lacking)}"
        rows.append([item["target"], ", ".join([*item["aliases"], *item["devices"]]), item["machine"], here])
    table("", ["target", "also called", "machine", "this computer"], rows)
