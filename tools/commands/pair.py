"""`mj pair`: which two classifiers of a pool make the best cascade."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .. import options

if TYPE_CHECKING:
    from ...device_profiles import Profile
    from ...runtime.model import Model
    from ..tuning.logits import Said
    from ..tuning.pairs import Member
    from ..tuning.samples import Samples


@click.command("pair", short_help="Choose two models of a pool that make the best cascade.")
@click.argument("models", metavar="MODEL...", nargs=-1, required=True, type=options.FILE)
@click.option("--samples", required=True, metavar="SAMPLES", type=options.FILE, help="Labelled samples that no model "
              "was trained on.")  # fmt: skip
@click.option("-o", "--output", metavar="PAIR.mj", type=options.FILE, help="Write the chosen pair as a cascade.")
@click.option("--accuracy", type=click.FloatRange(0, 1), metavar="X", help="Choose the cheapest pair with an accuracy "
              "of X. Without it the most accurate one is chosen.")  # fmt: skip
@click.option("--at-most", type=click.FloatRange(0, min_open=True), metavar="COST", help="Choose the most accurate "
              "pair that takes at most so many joules, seconds or multiply-adds (--by) on average.")  # fmt: skip
@click.option("--by", type=click.Choice(("energy", "latency", "macs")), help="What cheap means (default: the energy "
              "where the profile knows it, else macs).")  # fmt: skip
@click.option("--profile", default="host", show_default=True, metavar="NAME", type=options.PROFILE,
              help="The device whose energy is modelled, as `mj estimate` does.")  # fmt: skip
@click.option("--score", type=click.Choice(("max", "margin", "entropy")), default="margin", show_default=True,
              help="How sure a stage is.")  # fmt: skip
@options.post_check
@click.option("--picture", metavar="FILE", type=options.FILE, help="Also draw the matrix and the front, as .png, "
              ".svg or .pdf (takes matplotlib).")  # fmt: skip
@options.threads
@options.target
@options.as_json
def command(
    models: tuple[str, ...],
    samples: str,
    output: str | None,
    accuracy: float | None,
    at_most: float | None,
    by: str | None,
    profile: str,
    score: str,
    post_check: bool | None,
    picture: str | None,
    threads: int | None,
    target: str | None,
    as_json: bool,
) -> None:
    """Try every ordered pair of MODELs as a cascade, and choose one.

    Each model runs once over SAMPLES; what it says is kept on disk, so that another goal costs nothing. SAMPLES is an
    .npz file with `labels` and, with a row for every sample, an array for each input or uint8 pixels as `images`; or a
    folder with one folder of images for each class.

    \b
    Examples:
      mj pair a.mj b.mj c.mj --samples validation.npz -o pair.mj
      mj pair pool/*.mj --samples validation/ --accuracy 0.9 -o pair.mj
      mj pair *.mj --samples validation/ --profile jetson-nano -o pair.mj
      mj pair *.mj --samples validation/ --at-most 0.004 -o pair.mj
    """
    from ...runtime.cascade.gate import Gate
    from ...runtime.cascade.model import CascadeModel
    from ...runtime.errors import InputError
    from ..models.devices import described
    from ..models.sources import open_model
    from ..report.display import emit_json
    from ..report.output import check_output
    from ..report.picture import check_picture
    from ..tuning.complementarity import matrix
    from ..tuning.pair_report import pair_report, show
    from ..tuning.pairs import search
    from ..tuning.samples import read_labelled

    if len(models) < 2:
        raise InputError("a pair is chosen from two models or more")
    if accuracy is not None and at_most is not None:
        raise InputError("--accuracy and --at-most: the least cost is looked for, or the best accuracy")
    for path in (output, picture):
        if path is not None:
            check_output(path, (*models, samples))
    if picture is not None:
        check_picture(picture)
    device, _ = described(profile)
    pool = [open_model(path) for path in models]
    classes, labels = _same_classes(models, pool)
    data = read_labelled(samples, labels, classes)
    names = _names(models)
    members = _members(pool, models, names, data, device, threads, target)
    measure = _measure(by, members, device)
    found = search(members, data.labels, score, post_check, measure, accuracy, at_most)
    chosen = found.pairings[0]
    covers = matrix([each.right for each in members])
    report = pair_report(members, found, covers, data, device, measure, accuracy, at_most, score)
    report |= {"output": None, "self_tests_left_out": []}
    if output is not None and chosen.point is not None:
        two, threshold, check = (chosen.first, chosen.second), chosen.point.threshold, chosen.point.post_check
        assert threshold is not None and check is not None
        gate = Gate(score, threshold, tuple(members[at].temperature for at in two), check)
        CascadeModel.of([pool[at] for at in two], gate).save(output)
        report["output"] = output
        report["self_tests_left_out"] = [names[at] for at in two if pool[at].self_test]
    if picture is not None:
        from ..tuning.pictures import draw_pairs

        draw_pairs(members, found, covers, measure, picture)
        report["picture"] = picture
    if as_json:
        emit_json(report)
    else:
        show(report)
    if output is not None and chosen.point is None:
        raise InputError(f"{output} was not written, as no pair does: ask for less, or give other models")


def _same_classes(paths: Sequence[str], pool: Sequence[Model]) -> tuple[int, Sequence[str]]:
    """How many classes the models know, and what they call them. ModelError where one is no classifier or knows
    others."""
    from ...runtime.cascade.head import find_head
    from ...runtime.errors import ModelError

    counts = [find_head(model, path).classes for model, path in zip(pool, paths, strict=True)]
    other = next((at for at, count in enumerate(counts) if count != counts[0]), None)
    if other is not None:
        raise ModelError(
            f"{paths[0]} knows {counts[0]} classes and {paths[other]} {counts[other]}: a pair has to know the same"
        )
    named = [(path, model.metadata.labels) for path, model in zip(paths, pool, strict=True) if model.metadata.labels]
    for path, labels in named:
        if labels != named[0][1]:
            raise ModelError(
                f"{path} has other labels than {named[0][0]}: a pair needs the same classes in the same order"
            )
    return counts[0], named[0][1] if named else ()


def _names(paths: Sequence[str]) -> list[str]:
    """Short names that tell the files apart."""
    stems = [Path(path).stem for path in paths]
    return stems if len(set(stems)) == len(stems) else list(paths)


def _members(
    pool: Sequence[Model], paths: Sequence[str], names: Sequence[str], data: Samples, device: Profile,
    threads: int | None, target: str | None,
) -> list[Member]:  # fmt: skip
    from ..estimate.estimate import estimate
    from ..report.progress import SampleProgress
    from ..tuning.logits import ask
    from ..tuning.pairs import member

    found = []
    for model, path, name in zip(pool, paths, names, strict=True):
        said: Said = ask(model, data, path, threads=threads, target=target, progress=SampleProgress())
        joules = estimate(model, said.shapes, device).joules
        found.append(member(name, said.logits, data.labels, said.macs, said.seconds, joules))
    return found


def _measure(by: str | None, members: Sequence[Member], device: Profile) -> str:
    from ...runtime.errors import InputError

    known = all(each.joules is not None for each in members)
    if by == "energy" and not known:
        raise InputError(f"the profile {device.name} knows no energy: name a device with --profile, or use --by macs")
    return by or ("energy" if known else "macs")
