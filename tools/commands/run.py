"""`mj run`: runs a model once on what the user names, and says how long that takes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING, Any

import click

from .. import options
from ..models import preparation

if TYPE_CHECKING:
    import numpy as np

    from ...runtime.model import Model
    from ...runtime.session import Session
    from ..models.sources import Shapes

LATENCY_SECONDS = 0.01
"""How long the model is called again and again to find its latency."""
LEAST_CALLS = 3
SLOW = 1.0
"""A model that takes longer than these seconds is not called again for its latency."""


@click.command("run", short_help="Run a model on arrays or an image; print the classes or the outputs.")
@options.model
@options.inputs
@click.option(
    "-o", "--output", metavar="OUT.npz", type=options.FILE, help="Write every output as an array of this file."
)
@click.option("--top", default=5, show_default=True, type=click.IntRange(min=1), help="How many classes to print.")
@options.running
@options.shapes
@options.seed
@click.option("--profile", is_flag=True, help="Also print how long each step takes.")
@preparation.options
@options.as_json
def command(
    model: str,
    inputs: tuple[str, ...],
    output: str | None,
    top: int,
    threads: int | None,
    target: str | None,
    kernels: str | None,
    shapes: tuple[str, ...],
    seed: int,
    profile: bool,
    preparation: dict[str, Any],
    as_json: bool,
) -> None:
    """Run MODEL once and print its best classes, or what its outputs look like, and the latency.

    Without any --input, random numbers are fed. Options about images (--labels to --pad-value) replace what the model
    itself says.

    \b
    Examples:
      mj run model.mj --input photo.jpg
      mj run model.tflite --input x=x.npy -o y.npz
    """
    from ..models.preparation import apply
    from ..models.sources import load, open_model, parse_named, parse_shapes
    from ..report.output import check_output

    opened = open_model(model)
    apply(opened, preparation)
    files = parse_named(opened, inputs, "--input")
    if output is not None:
        check_output(output, (model, *files.values(), *filter(None, (kernels, preparation.get("labels")))))
    feeds = _feeds(opened, files, parse_shapes(opened, shapes), seed)
    with load(opened, threads, target, kernels) as session:
        outputs, cascade = _outputs(session, feeds)
        if output is not None:
            from ..report.arrays import write_npz

            write_npz(output, outputs)
        report = _report(session, outputs, top)
        report["cascade"] = cascade
        if not as_json:
            _show_outputs(report)
        feeds = _timed(session, feeds)
        report["latency"] = _latency(session, feeds)
        report["numpy"] = _fallback(session, feeds)
        if profile:
            from ..measure.profile import profile_steps

            report["steps"] = profile_steps(session, feeds)
    _finish(report, output, as_json)


def _feeds(model: Model, files: Mapping[str, str], shapes: Shapes, seed: int) -> dict[str, np.ndarray]:
    from ..models.feeds import random_inputs, read_inputs
    from ..models.sources import concrete_shapes

    if files:
        return read_inputs(model, files, shapes)
    if model.inputs:
        click.echo(f"no --input: feeding random numbers (seed {seed})", file=sys.stderr)
    return random_inputs(model, concrete_shapes(model, shapes), seed)


def _outputs(
    session: Session, feeds: Mapping[str, np.ndarray]
) -> tuple[Mapping[str, np.ndarray], dict[str, Any] | None]:
    """The outputs by name, and of a cascade how it came to its answers."""
    if session.model.exits is None:
        return session.run(feeds), None
    from ...runtime.cascade.cascade import Cascade
    from ..models import cascades

    assert isinstance(session, Cascade)
    answer = session.run(feeds)
    found = cascades.answers(answer, session.model)
    return cascades.arrays(answer), {**found, "text": cascades.sentence(found, session.gate.score)}


def _timed(session: Session, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What one call is timed on: of a cascade one row."""
    if session.model.exits is None:
        return feeds
    from ..models.cascades import one_row

    return one_row(feeds, session.model)


def _report(session: Session, outputs: Mapping[str, np.ndarray], top: int) -> dict[str, Any]:
    from ..report.arrays import describe

    found: dict[str, Any] = {"target": session.target, "threads": session.threads}
    found["outputs"] = {name: describe(array) for name, array in outputs.items()}
    found["classes"] = _classes(session.model, outputs, top)
    found["labelled"] = bool(found["classes"] and session.model.metadata.labels)
    return found


