"""`mj tune`: the thresholds that it writes do what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from classifiers import classifier, images, truth
from cli import mj, mj_json, one_line

import millijoule
from millijoule.converters.self_test import make_self_test
from millijoule.runtime.model import Model
from millijoule.tools.tuning import logits

COUNT = 240
PAIR = [classifier(1), classifier(2)]
NUMPY = ("--target", "numpy")


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLIJOULE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pair.mj, turned.mj, three.mj, and samples.npz whose labels are mostly the surer stage's."""
    path = tmp_path_factory.mktemp("tune")
    x = images(COUNT, seed=5)
    np.savez(path / "samples.npz", image=x, labels=truth(PAIR, x))
    for name, stages in (("pair.mj", PAIR), ("turned.mj", PAIR[::-1]), ("three.mj", [classifier(3), *PAIR])):
        with millijoule.Cascade(stages, millijoule.Gate("margin", 0.5), target="numpy") as cascade:
            cascade.save(path / name)
    return path


def answers(path: Path, folder: Path) -> tuple[Any, np.ndarray, millijoule.Gate]:
    """What the cascade says of the samples, their labels, and its gate."""
    with np.load(folder / "samples.npz") as samples, millijoule.load(path, target="numpy") as cascade:
        assert isinstance(cascade, millijoule.Cascade)
        return cascade.run({"image": samples["image"]}), samples["labels"], cascade.gate


def test_what_is_written_does_what_was_said(folder: Path, tmp_path: Path) -> None:
    """The best accuracy, the least cost, and three stages."""
    for name, more in (("pair.mj", ()), ("pair.mj", ("--accuracy", 0.55)), ("three.mj", ())):
        report = mj_json("tune", folder / name, folder / "samples.npz", "-o", tmp_path / "tuned.mj", *NUMPY, *more)
        found, labels, gate = answers(tmp_path / "tuned.mj", folder)
        stages = 3 if name == "three.mj" else 2
        assert gate.thresholds(stages) == tuple(report["thresholds"])
        assert gate.temperatures(stages) == tuple(report["temperatures"]) != (1.0,) * stages
        assert (found.label == labels).mean() == pytest.approx(report["accuracy"])
        assert [(found.ran > at).mean() for at in range(stages)] == pytest.approx(report["asked"])
        assert max(report["alone"]) <= report["oracle"] and len(report["alone"]) == stages
        if not more:
            assert report["accuracy"] >= max(report["alone"])
        else:
            assert report["accuracy"] >= 0.55
    stage = report["macs"] / sum(report["asked"])
    for name, most in (("pair.mj", 1.2 * stage), ("three.mj", 1.5 * stage)):
        found = mj_json("tune", folder / name, folder / "samples.npz", "--at-most", most, *NUMPY)
        assert stage < found["macs"] <= most and "multiply-adds at most" in found["claim"]
    few = mj("tune", folder / "pair.mj", folder / "samples.npz", "--at-most", stage / 2, *NUMPY)
    assert "no threshold does: the first stage alone takes" in " ".join(few.stdout.split())
    text = " ".join(mj("tune", folder / "three.mj", folder / "samples.npz", *NUMPY).stdout.split())
    assert "stage 2 asked" in text and "thresholds" in text and "temperatures, fitted" in text
    none = mj("tune", folder / "pair.mj", folder / "samples.npz", "--accuracy", 1, "-o", tmp_path / "none.mj", *NUMPY)
    assert none.exit_code == 2 and "no threshold reaches it" in none.stdout and not (tmp_path / "none.mj").exists()
    assert one_line(none.stderr) and "none.mj was not written, as no threshold was found" in none.stderr
    asked_only = mj("tune", folder / "pair.mj", folder / "samples.npz", "--accuracy", 1, *NUMPY)
    assert asked_only.exit_code == 0 and "no threshold reaches it" in asked_only.stdout


