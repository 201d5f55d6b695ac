"""`mj energy`: what one inference costs in joules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .. import options
from ..remote.command import HostCommand

if TYPE_CHECKING:
    from ..report.energy_run import EnergyRun
    from ..sensors.source import System


@click.command(
    "energy", cls=HostCommand, short_help="Measure the energy of an inference with a power sensor or an external meter."
)
@click.argument("model", metavar="[MODEL]", type=options.FILE, required=False)
@click.option("--source", metavar="NAME", help="The sensor, as --sources lists them; shelly:HOST or um25c:DEVICE; or "
              "FORMAT:FILE for a pipe or a growing file that a meter's program writes; model or model:PROFILE for a "
              "prediction. Default: the first sensor that gives numbers.")  # fmt: skip
@click.option("--sources", is_flag=True, help="List the sensors of this computer, and why others cannot be used.")
@click.option("--duration", type=click.FloatRange(min=0.01), metavar="SECONDS", help="Seconds of load in all (default: "
              "10, more with a slow sensor).")  # fmt: skip
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), metavar="HZ", help="Run HZ inferences a second, "
              "with rest between them (default: one right after another).")  # fmt: skip
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=2), metavar="N", help="Windows of load "
              "that the duration is divided into.")  # fmt: skip
@click.option("--sample-rate", type=click.FloatRange(min=0, min_open=True), metavar="HZ", help="Read the sensor so "
              "often (default: 100); never more often than it has something new.")  # fmt: skip
@click.option("--battery", metavar="CAPACITY", help="Also say how long a battery lasts: 10Wh, or 2500mAh@3.7V.")
@click.option("--replay", metavar="FILE", type=options.FILE, help="Take the power from a meter's recording instead; "
              "nothing is run.")  # fmt: skip
@click.option("--windows", metavar="FILE.json", type=options.FILE, help="With --replay: seconds at which windows begin "
              "and end, in turn (default: one window, all of it).")  # fmt: skip
@click.option("--inferences", type=click.IntRange(min=1), metavar="N", help="With --replay: how many were run in each "
              "window.")  # fmt: skip
@click.option("--format", "format_", metavar="NAME", help="With --replay: the recording's format, where it is not "
              "told from the file.")  # fmt: skip
@click.option("--volts", type=click.FloatRange(min=0, min_open=True), metavar="V", help="The supply's voltage, where a "
              "meter records the current alone (PPK2).")  # fmt: skip
@click.option("--columns", metavar="UNITS", help="Units of a table's columns by place, as in ms,-,mW.")
@options.accuracy
@options.root
@options.run_output
@options.host
@options.running
@options.inputs
@options.shapes
@options.seed
@options.as_json
def command(
    model: str | None,
    source: str | None,
    sources: bool,
    duration: float | None,
    rate: float | None,
    rounds: int,
    sample_rate: float | None,
    battery: str | None,
    replay: str | None,
    windows: str | None,
    inferences: int | None,
    format_: str | None,
    volts: float | None,
    columns: str | None,
    accuracy: str | None,
    root: str | None,
    output: str | None,
    threads: int | None,
    target: str | None,
    kernels: str | None,
    inputs: tuple[str, ...],
    shapes: tuple[str, ...],
    seed: int,
    as_json: bool,
) -> None:
    """Measure how many joules one inference of MODEL takes.

    Windows of load, in which inferences are counted, alternate with windows of rest, while a power sensor is read. The
    result is the energy of an inference, in total and above that of the resting computer, with its uncertainty, and
    by what it was measured.

    \b
    Examples:
      mj energy --sources
      mj energy model.mj
      mj energy model.mj --source ina3221 --rate 10 --battery 10Wh
      mj energy --replay ppk2.csv --volts 5 --windows windows.json

    Boards, external meters, permissions and traps: docs/energy.md.
    """
    from pathlib import Path

    from ..report.accuracy import parse_accuracy
    from ..report.output import check_output
    from ..sensors.board import rails_of
    from ..sensors.recordings.format import Settings
    from ..sensors.source import System

    asked = [name for name, given in (("MODEL", model), ("--sources", sources), ("--replay", replay)) if given]
    if len(asked) != 1:
        raise click.UsageError(
            f"{' and '.join(asked)} cannot be combined: give one of them"
            if asked
            else "give a MODEL to measure, --sources to list the sensors, or --replay with a recording"
        )
    if output is not None:
        check_output(output, [path for path in (model, replay, windows) if path is not None])
    settings = Settings(volts, columns)
    place = Path(root) if root else Path("/")
    if sources:
        _list(System(place, rails_of(place)), as_json)
        return
    if replay is not None:
        from ..energy.session import replay_recording

        run = replay_recording(replay, windows, inferences, format_, settings)
    else:
        from ..energy.session import Request, measure_model

        assert model is not None
        system = System(place, rails_of(place))
        request = Request(
            model, source, duration, rate, rounds, sample_rate, battery, settings, system, parse_accuracy(accuracy),
            layers=output is not None,
        )  # fmt: skip
        run = measure_model(request, threads, target, kernels, inputs, shapes, seed)
    _finish(run, output, as_json)


def _list(system: System, as_json: bool) -> None:
    from ..energy.show import show_sources
    from ..report.display import emit_json
    from ..sensors.registry import survey

    findings = list(survey(system))
    if not as_json:
        show_sources(findings)
        return
    import msgspec

    emit_json(
        {
            "sources": [
                {
                    "kind": found.source.name,
                    "title": found.source.title,
                    "facts": msgspec.to_builtins(found.facts),
                    "proof": msgspec.to_builtins(found.proof),
                    "reason": found.reason or None,
                }
                for found in findings
            ]
        }
    )


def _finish(run: EnergyRun, output: str | None, as_json: bool) -> None:
    import warnings

    from ..energy.show import show_run
    from ..report.display import emit_json
    from ..report.run_file import write_run

    if output is not None:
        write_run(run, output)
    for text in run.warnings:
        warnings.warn(text, stacklevel=2)
    if not as_json:
        show_run(run)
        return
    import msgspec

    report = msgspec.to_builtins(run)
    # Thousands of numbers, which the run file has.
    del report["trace"]
    emit_json(report)
