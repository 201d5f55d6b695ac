"""`mj bench`: how long one inference takes, alone or beside other engines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .. import options
from ..remote.command import HostCommand

if TYPE_CHECKING:
    from ..bench.session import Request

SOFTMAX = "softmax"


class BenchCommand(HostCommand):
    """`mj bench MODEL`, or with the word softmax in the place of MODEL a command of its own."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args[:1] != [SOFTMAX]:
            return super().make_context(info_name, args, parent, **extra)
        from .bench_softmax import command as softmax

        return softmax.make_context(f"{info_name} {SOFTMAX}", args[1:], parent, **extra)


@click.command("bench", cls=BenchCommand, short_help="Measure the latency of a model, also beside other engines.")
@click.argument("models", metavar="MODEL...", nargs=-1, required=True, type=options.FILE)
@options.running
@options.inputs
@options.shapes
@options.seed
@click.option("--seconds", default=0.5, show_default=True, type=click.FloatRange(min=0.001), help="Time each engine "
              "for so long in every round.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(min=1), help="How many rounds (default: 5, or up to 20, until the median "
              "is known as --precision says).")  # fmt: skip
@click.option("--precision", default=1.0, show_default=True, type=click.FloatRange(min=0, min_open=True),
              metavar="PERCENT", help="How well the median should be known, with a confidence of 95 %.")  # fmt: skip
@click.option("--setting", "settings", multiple=True, metavar="KEY=VALUE,...", help="Also time MODEL so: threads, "
              "target, kernels or profile. May be given several times.")  # fmt: skip
@click.option("--peers", is_flag=True, help="Also time LiteRT, ONNX Runtime and OpenVINO, where they are installed "
              "and read the source, in turns with millijoule.")  # fmt: skip
@click.option("--peer", "chosen", multiple=True, metavar="NAME", help="Only this peer: litert, onnxruntime or "
              "openvino. May be given several times.")  # fmt: skip
@click.option("--source", metavar="SRC", type=options.FILE, help="The .onnx or .tflite file for the "
              "peers, where MODEL is a .mj file and the source does not lie beside it.")  # fmt: skip
@click.option("--start", type=click.Choice(["none", "warm", "cold"]), help="Also measure a new process up to its first "
              "result: with the kernels in the cache, or also without, which compiles them anew (default: warm, of "
              "one model alone).")  # fmt: skip
@click.option("--layers", is_flag=True, help="Also list the steps: their time, bytes and modelled energy.")
@click.option("--sustained", type=click.FloatRange(min=0, min_open=True), metavar="MINUTES", help="Then run for so "
              "long without rest, and show latency, temperature and clock minute by minute.")  # fmt: skip
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), metavar="HZ", help="Then run HZ inferences a "
              "second with rest between them, and show their latency and CPU time.")  # fmt: skip
@click.option("--duration", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="With --rate: for so "
              "long (default: 10).")  # fmt: skip
@options.accuracy
@options.root
@options.run_output
@options.host
@options.as_json
def command(
    models: tuple[str, ...],
    threads: int | None,
    target: str | None,
    kernels: str | None,
    inputs: tuple[str, ...],
    shapes: tuple[str, ...],
    seed: int,
    seconds: float,
    rounds: int | None,
    precision: float,
    settings: tuple[str, ...],
    peers: bool,
    chosen: tuple[str, ...],
    source: str | None,
    start: str | None,
    layers: bool,
    sustained: float | None,
    rate: float | None,
    duration: float | None,
    accuracy: str | None,
    root: str | None,
    output: str | None,
    as_json: bool,
) -> None:
    """Measure how long MODEL takes for one inference.

    After a warm-up, every engine is called over and over in short turns with the others, on the same data, until the
    median is known well. For each round the medians are compared; the mean of the rounds' ratios is what counts, and
    the interval beside it (95 %) says whether there is a difference. Putting the inputs in place is not timed.

    Of several MODELs, or with --setting, the first is what the others are compared with. With --peers, and of folders,
    every MODEL is compared with its peers, and geometric means are given; --shape FILE:NAME=... then is of that file.

    \b
    Examples:
      mj bench model.mj
      mj bench model.tflite --threads 1 --peers
      mj bench small.mj large.mj
      mj bench zoo --peers --threads 1 --shape pnet.onnx:input=1,3,150,150
      mj bench model.mj --threads 1 --setting threads=2
      mj bench model.mj --sustained 30 -o run.json

    `mj bench softmax` measures the algorithms of mj.softmax instead; see `mj bench softmax --help`. A model file of
    that name is ./softmax.
    """
    import os
    import warnings
    from pathlib import Path

    from ..bench.contenders import Inputs
    from ..bench.session import Request, bench
    from ..bench.settings import Setting
    from ..bench.show import as_report, show
    from ..report.accuracy import parse_accuracy
    from ..report.display import emit_json
    from ..report.output import check_output
    from ..report.run_file import write_run

    if output is not None:
        check_output(output, models)
    if start is None:
        start = "none" if len(models) > 1 or settings else "warm"
    first = Setting(_first(threads, target) if settings else "", threads, target, kernels)
    request = Request(
        models, [first, *map(first.changed, settings)], Inputs(inputs, shapes, seed), seconds, rounds, precision / 100,
        peers, chosen, source, start, sustained, rate, duration, parse_accuracy(accuracy), Path(root or "/"),
        layers or as_json or output is not None, output is not None,
        {"seconds": seconds, "rounds": rounds, "precision": precision / 100, "settings": list(settings), "rate": rate,
         "duration": duration, "sustained_minutes": sustained, "start": start},
    )  # fmt: skip
    suite = any(map(os.path.isdir, models)) or (len(models) > 1 and (peers or bool(chosen)))
    if suite:
        _suite(request, output, as_json)
        return
    run = bench(request)
    if output is not None:
        write_run(run, output)
    for text in run.warnings:
        warnings.warn(text, stacklevel=2)
    if as_json:
        emit_json(as_report(run))
    else:
        show(run, layers=layers)


def _suite(request: Request, output: str | None, as_json: bool) -> None:
    from dataclasses import replace

    from ...runtime.errors import InputError
    from ..bench.suite import as_report, listed, run_suite, show
    from ..report.display import emit_json
    from ..report.progress import say

    if output is not None:
        raise InputError(f"-o {output}: a run file is of one model, or of models and settings in turns without peers")
    if len(request.settings) > 1:
        raise InputError("--setting: with peers or a folder there is one setting, that of the command line")
    paths = listed(request.paths)
    suite = run_suite(replace(request, paths=paths, start="none", layers=True), say)
    if as_json:
        emit_json(as_report(suite))
    else:
        show(suite)


def _first(threads: int | None, target: str | None) -> str:
    """How the setting of the command line is called beside others."""
    given = {"threads": threads, "target": target}
    return ",".join(f"{name}={value}" for name, value in given.items() if value is not None) or "as it is"
