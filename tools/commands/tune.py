"""`mj tune`: a cascade's thresholds, for the best accuracy or the least cost, also with a guarantee on new data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from .. import options

if TYPE_CHECKING:
    import numpy as np

    from ...runtime.cascade.model import CascadeModel
    from ...runtime.file.self_test import Case
    from ..tuning.claims import Claim
    from ..tuning.logits import Said
    from ..tuning.samples import Samples

BAR = 30


@click.command("tune", short_help="Find a cascade's thresholds on labelled samples, also with a guarantee.")
@click.argument("pair", metavar="PAIR", type=options.FILE)
@click.argument("samples", metavar="SAMPLES", type=options.FILE)
@click.option("-o", "--output", metavar="OUT.mj", type=options.FILE, help="Write the cascade with what was found.")
@click.option("--accuracy", type=click.FloatRange(0, 1), metavar="X", help="Ask later stages as rarely as an accuracy "
              "of X allows. Without it, or --loss, or --answered, the best accuracy is looked for.")  # fmt: skip
@click.option("--at-most", type=click.FloatRange(0, min_open=True), metavar="MACS", help="The best accuracy for so "
              "many multiply-adds on average at most.")  # fmt: skip
@click.option("--loss", type=click.FloatRange(0, 1), metavar="E", help="With --guarantee: at most E, such as 0.01, "
              "less accurate than the last stage alone.")  # fmt: skip
@click.option("--answered", type=click.FloatRange(0, 1), metavar="X", help="Abstain as rarely as an accuracy of X "
              "among what is answered allows.")  # fmt: skip
@click.option("--guarantee", is_flag=True, help="The claim holds on new data of the same kind with probability 1 - "
              "delta.")  # fmt: skip
@click.option("--delta", default=0.1, show_default=True, type=click.FloatRange(0.0001, 0.5), help="How probably a "
              "guarantee may fail.")  # fmt: skip
@click.option("--share", default=0.75, show_default=True, type=click.FloatRange(0.05, 0.95), help="With --guarantee: "
              "the share of the samples that proves it and has no other part.")  # fmt: skip
@click.option("--keep-temperatures", is_flag=True, help="Take the cascade's temperatures instead of fitting them.")
@options.post_check
@click.option("--picture", metavar="FILE", type=options.FILE, help="Also draw it, as .png, .svg or .pdf (takes "
              "matplotlib).")  # fmt: skip
@options.threads
@options.target
@options.seed
@options.as_json
def command(
    pair: str,
    samples: str,
    output: str | None,
    accuracy: float | None,
    at_most: float | None,
    loss: float | None,
    answered: float | None,
    guarantee: bool,
    delta: float,
    share: float,
    keep_temperatures: bool,
    post_check: bool | None,
    picture: str | None,
    threads: int | None,
    target: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """Find the thresholds of PAIR, a cascade of two or more stages, on SAMPLES.

    SAMPLES is an .npz file with `labels` and, with a row for every sample, an array for each input or uint8 pixels as
    `images`; or a folder with one folder of images for each class. Use samples that no stage was trained on. What the
    stages say of them is kept on disk, so that another goal costs nothing.

    \b
    Examples:
      mj tune pair.mj validation.npz -o tuned.mj
      mj tune pair.mj validation.npz --accuracy 0.9 --guarantee -o tuned.mj
      mj tune pair.mj validation/ --answered 0.99 --guarantee -o tuned.mj
    """
    from ...runtime.cascade.model import CascadeModel
    from ...runtime.errors import InputError
    from ..models.sources import open_model
    from ..report.output import check_output
    from ..report.picture import check_picture
    from ..tuning.report import DRAWN, SHOWN
    from ..tuning.samples import read_labelled
    from ..tuning.thresholds import find_thresholds

    for path in (output, picture):
        if path is not None:
            check_output(path, (pair, samples))
    if picture is not None:
        check_picture(picture)
    model = open_model(pair)
    if not isinstance(model, CascadeModel) or len(model.stages) < 2:
        raise InputError(f"{pair} is not a cascade of two stages or more, which mj pair and mj.Cascade(...).save write")
    claims = [name for name, value in (("--accuracy", accuracy), ("--at-most", at_most), ("--loss", loss),
                                       ("--answered", answered)) if value is not None]  # fmt: skip
    if len(claims) > 1:
        raise InputError(f"{' and '.join(claims)}: one claim at a time")
    if guarantee and (not claims or at_most is not None):
        raise InputError("--guarantee takes --accuracy X, --loss E or --answered X, as what is claimed")
    if loss is not None and not guarantee:
        raise InputError("--loss E is for --guarantee")
    data = read_labelled(samples, model.metadata.labels, _classes(model))
    said = _ask(model, pair, data, threads, target)
    drawn = _drawn(len(data), share, seed) if guarantee else None
    claim = _claim(accuracy, loss, answered)
    report, curve = find_thresholds(
        model.gate, said, data.labels, claim, drawn, delta, keep_temperatures, post_check, at_most
    )  # fmt: skip
    report |= {
        "curve": curve(SHOWN),
        "cascade": pair,
        "samples": len(data),
        "folders": data.folders,
        "score": model.gate.score,
        "output": None,
        "self_test": 0,
    }
    if output is not None and report["thresholds"] is not None:
        gate = replace(model.gate, threshold=tuple(report["thresholds"]), temperature=tuple(report["temperatures"]),
                       post_check=report["post_check"], abstain=report["abstain"])  # fmt: skip
        tuned = CascadeModel.of(model.stages, gate, model.memory)
        tuned.self_test = _self_test(tuned, model.self_test, pair)
        tuned.save(output)
        report |= {"output": output, "self_test": len(tuned.self_test)}
    if picture is not None:
        from ..tuning.pictures import draw_thresholds

        draw_thresholds(report, curve(DRAWN), picture)
        report["picture"] = picture
    _show(report, as_json)
    if output is not None and report["output"] is None:
        raise InputError(f"{output} was not written, as no threshold was found: ask for less, or give other samples")


def _classes(model: CascadeModel) -> int:
    from ...runtime.cascade.head import find_head

    return find_head(model.stages[0], "stage 0").classes


def _ask(model: CascadeModel, pair: str, data: Samples, threads: int | None, target: str | None) -> list[Said]:
    from ..report.progress import SampleProgress
    from ..tuning.logits import ask

    found = []
    for number, stage in enumerate(model.stages):
        what = f"{pair}, stage {number}"
        names = model.linked.inputs.names[number]
        found.append(ask(stage, data, what, threads=threads, target=target, progress=SampleProgress(), names=names))
    return found


def _claim(accuracy: float | None, loss: float | None, answered: float | None) -> Claim | None:
    from ..tuning.claims import Accuracy, Answered, Loss

    if accuracy is not None:
        return Accuracy(accuracy)
    if loss is not None:
        return Loss(loss)
    return None if answered is None else Answered(answered)


def _drawn(count: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the samples that tune and of those that prove, in their own order."""
    import numpy as np

    from ...runtime.errors import InputError

    proving = max(1, round(share * count))
    if proving >= count:
        raise InputError(f"{count} samples are too few for a guarantee: some have to tune and others to prove")
    drawn = np.random.default_rng(seed).permutation(count)
    return np.sort(drawn[proving:]), np.sort(drawn[:proving])


