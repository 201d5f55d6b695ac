"""Measures the accuracy of the example's two models on the Fashion-MNIST test set, in onnxruntime and in millijoule.

python examples/fashion_mnist/evaluate.py --data /usr/share/datasets/fashion-mnist
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from dataset import normalized, read_split
from numpy.typing import NDArray

import millijoule as mj

HERE = Path(__file__).parent

Classify = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def in_onnxruntime(path: Path) -> Classify:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda image: np.asarray(session.run(["scores"], {"image": image})[0])


def in_millijoule(path: Path) -> Classify:
    session = mj.load(mj.convert(path))
    return lambda image: session.run({"image": image})["scores"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder with the four Fashion-MNIST archives")
    parser.add_argument("models", type=Path, nargs="*", default=sorted(HERE.glob("*.onnx")))
    arguments = parser.parse_args()
    images, labels = read_split(arguments.data, "t10k")
    prepared = normalized(images)
    for path in arguments.models:
        for name, runtime in (("onnxruntime", in_onnxruntime), ("millijoule", in_millijoule)):
            classify = runtime(path)
            found = [int(classify(image[None]).argmax()) for image in prepared]
            right = int(np.count_nonzero(np.asarray(found) == labels))
            print(f"{path.name} in {name}: {right} of {len(labels)} right")


if __name__ == "__main__":
    main()