def test_the_post_check_is_the_way_that_serves_the_claim(folder: Path, tmp_path: Path) -> None:
    """As good as the better of both ways, of which it is one; with a guarantee it is chosen where nothing is proved."""
    goals: dict[tuple[object, ...], tuple[str, int]] = {
        (): ("accuracy", 1), ("--accuracy", 0.6): ("macs", -1), ("--answered", 0.8): ("answered", 1),
        ("--accuracy", 0.5, "--guarantee"): ("", 0),
    }  # fmt: skip
    better = set()
    for name in ("pair.mj", "turned.mj"):
        ask = ("tune", folder / name, folder / "samples.npz", *NUMPY)
        for claim, (key, sign) in goals.items():
            found = mj_json(*ask, *claim)
            ways = {check: mj_json(*ask, *claim, f"--{'' if check else 'no-'}post-check") for check in (True, False)}
            assert found["post_check_chosen"] and not ways[True]["post_check_chosen"]
            assert [way["post_check"] for way in ways.values()] == [True, False]
            same = ways[found["post_check"]]
            assert (found["thresholds"], found["accuracy"]) == (same["thresholds"], same["accuracy"])
            if key:
                worth = {check: -np.inf if way[key] is None else sign * way[key] for check, way in ways.items()}
                assert worth[found["post_check"]] == max(worth.values())
                better |= {found["post_check"]} if worth[True] != worth[False] else set()
    assert better == {True, False}
    write = ("tune", folder / "pair.mj", folder / "samples.npz", *NUMPY, "-o", tmp_path / "tuned.mj")
    assert "without the post-check, which serves this better here" in mj(*write).stdout
    assert not answers(tmp_path / "tuned.mj", folder)[2].post_check
    assert "\nwith the post-check\n" in mj(*write, "--post-check").stdout
    assert answers(tmp_path / "tuned.mj", folder)[2].post_check


def test_a_self_test_is_of_what_was_written(folder: Path, tmp_path: Path) -> None:
    """The same inputs, and what the new thresholds make of them."""
    samples, tuned = folder / "samples.npz", tmp_path / "tuned.mj"
    with np.load(samples) as archive:
        inputs = [{"image": row[None]} for row in archive["image"][:30]]
    model = Model.load(folder / "pair.mj")
    model.self_test = make_self_test(model, inputs)
    model.save(tmp_path / "tested.mj")
    ask = ("tune", tmp_path / "tested.mj", samples, *NUMPY, "--accuracy", 0.55, "-o", tuned)
    assert mj_json(*ask)["self_test"] == 30 and mj_json(*ask[:3], *NUMPY)["self_test"] == 0
    assert "self-test: the outputs of its 30 inputs are those of the new thresholds" in mj(*ask).stdout
    found = Model.load(tuned)
    changed = 0
    for case, before, given in zip(found.self_test, model.self_test, inputs, strict=True):
        np.testing.assert_array_equal(case.inputs["image"], given["image"])
        changed += any(not np.array_equal(case.outputs[name], before.outputs[name]) for name in case.outputs)
    assert changed > 0
    assert mj_json("verify", tuned, *NUMPY)["verdict"] == "equal"
    found.self_test = model.self_test
    found.save(tuned)
    assert mj("verify", tuned, *NUMPY).exit_code == 1, "the old answers are not those of the new thresholds"
    assert mj_json("tune", folder / "pair.mj", samples, *NUMPY, "-o", tuned)["self_test"] == 0


def test_another_goal_runs_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = ("tune", folder / "pair.mj", folder / "samples.npz", *NUMPY)
    first = mj_json(*ask)
    files = sorted((tmp_path / "cache" / "outputs").iterdir())
    assert len(files) == 2
    with monkeypatch.context() as patch:
        patch.setattr(logits, "_run", None)
        assert mj_json(*ask) == first
        assert mj_json(*ask, "--accuracy", 0.6, "--keep-temperatures")["temperatures"] == [1.0, 1.0]
        np.savez(tmp_path / "others.npz", image=images(4), labels=np.zeros(4, int))
        with pytest.raises(TypeError):
            mj("tune", folder / "pair.mj", tmp_path / "others.npz", *NUMPY)
        for name in ("millijoule.runtime.compiler.digest.runtime_digest", "millijoule.device_profiles.usable_cpus"):
            with monkeypatch.context() as other:
                other.setattr(name, lambda: "other")
                with pytest.raises(TypeError):
                    mj(*ask)
    files[0].write_bytes(files[0].read_bytes()[:-40])
    assert mj_json(*ask) == first, "what was damaged is made anew"


