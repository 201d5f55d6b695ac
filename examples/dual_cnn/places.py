"""Where exported networks lie."""

from __future__ import annotations

from pathlib import Path

MODELS = Path(__file__).resolve().parent / "models"
"""The networks as ONNX, the large ones' weights in half precision, and the large ones' scores: all committed."""
LARGE = "large"
"""The network that all is compared to."""
SMALL = ("plain", "residual", "pooled", "narrow", "broad", "mobile", "mixer", "tiny")


def model_path(folder: Path, dataset: str, network: str) -> Path:
    """Of the ONNX file."""
    return folder / f"{dataset}_{network}.onnx"


def scores_path(folder: Path, dataset: str) -> Path:
    """Of what the large network says of images that no training saw: `tune` and `test`, (10 000, 10) float16, not
    normalised; `tune_labels` and `test_labels`; its `multiply_adds` and `parameters`."""
    return folder / f"{dataset}_large.npz"
