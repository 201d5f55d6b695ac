"""Makes the int8 form of the example's model: QDQ, weights per channel, calibrated on training images.

    python examples/fashion_mnist/quantize.py --data /usr/share/datasets/fashion-mnist

Needs onnx and onnxruntime.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from dataset import normalized, read_split
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

HERE = Path(__file__).parent
CALIBRATION_IMAGES = 500


class Images(CalibrationDataReader):
    """Hands the calibrator one normalised image at a time."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self.feeds: Iterator[dict[str, NDArray[np.float32]]] = ({"image": image[None]} for image in normalized(images))

    def get_next(self) -> dict[str, NDArray[np.float32]]:
        """The next feed; empty, which ends the calibration, where there is none left."""
        return next(self.feeds, {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder with the four Fashion-MNIST archives")
    parser.add_argument("--out", type=Path, default=HERE, help="where the float model is and the int8 one goes")
    arguments = parser.parse_args()

    images, _ = read_split(arguments.data, "train")
    chosen = np.random.default_rng(0).choice(len(images), CALIBRATION_IMAGES, replace=False)
    with tempfile.TemporaryDirectory() as scratch:
        prepared = Path(scratch) / "prepared.onnx"
        quant_pre_process(arguments.out / "fashion_mnist_f32.onnx", prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            arguments.out / "fashion_mnist_int8.onnx",
            Images(images[chosen]),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
        )


if __name__ == "__main__":
    main()
