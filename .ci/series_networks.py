"""Trains small networks on real time series, for `quantizer_peers.py`: series_networks.py aeon-VERSION.whl OUT.

    pip download --no-deps aeon

The wheel holds BasicMotions (6 axes of a wrist's motion, 100 steps, 4 activities) and JapaneseVowels (12 coefficients
of speech, 25 steps, 9 speakers), each with its training and test set. OUT gets SERIES_NETWORK.onnx, which takes
`series`, (1, channels, steps) float32, and gives `scores`; and SERIES.npz with `train`, `test` and `labels` of the test
set, normalised by the training set. Needs torch and onnx.
"""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

SERIES = {"basic_motions": "BasicMotions/BasicMotions", "japanese_vowels": "JapaneseVowels/JapaneseVowels_eq"}
EPOCHS, BATCH, WIDTH = 120, 16, 48


class Convolutions(nn.Module):
    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        sizes = ((channels, WIDTH, 7, 2), (WIDTH, WIDTH, 5, 1), (WIDTH, 2 * WIDTH, 3, 2))
        self.body = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv1d(inputs, outputs, kernel, stride, kernel // 2), nn.BatchNorm1d(outputs), nn.ReLU()
                )
                for inputs, outputs, kernel, stride in sizes
            )
        )
        self.last = nn.Linear(2 * WIDTH, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.last(self.body(x).mean(2))
        return scores


class Recurrent(nn.Module):
    """A convolution, then a recurrent layer whose last state is classified."""

    def __init__(self, layer: type[nn.LSTM | nn.GRU], channels: int, classes: int) -> None:
        super().__init__()
        self.front = nn.Sequential(nn.Conv1d(channels, WIDTH, 5, 2, 2), nn.ReLU())
        self.layer = layer(WIDTH, WIDTH, batch_first=True)
        self.last = nn.Linear(WIDTH, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states, _ = self.layer(self.front(x).transpose(1, 2))
        scores: torch.Tensor = self.last(states[:, -1])
        return scores


def read(wheel: zipfile.ZipFile, name: str) -> tuple[np.ndarray, list[str]]:
    """(samples, channels, steps), and the class of each, of a .ts file whose series are of one length."""
    text = wheel.read(f"aeon/datasets/data/{name}.ts").decode()
    lines = [line for line in text.split("@data")[1].splitlines() if line.strip()]
    parts = [line.split(":") for line in lines]
    return np.array([[each.split(",") for each in part[:-1]] for part in parts], np.float32), [p[-1] for p in parts]


def trained(network: nn.Module, x: np.ndarray, labels: np.ndarray) -> nn.Module:
    series, wanted = torch.from_numpy(x), torch.from_numpy(labels)
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3, weight_decay=0.01)
    steps = EPOCHS * -(-len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    network.train()
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(x)).split(BATCH):
            given = series[chosen]
            loss = nn.functional.cross_entropy(network(given + 0.1 * torch.randn_like(given)), wanted[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":")[0])
    parser.add_argument("wheel", type=Path, help="of the package aeon, which holds the series")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the networks and the series")
    arguments = parser.parse_args()
    wheel, out = zipfile.ZipFile(arguments.wheel), arguments.out
    out.mkdir(parents=True, exist_ok=True)
    for series, name in SERIES.items():
        (train, train_names), (test, test_names) = read(wheel, f"{name}_TRAIN"), read(wheel, f"{name}_TEST")
        classes = sorted(set(train_names))
        labels, wanted = (np.array([classes.index(each) for each in found]) for found in (train_names, test_names))
        mean, spread = train.mean((0, 2), keepdims=True), train.std((0, 2), keepdims=True)
        train, test = (train - mean) / spread, (test - mean) / spread
        np.savez(out / f"{series}.npz", train=train, test=test, labels=wanted)
        channels = train.shape[1]
        torch.manual_seed(0)
        networks: dict[str, nn.Module] = {
            "convolutions": Convolutions(channels, len(classes)),
            "lstm": Recurrent(nn.LSTM, channels, len(classes)),
            "gru": Recurrent(nn.GRU, channels, len(classes)),
        }
        for kind, network in networks.items():
            trained(network, train, labels)
            with torch.no_grad():
                right = (network(torch.from_numpy(test)).argmax(1).numpy() == wanted).mean()
            print(f"{series}_{kind}: {right:.2%} of {len(test)} right")
            torch.onnx.export(
                network,
                (torch.zeros(1, *train.shape[1:]),),
                str(out / f"{series}_{kind}.onnx"),
                input_names=["series"],
                output_names=["scores"],
                opset_version=17,
                dynamo=False,
            )


if __name__ == "__main__":
    main()
