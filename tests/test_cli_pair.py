"""`mj pair`: the pair that it writes is as good as it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from classifiers import classifier, images, truth
from cli import mj, mj_json, one_line

import millijoule
from millijoule import device_profiles
from millijoule.converters.self_test import make_self_test
from millijoule.tools.tuning import logits

COUNT, NUMPY = 150, ("--target", "numpy")


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLIJOULE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """a.mj, b.mj, c.mj, of other inputs' names and ends; and samples.npz, of which each knows a part."""
    path = tmp_path_factory.mktemp("pool")
    models = {"a": classifier(1), "b": classifier(2, end="int8"), "c": classifier(3, end="Softmax", name="picture")}
    x = images(COUNT, seed=5)
    for name, model in models.items():
        model.save(path / f"{name}.mj")
    np.savez(path / "samples.npz", image=x, picture=x, labels=truth(list(models.values()), x))
    return path


def files(pool: Path) -> list[Path]:
    return [pool / f"{name}.mj" for name in "abc"]


def test_the_pair_that_is_written(pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = ("pair", *files(pool), "--samples", pool / "samples.npz", "-o", tmp_path / "pair.mj", *NUMPY)
    report = mj_json(*ask, "--by", "macs")
    chosen = report["chosen"]
    assert len(report["pairs"]) == 6 and chosen == report["pairs"][0]
    assert (
        chosen["accuracy"]
        == max(pair["accuracy"] for pair in report["pairs"])
        > max(each["accuracy"] for each in report["models"])
    )
    with np.load(pool / "samples.npz") as samples, millijoule.load(tmp_path / "pair.mj", target="numpy") as cascade:
        assert isinstance(cascade, millijoule.Cascade)
        found = cascade.run(dict.fromkeys(cascade.model.inputs, samples["image"]))
        assert (found.label == samples["labels"]).mean() == pytest.approx(chosen["accuracy"])
        assert (found.ran > 1).mean() == pytest.approx(chosen["asked"])
        assert cascade.gate.post_check is chosen["post_check"]
        temperatures = {each["name"]: each["temperature"] for each in report["models"]}
        assert cascade.gate.temperatures(2) == (temperatures[chosen["first"]], temperatures[chosen["second"]])
    macs = 6 * 6 * 3 * 16 + 16 * 10
    assert [each["macs"] for each in report["models"]] == [macs] * 3
    assert chosen["macs"] == pytest.approx(macs * (1 + chosen["asked"]))
    assert all(each["seconds"] > 0 for each in report["models"])
    paper, code = np.array(report["complementarity"]), np.array(report["exactly_one_right"])
    assert (paper == paper.T).all() and (paper <= code + 1e-12).all() and not np.diag(code).any()
    # Another goal, for which no model runs again.
    monkeypatch.setattr(logits, "_run", None)
    (tmp_path / "pair.mj").unlink()
    other = mj_json(*ask, "--profile", "raspberry-pi-4", "--accuracy", chosen["accuracy"] - 0.03)
    assert other["by"] == "energy" and other["chosen"]["joules"] <= min(
        pair["joules"] for pair in other["pairs"] if pair["joules"] is not None
    )
    assert other["chosen"]["accuracy"] >= chosen["accuracy"] - 0.03 and (tmp_path / "pair.mj").exists()
    front = [(point["joules"], point["accuracy"]) for point in other["front"]]
    assert front == sorted(front) and len(front) > 2
    none = mj(*ask, "--accuracy", 0.999)
    assert none.exit_code == 2 and one_line(none.stderr) and "pair.mj was not written, as no pair does" in none.stderr
    assert "no pair does" in none.stdout and "Complementarity" in none.stdout and "at most" in none.stdout
    within = mj_json(*ask, "--by", "macs", "--at-most", macs * 1.1)["chosen"]
    assert within["macs"] <= macs * 1.1 and 0 < within["asked"] <= 0.1 and within["accuracy"] <= chosen["accuracy"]
    assert "no pair does" in mj(*ask, "--by", "macs", "--at-most", macs / 2).stdout
    model = millijoule.Model.load(pool / f"{chosen['second']}.mj")
    model.self_test = make_self_test(model, 1)
    (tmp_path / "tested").mkdir()
    model.save(tmp_path / "tested" / f"{chosen['second']}.mj")
    text = " ".join(mj(*ask).stdout.split())
    assert f"{chosen['first']}, then {chosen['second']} where that scores less than" in text and "mj tune" in text
    assert "self-test" not in text
    paths = [tmp_path / "tested" / path.name if path.stem == chosen["second"] else path for path in files(pool)]
    tested = " ".join(mj("pair", *paths, *ask[4:]).stdout.split())
    assert f"not in it: the self-tests of {chosen['second']}, which say nothing of the pair; `mj convert " in tested


def test_what_is_no_pool(pool: Path, tmp_path: Path) -> None:
    classifier(4, classes=7).save(tmp_path / "seven.mj")
    named = classifier(5)
    named.metadata.labels = [f"x{at}" for at in range(10)]
    named.save(tmp_path / "x.mj")
    named.metadata.labels = [f"y{at}" for at in range(10)]
    named.save(tmp_path / "y.mj")
    samples = ("--samples", pool / "samples.npz")
    board = Path(device_profiles.__file__).parent / "boards" / "x86-64-v3.toml"
    text = board.read_text()
    (tmp_path / "board.toml").write_text(text[: text.index("[energy]")])
    for arguments, problem in (
        ((pool / "a.mj", *samples), "two models or more"),
        ((pool / "a.mj", tmp_path / "seven.mj", *samples), "a.mj knows 10 classes and"),
        ((tmp_path / "x.mj", tmp_path / "y.mj", *samples), "y.mj has other labels than"),
        ((pool / "a.mj", tmp_path / "absent.mj", *samples), "absent.mj"),
        ((pool / "a.mj", pool / "b.mj", *samples, "--accuracy", 0.9, "--at-most", 5), "the least cost is looked for"),
        ((pool / "a.mj", pool / "b.mj", *samples, "-o", pool / "b.mj"), "would replace"),
        (
            (pool / "a.mj", pool / "b.mj", *samples, "--by", "energy", "--profile", tmp_path / "board.toml"),
            "knows no energy",
        ),
        ((pool / "a.mj", pool / "b.mj", "--samples", tmp_path / "absent.npz"), "cannot read"),
    ):
        done = mj("pair", *arguments, *NUMPY)
        assert done.exit_code == 2 and one_line(done.stderr) and problem in done.stderr, (arguments, done.stderr)


def test_a_picture(pool: Path, tmp_path: Path) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    ask = ("pair", *files(pool), "--samples", pool / "samples.npz", "--picture", tmp_path / "pairs.svg", *NUMPY)
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        report = mj_json(*ask, "--by", "macs")
        text = (tmp_path / "pairs.svg").read_text()
        assert mj(*ask, "--accuracy", 0.999).exit_code == 0
    share = report["complementarity"][0][1]
    chosen = report["chosen"]
    for part in (
        f"{share:.1%}",
        "b alone",
        f"chosen: {chosen['first']},",
        "multiply-adds, millions, mean of an inference",
    ):
        assert part in text
    assert "chosen" not in (tmp_path / "pairs.svg").read_text()