def _classes(model: Model, outputs: Mapping[str, np.ndarray], top: int) -> list[dict[str, Any]]:
    """The best classes; none where no output holds the scores of one input."""
    from ...runtime.errors import InputError
    from ...runtime.vision.labels import score_output, top_k

    if not outputs:
        return []
    name = score_output(model)
    if name not in outputs:
        return []
    try:
        ranked = top_k(outputs[name], top, model.metadata.labels, model.outputs[name].quant)
    except InputError:
        return []
    if outputs[name].size < 2:
        return []
    return [{"index": item.index, "label": item.label, "score": _finite(item.score)} for item in ranked]


def _finite(number: float) -> float | str:
    return number if number - number == 0 else str(number)


def _latency(session: Session, feeds: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Seconds of one inference, inputs already in place: the median of calls one after another."""
    session.resize({name: array.shape for name, array in feeds.items()})
    samples: list[float] = []
    until = time.perf_counter() + LATENCY_SECONDS
    while len(samples) < LEAST_CALLS or time.perf_counter() < until:
        for name, place in session.inputs.items():
            place[...] = feeds[name]
        began = time.perf_counter()
        session.invoke()
        samples.append(time.perf_counter() - began)
        if samples[-1] > SLOW:
            break
    samples.sort()
    return {"seconds": samples[len(samples) // 2], "calls": len(samples)}


def _fallback(session: Session, feeds: Mapping[str, np.ndarray]) -> dict[str, Any] | None:
    from ..measure.fallback import fallback_of

    return fallback_of(session.engine.plan({name: array.shape for name, array in feeds.items()}, ()))


def _show_outputs(report: Mapping[str, Any]) -> None:
    from ..report.display import emit, shape

    classes = report["classes"]
    if report["cascade"] is not None:
        emit(f"  {report['cascade']['text']}")
    if report["labelled"]:
        width = max(len(item["label"]) for item in classes)
        for item in classes:
            emit(f"  {item['label']:<{width}}  {_number(item['score'])}")
        return
    one = report["cascade"] is not None and report["cascade"]["rows"] == 1
    for name, found in () if one else _lines(report["outputs"]):
        numbers = ""
        if "texts" in found:
            more = ", ..." if len(found["texts"]) < prod(found["shape"]) else ""
            numbers = f": {', '.join(map(repr, found['texts']))}{more}"
        if found["shape"] is None:
            emit(f"  {name}: absent")
            continue
        if found["min"] is not None:
            numbers = f", min {found['min']:.6g}, max {found['max']:.6g}, mean {found['mean']:.6g}"
        other = f", {found['not_finite']} not finite" if found["not_finite"] else ""
        emit(f"  {name}: {found['dtype']} {shape(found['shape'])}{numbers}{other}")
    if classes:
        listed = [f"{_number(item['score'])} at {item['index']}" for item in classes]
        emit(f"  highest: {', '.join(listed)}")


def _lines(outputs: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What there is a line of: of a sequence one for each of its tensors behind its own."""
    for name, found in outputs.items():
        yield name, found
        yield from _lines({f"{name}[{place}]": item for place, item in enumerate(found.get("items", ()))})


def _number(score: float | str) -> str:
    return score if isinstance(score, str) else format(score, ".4g")


def _finish(report: Mapping[str, Any], output: str | None, as_json: bool) -> None:
    from ..measure.fallback import sentence
    from ..report.display import counted, duration, emit, emit_json, emit_sentence

    if as_json:
        emit_json(report)
        return
    latency = report["latency"]
    threads = counted(report["threads"], "thread")
    calls = f"median of {latency['calls']} calls" if latency["calls"] > 1 else "one call"
    emit(f"{duration(latency['seconds'])} ({calls}, {threads}, {report['target']})")
    if sentence(report["numpy"]):
        emit_sentence(sentence(report["numpy"]))
    if output is not None:
        emit(f"wrote {output}")
    if "steps" in report:
        from ..measure.profile import show_steps

        show_steps(report["steps"])
