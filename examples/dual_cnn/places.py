"""Where exported networks lie."""

from __future__ import annotations

from pathlib import Path

from recipes import state_folder

MODELS = Path(__file__).resolve().parent / "models"
"""The small networks as ONNX and the large ones' scores, which are committed."""
SMALL = ("plain", "residual", "pooled", "deep", "broad", "mobile", "wide", "mixer", "tiny")


def model_path(folder: Path, dataset: str, network: str) -> Path:
    """Of the ONNX file; the large network's lies beside its checkpoint, wherever the others are."""
    if network == "large":
        return state_folder() / dataset / "large.onnx"
    return folder / f"{dataset}_{network}.onnx"


def scores_path(folder: Path, dataset: str) -> Path:
    """Of what the large network says of images that no training saw: `tune` and `test`, (10 000, 10) float16, not
    normalised; `tune_labels` and `test_labels`; its `multiply_adds` and `parameters`."""
    return folder / f"{dataset}_large.npz"