def test_a_guarantee_says_how_it_is_meant(folder: Path, tmp_path: Path) -> None:
    ask = ("tune", folder / "pair.mj", folder / "samples.npz", "--guarantee", "-o", tmp_path / "tuned.mj", *NUMPY)
    text = " ".join(mj(*ask, "--accuracy", 0.3).stdout.split())
    assert "with probability 0.9. How: the exact binomial test" in text
    assert "from 60 samples, which also gave the temperatures; 180 others, drawn at random, prove it. Assumed:" in text
    report = mj_json(*ask, "--loss", 0.2)
    assert "betting" in report["text"] and (report["tuning_samples"], report["proof_samples"]) == (60, 180)
    assert report["thresholds"] is not None and report["needed_samples"] is None
    text = " ".join(mj(*ask, "--accuracy", 0.99).stdout.split())
    assert "no threshold is safe with 180 proving samples, nor would many more be" in text
    near = mj_json(*ask[:4], *NUMPY, "--accuracy", mj_json(*ask[:3], *NUMPY)["accuracy"] - 0.02, "--delta", 0.001)
    assert near["thresholds"] is None and near["needed_samples"] > 180


def test_an_abstaining_cascade_is_right_where_it_answers(folder: Path, tmp_path: Path) -> None:
    ask = ("tune", folder / "pair.mj", folder / "samples.npz", "-o", tmp_path / "tuned.mj", *NUMPY, "--answered")
    for least, more in ((0.9, ()), (0.8, ("--guarantee", "--share", 0.5))):
        report = mj_json(*ask, least, *more)
        found, labels, gate = answers(tmp_path / "tuned.mj", folder)
        assert gate.abstain == pytest.approx(report["abstain"]) == pytest.approx(gate.thresholds(2)[0])
        answered = found.label >= 0
        assert 0 < answered.mean() < 1 and (found.label == labels)[answered].mean() >= 0.8
        if not more:
            assert answered.mean() == pytest.approx(report["answered"]) and report["accuracy"] >= 0.9
    assert "answered" in mj(*ask, 0.9).stdout


def test_images_are_prepared_for_every_stage(tmp_path: Path) -> None:
    """Pixels in an .npz file and images in folders give the very same; folders by label, by number and in order."""
    pillow = pytest.importorskip("PIL.Image")
    stages = [classifier(1, classes=3), classifier(2, classes=3, shape=(1, 9, 9, 3))]
    for stage in stages:
        stage.metadata.preprocessing = millijoule.Preprocessing(std=(100.0,))
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (12, 8, 8, 3)).astype(np.uint8), np.arange(12) // 4
    np.savez(tmp_path / "pixels.npz", images=pixels, labels=labels)
    reports = {}
    for how in ("in order", "by number", "by label"):
        if how == "by label":
            stages[0].metadata.labels = ["cat", "ape", "bat"]
        names = {"in order": ["a", "b", "c"], "by number": ["0", "1", "2"], "by label": ["cat", "ape", "bat"]}[how]
        for number, label in enumerate(labels):
            (tmp_path / how / names[label]).mkdir(parents=True, exist_ok=True)
            pillow.fromarray(pixels[number]).save(tmp_path / how / names[label] / f"{number:02}.png")
        with millijoule.Cascade(stages, millijoule.Gate(), target="numpy") as cascade:
            cascade.save(tmp_path / f"{how}.mj")
        reports[how] = mj_json("tune", tmp_path / f"{how}.mj", tmp_path / how, *NUMPY)
    reports["pixels"] = mj_json("tune", tmp_path / "in order.mj", tmp_path / "pixels.npz", *NUMPY)
    assert len({tuple(report["alone"]) for report in reports.values()}) == 1
    assert [len(report["folders"]) > 0 for report in reports.values()] == [True, True, True, False]
    assert mj("tune", tmp_path / "by label.mj", tmp_path / "in order", *NUMPY).exit_code != 0
    (tmp_path / "in order" / "d").mkdir()
    for problem in ("holds no image in d", "has 4 folders and the models 3 classes"):
        done = mj("tune", tmp_path / "in order.mj", tmp_path / "in order", *NUMPY)
        assert done.exit_code == 2 and one_line(done.stderr) and problem in done.stderr
        (tmp_path / "in order" / "d" / "x.png").touch()