def _self_test(tuned: CascadeModel, cases: Sequence[Case], pair: str) -> Sequence[Case]:
    """What the inputs of the cascade's self-test give now."""
    from ...converters.self_test import make_self_test
    from ..report.progress import busy

    if not cases:
        return ()
    with busy(f"running the self-test of {pair}"):
        return make_self_test(tuned, [case.inputs for case in cases])


def _show(report: dict[str, Any], as_json: bool) -> None:
    from ..report.display import emit, emit_json, emit_sentence, table

    if as_json:
        emit_json(report)
        return
    abstains = any(point["abstain"] is not None for point in report["curve"])
    rows = [
        [" ".join(f"{t:.4f}" for t in point["thresholds"]), *(f"{share:.1%}" for share in point["asked"][1:]),
         *([f"{point['answered']:.1%}"] if abstains else []),
         "-" if point["accuracy"] is None else f"{point['accuracy']:.2%}", "#" * round(BAR * point["asked"][-1])]
        for point in report["curve"]
    ]  # fmt: skip
    asked = [f">stage {number}\nasked" for number in range(1, len(report["alone"]))]
    columns = [
        ">thresholds" if len(asked) > 1 else ">threshold",
        *asked,
        *([">answered"] if abstains else []),
        ">accuracy",
    ]
    table("", [*columns, "last stage asked"], rows)
    alone = ", ".join(f"stage {number} alone {share:.2%}" for number, share in enumerate(report["alone"]))
    emit_sentence(f"{alone}, the best of them for each sample {report['oracle']:.2%}")
    how = "fitted" if report["temperatures_fitted"] else "the cascade's own"
    emit(f"temperatures, {how}: {', '.join(f'{t:.4g}' for t in report['temperatures'])}")
    if report["folders"]:
        emit_sentence(report["folders"])
    check = "with the post-check" if report["post_check"] else "without the post-check"
    emit(f"{check}{', which serves this better here' if report['post_check_chosen'] else ''}")
    emit_sentence(f"{report['claim']}: {report['text']}")
    if report["thresholds"] is not None:
        listed = ", ".join(f"{t:.6g}" for t in report["thresholds"])
        shares = ", ".join(f"stage {at} asked {share:.1%}" for at, share in enumerate(report["asked"]) if at)
        abstain = (
            ""
            if report["abstain"] is None
            else f", {report['answered']:.1%} answered (score >= {report['abstain']:.4g})"
        )
        accuracy = "-" if report["accuracy"] is None else f"{report['accuracy']:.2%}"
        what = "threshold" if len(report["thresholds"]) == 1 else "thresholds"
        emit_sentence(f"{what} {listed}: accuracy {accuracy}, {shares}{abstain}")
    if report["self_test"]:
        emit(f"self-test: the outputs of its {report['self_test']} inputs are those of the new thresholds")
    for name in ("output", "picture"):
        if report.get(name) is not None:
            emit(f"wrote {report[name]}")
