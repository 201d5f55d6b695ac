"""Where exported networks lie."""

from __future__ import annotations

from pathlib import Path

from recipes import state_folder

MODELS = Path(__file__).resolve().parent / "models"
"""The small networks as ONNX and the large ones' scores, which are committed."""
LARGE, UNTRAINED = "large", "untrained"
"""The network that all is compared to, and the same layers with random weights: as dear, and knowing nothing."""
SMALL = ("plain", "residual", "pooled", "narrow", "broad", "mobile", "wide", "mixer", "tiny")


def model_path(folder: Path, dataset: str, network: str) -> Path:
    """Of the ONNX file; the large network's lies beside its checkpoint, wherever the others are, as does the untrained
    one."""
    if network in (LARGE, UNTRAINED):
        return state_folder() / dataset / f"{network}.onnx"
    return folder / f"{dataset}_{network}.onnx"


def scores_path(folder: Path, dataset: str) -> Path:
    """Of what the large network says of images that no training saw: `tune` and `test`, (10 000, 10) float16, not
    normalised; `tune_labels` and `test_labels`; its `multiply_adds` and `parameters`."""
    return folder / f"{dataset}_large.npz"
