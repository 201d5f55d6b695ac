"""`mj verify`: a model runs its own self-test on this computer."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any

import click

from .. import options

if TYPE_CHECKING:
    from ...runtime.session import Session

BEYOND = 1
"""Exit status where an output differs."""


@click.command("verify", short_help="Run the self-test that a .mj file holds, on this computer.")
@options.model
@options.tolerance(1e-4)
@click.option("--quanta", default=0.25, show_default=True, type=click.FloatRange(min=0), help="How far quantized "
              "outputs that floats are computed for may be off, on average, in steps of their scale.")  # fmt: skip
@options.running
@options.as_json
@click.pass_context
def command(
    ctx: click.Context,
    model: str,
    tolerance: float,
    quanta: float,
    threads: int | None,
    target: str | None,
    kernels: str | None,
    as_json: bool,
) -> None:
    """Run the inputs that `mj convert --self-test N` put into MODEL, and hold its outputs against those in the file.

    What is computed in integers has to be equal, bit for bit. Sums of floats are rounded in another order by every
    instruction set, so real numbers may be off by --tolerance. Exit status 0 where every output is equal or within, 1
    where one differs, 2 where the file is damaged or has no self-test.

    \b
    Examples:
      mj verify model.mj
      mj verify model.mj --kernels model.mjk --json
    """
    from ...runtime.errors import InputError
    from ..measure.self_test import Limits, overall, run_self_test
    from ..models.sources import load, open_model

    limits = Limits(tolerance, quanta)
    opened = open_model(model)
    if not opened.self_test:
        raise InputError(f"{model} has no self-test: `mj convert SRC -o {model} --self-test 8` gives it one")
    with load(opened, threads, target, kernels) as session:
        outputs = [result.describe(limits) for result in run_self_test(session)]
        report = {
            "model": model,
            "verdict": overall(outputs),
            "inputs": len(opened.self_test),
            **_where(session, kernels),
            "tolerance": tolerance,
            "quanta": quanta,
            "outputs": outputs,
        }
    _show(report, as_json)
    if report["verdict"] == "differs":
        ctx.exit(BEYOND)


def _where(session: Session, kernels: str | None) -> dict[str, Any]:
    from ..measure.machine import describe, versions

    return {"target": session.target, "threads": session.threads, "kernels": kernels, "machine": describe(),
            "versions": versions()}  # fmt: skip


def _show(report: Mapping[str, Any], as_json: bool) -> None:
    from ..report.display import counted, emit_json, emit_sentence, shorten, table

    if as_json:
        # JSON has no infinities, nor NaN.
        emit_json(_plain(report))
        return
    quantized = any(row["mean_quanta"] is not None for row in report["outputs"])
    numbers = [">relative", *([">mean\nquanta"] if quantized else [])]
    rows = [
        [f"{row['equal']} of {row['inputs']}", *[_number(row["relative"]), _number(row["mean_quanta"])][: len(numbers)],
         row["verdict"], shorten(row["name"])]
        for row in report["outputs"]
    ]  # fmt: skip
    table("", [">bit-equal", *numbers, "", "output"], rows)
    for row in report["outputs"]:
        if row["verdict"] == "differs":
            emit_sentence(_difference(row))
    threads, inputs = counted(report["threads"], "thread"), counted(report["inputs"], "input")
    emit_sentence(f"{report['model']} on {report['target']}, {threads}, {inputs}")
    emit_sentence(_summary(report))


def _summary(report: Mapping[str, Any]) -> str:
    if report["verdict"] == "equal":
        return "every output is bit-equal to the references'"
    limits = f"{report['tolerance']:g} of the largest magnitude, or {report['quanta']:g} quanta on average"
    if report["verdict"] == "within":
        return f"every output is within {limits}, and what is computed in integers is bit-equal"
    count = sum(row["verdict"] == "differs" for row in report["outputs"])
    return f"{count} of {len(report['outputs'])} outputs differ by more than {limits}"


def _difference(row: Mapping[str, Any]) -> str:
    from ..report.display import shape, shorten

    what = f"output '{shorten(row['name'])}' differs"
    if row["wrong_shape"] is not None:
        wrong = row["wrong_shape"]
        return f"{what}: for input {wrong['input']} its shape is {shape(wrong['found'])}, not {shape(wrong['wanted'])}"
    worst = row["worst"]
    place = ", ".join(map(str, worst["index"]))
    found = f"{what}, most for input {worst['input']}: [{place}] is {worst['found']:.9g}, not {worst['wanted']:.9g}"
    return f"{found}; it is computed in integers, which are the same on every CPU" if row["exact"] else found


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value
