"""Trains the example's network on Fashion-MNIST and writes it as ONNX, with its labels and one test image.

    python examples/fashion_mnist/train.py --data /usr/share/datasets/fashion-mnist

Needs torch, onnx and pillow. Some twelve minutes on one core. quantize.py makes the int8 form.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from dataset import LABELS, normalized, read_split
from network import FashionNet
from PIL import Image
from torch import nn

HERE = Path(__file__).parent


def augmented(batch: torch.Tensor) -> torch.Tensor:
    """Half of the images mirrored, and the whole batch moved by up to two pixels."""
    mirrored = torch.where(torch.rand(len(batch), 1, 1, 1) < 0.5, batch.flip(3), batch)
    rows, columns = torch.randint(0, 5, (2,)).tolist()
    # The normalised value of a black pixel, which all borders have.
    padded = nn.functional.pad(mirrored, (2, 2, 2, 2), value=batch.min().item())
    return padded[:, :, rows : rows + 28, columns : columns + 28]


def accuracy(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    model.eval()
    with torch.no_grad():
        right = sum(
            int((model(x).argmax(1) == y).sum()) for x, y in zip(images.split(500), labels.split(500), strict=True)
        )
    return right / len(labels)


def train(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, epochs: int, batch: int) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=2e-2)
    steps = len(images) // batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=epochs * steps, pct_start=0.2)
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.05)
    for epoch in range(epochs):
        model.train()
        started, total = time.monotonic(), 0.0
        order = torch.randperm(len(images))
        for step in range(steps):
            chosen = order[step * batch : (step + 1) * batch]
            loss = loss_of(model(augmented(images[chosen])), labels[chosen])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}/{epochs}: loss {total / steps:.4f}, {time.monotonic() - started:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder with the four Fashion-MNIST archives")
    parser.add_argument("--out", type=Path, default=HERE, help="where the files go (default: beside this script)")
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    images, labels = read_split(arguments.data, "train")
    test_images, test_labels = read_split(arguments.data, "t10k")
    model = FashionNet().to(memory_format=torch.channels_last)
    train(model, torch.from_numpy(normalized(images)), torch.from_numpy(labels), arguments.epochs, batch=128)
    scored = accuracy(model, torch.from_numpy(normalized(test_images)), torch.from_numpy(test_labels))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"accuracy on the {len(test_labels)} test images: {scored:.4f}, {parameters} parameters")

    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        model.to(memory_format=torch.contiguous_format).eval(),
        (torch.zeros(1, 1, 28, 28),),
        str(arguments.out / "fashion_mnist_f32.onnx"),
        input_names=["image"],
        output_names=["scores"],
        opset_version=17,
        dynamo=False,
    )
    (arguments.out / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS), encoding="utf-8")
    boot = int(np.flatnonzero(test_labels == LABELS.index("Ankle boot"))[0])
    Image.fromarray(test_images[boot]).save(arguments.out / "ankle_boot.png", optimize=True)


if __name__ == "__main__":
    main()
