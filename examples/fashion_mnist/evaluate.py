"""Measures the accuracy of the example's two models on the Fashion-MNIST test set, with onnxruntime.

python examples/fashion_mnist/evaluate.py --data /usr/share/datasets/fashion-mnist
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnxruntime
from dataset import normalized, read_split
from numpy.typing import NDArray

HERE = Path(__file__).parent


def right_answers(path: Path, images: NDArray[np.float32], labels: NDArray[np.int64]) -> int:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    scores = [np.asarray(session.run(["scores"], {"image": image[None]})[0]) for image in images]
    return int(np.count_nonzero(np.concatenate(scores).argmax(axis=1) == labels))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder with the four Fashion-MNIST archives")
    parser.add_argument("models", type=Path, nargs="*", default=sorted(HERE.glob("*.onnx")))
    arguments = parser.parse_args()
    images, labels = read_split(arguments.data, "t10k")
    prepared = normalized(images)
    for path in arguments.models:
        right = right_answers(path, prepared, labels)
        print(f"{path.name}: {right} of {len(labels)} right, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
