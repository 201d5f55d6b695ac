"""`mj tune`: the threshold that it writes does what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from classifiers import classifier, images
from cli import mj, mj_json, one_line

import millijoule

COUNT = 240
PAIR = [classifier(1), classifier(2)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pair.mj, and samples.npz whose labels are mostly one stage's or the other's."""
    path = tmp_path_factory.mktemp("tune")
    x, rng = images(COUNT, seed=5), np.random.default_rng(0)
    said = []
    for stage in PAIR:
        with millijoule.load(stage) as session:
            said.append([session.run({"image": row[None]})["logits"].argmax() for row in x])
    labels = np.where(rng.random(COUNT) < 0.6, *np.array(said))
    np.savez(path / "samples.npz", image=x, labels=labels)
    with millijoule.Cascade(PAIR, millijoule.Gate("margin", 0.5)) as cascade:
        cascade.save(path / "pair.mj")
    return path


def accuracy_of(path: Path, folder: Path) -> tuple[float, float]:
    """Accuracy and the share of rows for which the second stage ran."""
    with np.load(folder / "samples.npz") as samples, millijoule.load(path) as cascade:
        assert isinstance(cascade, millijoule.Cascade)
        answer = cascade.run({"image": samples["image"]})
        return float((answer.label == samples["labels"]).mean()), float((answer.ran > 1).mean())


def test_the_best_accuracy(folder: Path, tmp_path: Path) -> None:
    report = mj_json("tune", folder / "pair.mj", folder / "samples.npz", "-o", tmp_path / "tuned.mj")
    found = accuracy_of(tmp_path / "tuned.mj", folder)
    assert found == pytest.approx((report["accuracy"], report["usage"]))
    for threshold in np.linspace(0, 1, 11):
        gate = millijoule.Gate("margin", float(threshold))
        with millijoule.Cascade(PAIR, gate) as cascade:
            cascade.save(tmp_path / "other.mj")
        assert accuracy_of(tmp_path / "other.mj", folder)[0] <= found[0]
    assert report["first_alone"] <= report["accuracy"] <= report["oracle"]


def test_the_least_cost(folder: Path, tmp_path: Path) -> None:
    best = mj_json("tune", folder / "pair.mj", folder / "samples.npz")
    wanted = best["accuracy"] - 0.02
    report = mj_json("tune", folder / "pair.mj", folder / "samples.npz", "--accuracy", wanted)
    assert report["accuracy"] >= wanted and report["usage"] <= best["usage"]
    none = mj("tune", folder / "pair.mj", folder / "samples.npz", "--accuracy", 1, "-o", tmp_path / "none.mj")
    assert none.exit_code == 0 and "no threshold reaches it" in none.stdout and not (tmp_path / "none.mj").exists()


def test_a_guarantee_says_how_it_is_meant(folder: Path, tmp_path: Path) -> None:
    ask = ("tune", folder / "pair.mj", folder / "samples.npz", "--guarantee", "-o", tmp_path / "tuned.mj")
    text = " ".join(mj(*ask, "--accuracy", 0.3).stdout.split())
    assert "with probability 0.9: the exact binomial test" in text and "120 samples, drawn independently" in text
    report = mj_json(*ask, "--loss", 0.2)
    assert "betting" in report["text"] and report["proof_samples"] == 120 and report["threshold"] is not None
    text = " ".join(mj(*ask, "--accuracy", 0.99).stdout.split())
    assert "no threshold is safe with 120 samples, nor would more do" in text
    share = mj_json(*ask, "--accuracy", 0.99)["second_alone"]
    assert 0 < share < 0.99


def test_what_cannot_be_tuned(folder: Path, tmp_path: Path) -> None:
    classifier(1).save(tmp_path / "one.mj")
    np.savez(tmp_path / "short.npz", image=images(3), labels=np.zeros(4, int))
    np.savez(tmp_path / "none.npz", image=images(3))
    (tmp_path / "no.npz").write_text("no")
    samples = folder / "samples.npz"
    for arguments, problem in (
        ((tmp_path / "one.mj", samples), "not a cascade of two stages"),
        ((folder / "pair.mj", samples, "--guarantee"), "--accuracy X or --loss E"),
        ((folder / "pair.mj", samples, "--loss", 0.1), "for --guarantee"),
        ((folder / "pair.mj", tmp_path / "short.npz"), "not one row for each of 4"),
        ((folder / "pair.mj", tmp_path / "none.npz"), "no array 'labels'"),
        ((folder / "pair.mj", tmp_path / "no.npz"), "cannot read"),
        ((folder / "pair.mj", tmp_path / "absent.npz"), "cannot read"),
    ):
        done = mj("tune", *arguments)
        assert done.exit_code == 2 and one_line(done.stderr) and problem in done.stderr, (arguments, done.stderr)
