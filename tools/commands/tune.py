"""`mj tune`: the threshold of a cascade, for the best accuracy or the least cost, also with a guarantee on new data."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from .. import options

if TYPE_CHECKING:
    from ...runtime.cascade.model import CascadeModel
    from ..tuning.outcomes import Outcomes
    from ..tuning.search import Curve

GRID = 500
"""Thresholds that a guarantee tries, between those that the tuning samples' scores divide evenly."""
SHOWN, BAR = 12, 30


@click.command("tune", short_help="Find a cascade's threshold on labelled samples, also with a guarantee.")
@click.argument("pair", metavar="PAIR", type=options.FILE)
@click.argument("samples", metavar="SAMPLES.npz", type=options.FILE)
@click.option("-o", "--output", metavar="OUT.mj", type=options.FILE, help="Write the cascade with the threshold found.")
@click.option("--accuracy", type=click.FloatRange(0, 1), metavar="X", help="Ask the second stage as rarely as an "
              "accuracy of X allows. Without it, or --loss, the best accuracy is looked for.")  # fmt: skip
@click.option("--loss", type=click.FloatRange(0, 1), metavar="E", help="With --guarantee: at most E, such as 0.01, "
              "less accurate than the second stage alone.")  # fmt: skip
@click.option("--guarantee", is_flag=True, help="The claim holds on new data of the same kind with probability 1 - "
              "delta.")  # fmt: skip
@click.option("--delta", default=0.1, show_default=True, type=click.FloatRange(0.0001, 0.5), help="How probably a "
              "guarantee may fail.")  # fmt: skip
@click.option("--share", default=0.5, show_default=True, type=click.FloatRange(0.05, 0.95), help="With --guarantee: "
              "the share of the samples that proves it and has no other part.")  # fmt: skip
