"""The networks as int8 models, made from their ONNX files by millijoule's own quantizer."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from data import SOURCES, Images, Labels, read, split
from places import model_path

import millijoule as mj

CALIBRATION_IMAGES, SEED = 125, 20261129


def calibration(images: Images) -> Images:
    """Some of the images that networks were trained on."""
    train = split(len(images))["train"]
    count = min(CALIBRATION_IMAGES, len(train))
    return images[np.sort(np.random.default_rng(SEED).choice(train, count, replace=False))]


def int8_models(dataset: str, networks: Sequence[str], models: Path, work: Path) -> dict[str, Path]:
    """The .mj files of those networks whose ONNX file is there; made where they are missing or older than that."""
    work.mkdir(parents=True, exist_ok=True)
    sources = {name: model_path(models, dataset, name) for name in networks}
    found = {name: work / f"{name}.mj" for name, source in sources.items() if source.exists()}
    images: Images | None = None
    how = preprocessing(dataset)
    for name, path in found.items():
        source = sources[name]
        if path.exists() and path.stat().st_mtime >= source.stat().st_mtime:
            continue
        if images is None:
            images = calibration(read(dataset, "train")[0])
        with mj.load(mj.convert(source, preprocessing=how), target="numpy") as session:
            samples = np.concatenate([session.prepare(image)["image"] for image in images])
        model = mj.convert(source, preprocessing=how, quantize="int8", calibration={"image": samples})
        assert model.fidelity is not None
        of = f"{model.fidelity.agreement:.1%} of held-out images get the float model's class"
        print(f"{dataset} {name}: int8, {model.fidelity.verdict}, {of}", file=sys.stderr, flush=True)
        model.save(path)
    return found


def preprocessing(dataset: str) -> mj.Preprocessing:
    """What the networks were trained with."""
    source = SOURCES[dataset]
    return mj.Preprocessing(mean=source.mean, std=source.std, color="gray" if source.shape[2] == 1 else "rgb")


def labelled(dataset: str) -> dict[str, tuple[Images, Labels]]:
    """Images and labels: "choose", a half of the tune split, by which a pair is chosen; "tune", the other half, by
    which its thresholds are; "test"."""
    images, labels = read(dataset, "train")
    places = split(len(images))["tune"]
    halves = {"choose": places[0::2], "tune": places[1::2]}
    return {**{part: (images[at], labels[at]) for part, at in halves.items()}, "test": read(dataset, "test")}
