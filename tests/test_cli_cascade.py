"""The command line takes a cascade's file as it takes a model's."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from classifiers import classifier, images
from cli import EXAMPLE, mj, mj_json, one_line

import millijoule

QUICK = ("--seconds", "0.01", "--rounds", "1", "--start", "none")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pair") / "pair.mj"
    gate = millijoule.Gate("margin", 0.5)
    with millijoule.Cascade([classifier(1), classifier(2)], gate, millijoule.Memory(entries=9)) as cascade:
        cascade.save(path)
    return path


def test_run_says_who_answered(pair: Path, tmp_path: Path) -> None:
    x = images(8)
    with millijoule.Cascade([classifier(1), classifier(2)], millijoule.Gate("margin", 0.5)) as cascade:
        wanted = cascade.run(x)
    np.save(tmp_path / "one.npy", x[:1])
    np.save(tmp_path / "all.npy", x)
    report = mj_json("run", pair, "--input", tmp_path / "one.npy")
    assert report["cascade"]["label"] == wanted.label[0] == report["classes"][0]["index"]
    assert (report["cascade"]["stage"], report["cascade"]["ran"]) == (wanted.stage[0], wanted.ran[0])
    text = mj("run", pair, "--input", tmp_path / "one.npy").stdout
    assert f"stage {wanted.stage[0]} answered (margin {wanted.score[0]:.4g}), {wanted.ran[0]} of 2 asked" in text
    done = mj("run", pair, "--input", tmp_path / "all.npy", "-o", tmp_path / "out.npz")
    assert done.exit_code == 0 and "of 8 rows were asked: stage 0 100.0%" in done.stdout
    found = np.load(tmp_path / "out.npz")
    np.testing.assert_array_equal(found["label"], wanted.label)
    np.testing.assert_array_equal(found["stage"], wanted.stage)


def test_inspect_lists_the_stages(pair: Path) -> None:
    found = mj_json("inspect", pair)["cascade"]
    assert (found["score"], found["post_check"], found["memory"]["entries"]) == ("margin", True, 9)
    assert [stage["threshold"] for stage in found["stages"]] == [0.5, None]
    assert [stage["macs"] for stage in found["stages"]] == [6 * 6 * 3 * 16 + 16 * 10] * 2
    assert "margin >= 0.5" in mj("inspect", pair).stdout


@pytest.mark.parametrize("second", ["rgb", "bgr"])
def test_inspect_says_how_each_stage_wants_its_images(second: str, tmp_path: Path) -> None:
    stages = [classifier(1), classifier(2)]
    for stage, color in zip(stages, ("rgb", second), strict=True):
        stage.metadata.preprocessing = millijoule.Preprocessing(mean=(7.0,), color=color)  # type: ignore[arg-type]
    with millijoule.Cascade(stages, millijoule.Gate(), target="numpy") as cascade:
        cascade.save(tmp_path / "pair.mj")
    lines = mj("inspect", tmp_path / "pair.mj", "--target", "numpy").stdout.splitlines()
    found = [line.split()[:3] for line in lines if line.startswith("images") and "(pixel - 7)" in line]
    assert len(found) == (1 if second == "rgb" else 2)
    assert not any("no preprocessing known" in line for line in lines)


def test_bench_and_compile_take_the_linked_program(pair: Path, tmp_path: Path) -> None:
    report = mj_json("bench", pair, *QUICK)
    assert report["seconds"]["millijoule"]["median"] > 0
    done = mj("compile", pair, "-o", tmp_path / "pair.mjk")
    assert done.exit_code == 0, done.stderr
    with millijoule.load(pair, kernels=tmp_path / "pair.mjk") as cascade:
        assert isinstance(cascade, millijoule.Cascade) and cascade.run(images(1)).ran in (1, 2)


def test_compare_holds_every_stage_against_its_own_source(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    names = ("fashion_mnist_int8.onnx", "fashion_mnist_f32.onnx")
    for name in names:
        shutil.copy(EXAMPLE / name, tmp_path)
    path = tmp_path / "pair.mj"
    stages = [millijoule.convert(tmp_path / name) for name in names]
    with millijoule.Cascade(stages, millijoule.Gate("margin", 0.87)) as cascade:
        cascade.save(path)
    report = mj_json("compare", path, "--no-layers")
    assert [Path(stage["source"]).name for stage in report["stages"]] == list(names) and report["within"]
    refused = mj("compare", path, tmp_path / names[0])
    assert refused.exit_code == 2 and one_line(refused.stderr) and "leave SRC out" in refused.stderr
    (tmp_path / names[1]).unlink()
    assert mj("compare", path).exit_code == 2


def test_one_image_is_for_every_stage(tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 256, (9, 9, 3)).astype(np.uint8)
    pillow.fromarray(pixels).save(tmp_path / "image.png")
    stages = [classifier(1), classifier(2, shape=(1, 9, 9, 3))]
    for stage in stages:
        stage.metadata.preprocessing = millijoule.Preprocessing(std=(255.0,))
        stage.metadata.labels = [f"thing {index}" for index in range(10)]
    with millijoule.Cascade(stages, millijoule.Gate("max", 2.0)) as cascade:
        cascade.save(tmp_path / "pair.mj")
        best = cascade.classify(tmp_path / "image.png", top=1)[0]
    report = mj_json("run", tmp_path / "pair.mj", "--input", tmp_path / "image.png")
    assert report["classes"][0]["label"] == best.label
    other = mj_json("run", tmp_path / "pair.mj", "--input", tmp_path / "image.png", "--std", "1")
    assert other["classes"][0]["score"] != report["classes"][0]["score"]


def test_a_damaged_pair_is_one_clear_error(pair: Path, tmp_path: Path) -> None:
    data = bytearray(pair.read_bytes())
    data[-5] ^= 1
    (tmp_path / "damaged.mj").write_bytes(data)
    done = mj("run", tmp_path / "damaged.mj")
    assert done.exit_code == 2 and one_line(done.stderr) and "damaged" in done.stderr