@options.running
@options.seed
@options.as_json
def command(
    pair: str,
    samples: str,
    output: str | None,
    accuracy: float | None,
    loss: float | None,
    guarantee: bool,
    delta: float,
    share: float,
    threads: int | None,
    target: str | None,
    kernels: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """Find the threshold of PAIR, a cascade of two stages, on SAMPLES.npz.

    SAMPLES.npz holds an array for each input, with a row for every sample, and their classes as `labels`. Use samples
    that neither model was trained on.

    \b
    Examples:
      mj tune pair.mj validation.npz -o tuned.mj
      mj tune pair.mj validation.npz --accuracy 0.9 --guarantee -o tuned.mj
    """
    from ...runtime.cascade.cascade import Cascade
    from ...runtime.cascade.model import CascadeModel
    from ...runtime.errors import InputError
    from ..models.sources import load, open_model
    from ..report.output import check_output
    from ..report.progress import MeasureProgress
    from ..tuning.samples import outcomes, read_samples

    model = open_model(pair)
    if not isinstance(model, CascadeModel) or len(model.stages) != 2:
        raise InputError(f"{pair} is not a cascade of two stages, which mj.Cascade([a, b], gate).save writes")
    if guarantee and accuracy is None and loss is None:
        raise InputError("--guarantee takes --accuracy X or --loss E, as what is claimed")
    if loss is not None and (accuracy is not None or not guarantee):
        raise InputError("--loss E is for --guarantee, and without --accuracy")
    if output is not None:
        check_output(output, (samples,))
    arrays, labels = read_samples(samples, list(model.inputs))
    progress = MeasureProgress(labels.size)
    with load(model, threads, target, kernels) as session:
        assert isinstance(session, Cascade)
        found = outcomes(session, arrays, labels, lambda done: progress(done, labels.size, "samples"))
    report = _proved(found, accuracy, loss, delta, share, seed) if guarantee else _best(found, accuracy)
    report |= {"cascade": pair, "samples": labels.size, "score": model.gate.score, "output": None}
    if output is not None and report["threshold"] is not None:
        _write(model, report["threshold"], output)
        report["output"] = output
    _show(report, as_json)


def _best(found: Outcomes, accuracy: float | None) -> dict[str, Any]:
    from ..tuning.search import curve, least_cost, most_accurate

    whole = curve(found)
    place = most_accurate(whole) if accuracy is None else least_cost(whole, accuracy)
    claim = "the best accuracy" if accuracy is None else f"accuracy >= {accuracy:g}, the second stage asked least"
    threshold = None if place is None else float(whole.thresholds[place])
    text = "on these samples; on new ones it may be less (--guarantee)"
    if threshold is None:
        text = f"no threshold reaches it: the best is {whole.right.max() / whole.samples:.2%}"
    return {"claim": claim, "text": text, **_numbers(found, threshold), "curve": _points(whole)}


def _proved(
    found: Outcomes, accuracy: float | None, loss: float | None, delta: float, share: float, seed: int
) -> dict[str, Any]:
    import numpy as np

    from ..tuning.guarantee import fixed_sequence, of_accuracy, of_loss
    from ..tuning.search import NEVER, curve

    drawn = np.random.default_rng(seed).permutation(len(found))
    count = max(1, round(share * len(found)))
    proof, tuning = found.take(np.sort(drawn[:count])), found.take(np.sort(drawn[count:]))
    grid = np.unique(np.quantile(tuning.score, np.linspace(0, 1, GRID)) if len(tuning) else [])[::-1]
    grid = np.concatenate([[NEVER], grid])
    if accuracy is not None:
        claim = f"accuracy >= {accuracy:g}"
        place = fixed_sequence((of_accuracy(proof.right(t), accuracy) for t in grid), delta)
        method = "the exact binomial test"
    else:
        assert loss is not None
        claim = f"at most {loss:g} less accurate than the second stage alone"
        place = fixed_sequence((of_loss(proof.right(t), proof.second, loss, delta) for t in grid), delta)
        method = "betting on paired differences" if loss else "the exact sign test"
    text = (
        f"on new samples of the same kind with probability {1 - delta:g}: {method}, a fixed sequence of {grid.size} "
        f"thresholds from {len(tuning)} other samples; {len(proof)} samples, drawn independently, prove it"
    )
    if place is None:
        text = _too_few(proof, accuracy, delta)
    threshold = None if place is None else float(grid[place])
    return {"claim": claim, "text": text, **_numbers(proof, threshold), "curve": _points(curve(tuning)), "delta": delta,
            "proof_samples": len(proof)}  # fmt: skip


def _too_few(proof: Outcomes, accuracy: float | None, delta: float) -> str:
    from ..tuning.guarantee import samples_needed

    text = f"no threshold is safe with {len(proof)} samples"
    if accuracy is None:
        return f"{text}, as always asking the second stage is not either: its answers after the post-check differ"
    share = float(proof.asked.mean())
    needed = samples_needed(share, accuracy, delta)
    if needed is None:
        return f"{text}, nor would more do: even always asking the second stage gives {share:.2%}"
    return f"{text}; always asking the second stage gives {share:.2%} of them, and {needed} such samples would do"


def _numbers(found: Outcomes, threshold: float | None) -> dict[str, Any]:
    chosen = None if threshold is None else found.right(threshold)
    return {
        "threshold": threshold,
        "accuracy": None if chosen is None else float(chosen.mean()),
        "usage": None if threshold is None else found.usage(threshold),
        "first_alone": float(found.first.mean()),
        "second_alone": float(found.second.mean()),
        "oracle": float((found.first | found.second).mean()),
    }


def _points(whole: Curve) -> list[dict[str, float]]:
    """The curve at evenly spaced shares of the second stage."""
    import numpy as np

    places = np.unique(np.linspace(0, whole.thresholds.size - 1, SHOWN).round().astype(int))
    return [
        {"threshold": float(whole.thresholds[i]), "accuracy": float(whole.right[i] / max(whole.samples, 1)),
         "usage": float(whole.asked[i] / max(whole.samples, 1))}
        for i in places
    ]  # fmt: skip


def _write(model: CascadeModel, threshold: float, output: str) -> None:
    from ...runtime.cascade.model import CascadeModel

    CascadeModel.of(model.stages, replace(model.gate, threshold=threshold), model.memory).save(output)


def _show(report: dict[str, Any], as_json: bool) -> None:
    from ..report.display import emit, emit_json, emit_sentence, table

    if as_json:
        emit_json(report)
        return
    rows = [
        [f"{point['threshold']:.4f}", f"{point['usage']:.1%}", f"{point['accuracy']:.2%}",
         "#" * round(BAR * point["usage"])]
        for point in report["curve"]
    ]  # fmt: skip
    table("", [">threshold", ">second\nasked", ">accuracy", "second asked"], rows)
    alone = f"first alone {report['first_alone']:.2%}, second {report['second_alone']:.2%}, the better of both for each"
    emit_sentence(f"{alone} {report['oracle']:.2%}")
    emit_sentence(f"{report['claim']}: {report['text']}")
    if report["threshold"] is not None:
        accuracy, usage = report["accuracy"], report["usage"]
        emit(f"threshold {report['threshold']:.6g}: accuracy {accuracy:.2%}, second asked {usage:.1%}")
    if report["output"] is not None:
        emit(f"wrote {report['output']}")
