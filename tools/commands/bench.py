"""`mj bench`: how long one inference takes, alone or beside other engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from .. import options

if TYPE_CHECKING:
    import numpy as np

    from ...runtime.session import Session
    from ..measure.timing import Contender

SOFTMAX = "softmax"


class BenchCommand(click.Command):
    """`mj bench MODEL`, or with the word softmax in the place of MODEL a command of its own."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args[:1] != [SOFTMAX]:
            return super().make_context(info_name, args, parent, **extra)
        from .bench_softmax import command as softmax

        return softmax.make_context(f"{info_name} {SOFTMAX}", args[1:], parent, **extra)


@click.command("bench", cls=BenchCommand, short_help="Measure the latency of a model, also beside other engines.")
@options.model
@options.running
@options.inputs
@options.shapes
@options.seed
@click.option("--seconds", default=0.5, show_default=True, type=click.FloatRange(min=0.001), help="Time each engine "
              "for so long in every round.")  # fmt: skip
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1), help="How many rounds.")
@click.option("--peers", is_flag=True, help="Also time LiteRT, ONNX Runtime and OpenVINO, where they are installed "
              "and read the source, in turns with millijoule.")  # fmt: skip
@click.option("--peer", "chosen", multiple=True, metavar="NAME", help="Only this peer: litert, onnxruntime or "
              "openvino. May be given several times.")  # fmt: skip
@click.option("--source", metavar="SRC", type=options.FILE, help="The .onnx or .tflite file for the "
              "peers, where MODEL is a .mj file and the source does not lie beside it.")  # fmt: skip
@options.as_json
def command(
    model: str,
    threads: int | None,
    target: str | None,
    kernels: str | None,
    inputs: tuple[str, ...],
    shapes: tuple[str, ...],
    seed: int,
    seconds: float,
    rounds: int,
    peers: bool,
    chosen: tuple[str, ...],
    source: str | None,
    as_json: bool,
) -> None:
    """Measure how long MODEL takes for one inference.

    After a warm-up, every engine is called over and over in short turns with the others, on the same data. For each
    round the medians are compared; the median of the rounds' ratios is what counts. Putting the inputs in place is
    not timed.

    \b
    Examples:
      mj bench model.mj
      mj bench model.tflite --threads 1 --peers

    `mj bench softmax` measures the algorithms of mj.softmax instead; see `mj bench softmax --help`. A model file of
    that name is ./softmax.
    """
    from ..measure.fallback import describe_fallback
    from ..measure.ours import Ours
    from ..models.feeds import chosen_inputs
    from ..models.sources import find_source, load, open_model

    opened = open_model(model)
    feeds = chosen_inputs(opened, inputs, shapes, seed)
    with load(opened, threads, target, kernels) as session:
        contenders: list[Contender] = [Ours(session, feeds)]
        refused: dict[str, str] = {}
        if peers or chosen:
            others, refused = _open_peers(
                find_source(model, source, opened, "name it with --source SRC"), feeds, session.threads, chosen
            )
            contenders += others
        plan = session.engine.plan({name: array.shape for name, array in feeds.items()}, ())
        report = _report(model, session, seed, _measure(contenders, rounds, seconds, session.threads), refused)
        report["numpy"] = describe_fallback(plan.program)
    _show(report, as_json)


def _open_peers(
    source: str, feeds: Mapping[str, np.ndarray], threads: int, chosen: Sequence[str]
) -> tuple[list[Contender], dict[str, str]]:
    """The peers that run the source, and why the others do not."""
    from ...runtime.errors import InputError
    from ..peers.registry import PEERS, PeerError, available, open_peer

    unknown = [name for name in chosen if name not in PEERS]
    if unknown:
        raise InputError(f"there is no peer '{unknown[0]}'; known are {', '.join(PEERS)}")
    usable = available(source)
    refused = {name: "not installed, or it does not read this kind of file" for name in chosen if name not in usable}
    opened: list[Contender] = []
    for name in usable:
        if chosen and name not in chosen:
            continue
        try:
            opened.append(open_peer(name, source, feeds, threads))
        except PeerError as error:
            refused[name] = str(error)
    return opened, refused


def _measure(contenders: Sequence[Contender], rounds: int, seconds: float, threads: int) -> list[dict[str, np.ndarray]]:
    from ..measure.timing import SETTLE, measure_round, warm_up

    for contender in contenders:
        warm_up(contender, min(0.2, seconds))
    settle = SETTLE if threads > 1 and len(contenders) > 1 else 0.0
    return [measure_round(contenders, seconds, settle) for _ in range(rounds)]


def _report(
    model: str, session: Session, seed: int, rounds: Sequence[Mapping[str, np.ndarray]], refused: Mapping[str, str]
) -> dict[str, Any]:
    import numpy as np

    from ..measure.machine import PACKAGES, describe, versions
    from ..measure.ours import OURS
    from ..measure.timing import summary
    from ..peers.registry import distribution

    names = list(rounds[0])
    medians = {name: [float(np.median(found[name])) for found in rounds] for name in names}
    peers = [name for name in names if name != OURS]
    ratios = {
        name: [theirs / ours for theirs, ours in zip(medians[name], medians[OURS], strict=True)] for name in peers
    }
    packages = [*PACKAGES, *(distribution(name) for name in peers)]
    return {
        "model": model,
        "target": session.target,
        "threads": session.threads,
        "seed": seed,
        "machine": describe(),
        "versions": versions(packages),
        "seconds": {name: summary(np.concatenate([found[name] for found in rounds])) for name in names},
        "round_medians": medians,
        "peers": {name: {"ratio": float(np.median(ratios[name])), "round_ratios": ratios[name]} for name in peers},
        "refused": dict(refused),
    }


def _show(report: dict[str, Any], as_json: bool) -> None:
    from ..measure.fallback import sentence
    from ..measure.ours import OURS
    from ..report.display import duration, emit_json, emit_sentence, provenance, table

    if as_json:
        emit_json(report)
        return
    rows = []
    for name, found in report["seconds"].items():
        peer = report["peers"].get(name)
        times = [duration(found[key]) for key in ("median", "p90", "p99", "min")]
        spread = f"{min(peer['round_ratios']):.2f}..{max(peer['round_ratios']):.2f}" if peer else ""
        rows.append([name, *times, f"{peer['ratio']:.2f}" if peer else "", spread])
    rounds = len(report["round_medians"][OURS])
    title = f"{report['model']}: {report['threads']} thread{'s' if report['threads'] > 1 else ''}, {rounds} rounds"
    columns = ["engine", ">median", ">p90", ">p99", ">min"]
    if report["peers"]:
        table(title, [*columns, ">its time\n/ ours", ">over the\nrounds"], rows)
    else:
        table(title, columns, [row[:5] for row in rows])
    if sentence(report["numpy"]):
        emit_sentence(sentence(report["numpy"]))
    for name, reason in report["refused"].items():
        emit_sentence(f"left out: {name}: {reason}")
    emit_sentence(provenance(report))
