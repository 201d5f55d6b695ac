"""`mj compile`: the machine code that a model needs, for this CPU or another, as one file."""

from __future__ import annotations

import os
import time
from typing import Any

import click

from .. import options

THREADS = 4
"""Planned for that many; the kernels are the same for any number."""


@click.command("compile", short_help="Compile a model's kernels into a file, also for another device.")
@click.argument("model", metavar="MODEL", required=False)
@click.option("--target", metavar="NAME", help="What to compile for, such as cortex-a72; 'list' prints the targets. "
              "The CPU's own by default.")  # fmt: skip
@click.option("-o", "--output", metavar="FILE.mjk", help="The file to write.")
@options.shapes
@options.as_json
def command(model: str | None, target: str | None, output: str | None, shapes: tuple[str, ...], as_json: bool) -> None:
    """Compile the kernels that MODEL needs into FILE.mjk.

    A device then runs the model without compiling anything and without numba: `mj run model.mj --kernels FILE.mjk`, or
    mj.load("model.mj", kernels="FILE.mjk"). Kernel files hold machine code: load only those that you trust.

    \b
    Examples:
      mj compile model.mj --target cortex-a72 -o model.mjk
      mj compile --target list
    """
    if target == "list":
        _list_targets(as_json)
        return
    if model is None or output is None:
        raise click.UsageError("Missing argument 'MODEL'." if model is None else "Missing option '-o' / '--output'.")
    _compile(model, target, output, shapes, as_json)


def _compile(path: str, name: str | None, output: str, texts: tuple[str, ...], as_json: bool) -> None:
    from ...runtime.compiler import kernel_file
    from ...runtime.compiler.build import compile_file
    from ...runtime.compiler.cache import default_cache
    from ...runtime.engine.engine import NUMPY, needed_kernels
    from ...runtime.errors import TargetError
    from ..models.plans import any_target, plan_program
    from ..models.sources import concrete_shapes, open_model, parse_shapes
    from ..report.display import duration, emit, emit_json, size
    from ..report.output import check_output
    from ..report.progress import CompileProgress

    check_output(output, [path])
    began = time.perf_counter()
    target = any_target(name)
    if target is None:
        problem = f"'{NUMPY}' needs no kernels" if name == NUMPY else "this CPU has no target of its own"
        raise TargetError(f"{problem}; `mj compile --target list` prints what can be compiled for")
    model = open_model(path)
    shapes = concrete_shapes(model, parse_shapes(model, texts))
    needed = needed_kernels(plan_program(model, shapes, target, THREADS)[0])
    kernel_file.write(output, compile_file(needed, target, default_cache(), CompileProgress()))
    report: dict[str, Any] = {
        "model": path,
        "target": target.name,
        "output": output,
        "kernels": sorted(needed),
        "bytes": os.path.getsize(output),
        "seconds": time.perf_counter() - began,
    }
    if as_json:
        emit_json(report)
        return
    spent = duration(report["seconds"])
    emit(f"wrote {output}: {len(needed)} kernels for {target.name}, {size(report['bytes'])}, in {spent}")


def _list_targets(as_json: bool) -> None:
    from ...runtime.targets.target import ALIASES, TARGETS, missing
    from ..report.display import emit_json, table

    others = {name: [alias for alias, meant in ALIASES.items() if meant == name] for name in TARGETS}
    report = [
        {
            "target": name,
            "aliases": others[name],
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
        rows.append([item["target"], ", ".join(item["aliases"]), item["machine"], here])
    table("", ["target", "also called", "machine", "this computer"], rows)