def test_a_picture(folder: Path, tmp_path: Path) -> None:
    ask = ("tune", folder / "pair.mj", folder / "samples.npz", *NUMPY, "--picture")
    done = mj(*ask, tmp_path / "curve.gif")
    assert done.exit_code == 2 and "has to end in" in done.stderr
    try:
        import matplotlib
    except ImportError:
        done = mj(*ask, tmp_path / "curve.svg")
        assert done.exit_code == 2 and one_line(done.stderr) and "pip install matplotlib" in done.stderr
        return
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        for more, wanted in (
            (("--accuracy", 0.55), ["accuracy &gt;= 0.55 at the least cost", "chosen: ", "threshold"]),
            (("--answered", 0.8, "--guarantee"), ["the curves: of the 60 samples that tuned", "answered"]),
            (("--accuracy", 0.99), ["last stage asked"]),
        ):
            assert "wrote" in mj(*ask, tmp_path / "curve.svg", *more).stdout
            text = (tmp_path / "curve.svg").read_text()
            assert [part for part in wanted if part not in text] == []
        assert "chosen" not in text


def test_what_cannot_be_tuned(folder: Path, tmp_path: Path) -> None:
    classifier(1).save(tmp_path / "one.mj")
    x = images(3)
    np.savez(tmp_path / "short.npz", image=x, labels=np.zeros(4, int))
    np.savez(tmp_path / "none.npz", image=x)
    np.savez(tmp_path / "eleventh.npz", image=x, labels=np.array([0, 10, 1]))
    np.savez(tmp_path / "wide.npz", image=images(3, size=7), labels=np.zeros(3, int))
    np.savez(tmp_path / "others.npz", left=x, right=x, labels=np.zeros(3, int))
    np.savez(tmp_path / "single.npz", image=x[:1], labels=np.zeros(1, int))
    (tmp_path / "no.npz").write_text("no")
    (tmp_path / "hollow").mkdir()
    (tmp_path / "half.npz").write_bytes((folder / "samples.npz").read_bytes()[:5000])
    samples = folder / "samples.npz"
    for arguments, problem in (
        ((tmp_path / "one.mj", samples), "not a cascade of two stages"),
        ((folder / "pair.mj", samples, "--guarantee"), "takes --accuracy X, --loss E or --answered X"),
        ((folder / "pair.mj", samples, "--guarantee", "--at-most", 9), "takes --accuracy X, --loss E or --answered X"),
        ((folder / "pair.mj", samples, "--loss", 0.1), "is for --guarantee"),
        ((folder / "pair.mj", samples, "--accuracy", 0.1, "--answered", 0.2), "one claim at a time"),
        ((folder / "pair.mj", samples, "-o", samples), "would replace"),
        ((folder / "pair.mj", tmp_path / "short.npz"), "not one row for each of 4"),
        ((folder / "pair.mj", tmp_path / "none.npz"), "no array 'labels'"),
        ((folder / "pair.mj", tmp_path / "eleventh.npz"), "label 10 is none of the 10 classes"),
        ((folder / "pair.mj", tmp_path / "wide.npz"), "wide.npz, one row for"),
        ((folder / "pair.mj", tmp_path / "others.npz"), "has nothing for input 'image'"),
        ((folder / "pair.mj", tmp_path / "single.npz", "--guarantee", "--accuracy", 0.5), "1 samples are too few"),
        ((folder / "pair.mj", tmp_path / "no.npz"), "cannot read"),
        ((folder / "pair.mj", tmp_path / "half.npz"), "cannot read"),
        ((folder / "pair.mj", tmp_path / "absent.npz"), "cannot read"),
        ((folder / "pair.mj", tmp_path / "hollow"), "has no folders"),
    ):
        done = mj("tune", *arguments, *NUMPY)
        assert done.exit_code == 2 and one_line(done.stderr) and problem in done.stderr, (arguments, done.stderr)
