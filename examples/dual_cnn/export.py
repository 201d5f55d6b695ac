"""Writes trained networks as ONNX, and the large one's scores for the images that no training saw.

    python examples/dual_cnn/export.py                   # all that are trained to the end
    python examples/dual_cnn/export.py cifar10 plain

Needs torch, onnx and pillow. DATASET_NETWORK.onnx takes `image`, (batch, channels, rows, columns) float32, pixels of
0..255 prepared as (pixel - mean) / std, and gives `scores`, (batch, 10), not normalised; its metadata name mean, std,
colour and labels. All lie in models/, the large one's with weights in half precision, and its scores beside them, in
DATASET_large.npz (places.py says what is in it). Accuracy and multiply-adds are printed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import torch
from data import SOURCES, Images, Labels, read, split
from networks import multiply_adds, parameters
from places import LARGE, MODELS, model_path, scores_path
from recipes import state_folder
from torch import nn
from train import finished_network, scores_of, trained_networks


def write_onnx(dataset: str, network: nn.Module, path: Path) -> None:
    """Float32, opset 17, any batch."""
    source = SOURCES[dataset]
    rows, columns, channels = source.shape
    torch.onnx.export(
        network.cpu().to(memory_format=torch.contiguous_format).eval(),
        (torch.zeros(1, channels, rows, columns),),
        str(path),
        input_names=["image"],
        output_names=["scores"],
        dynamic_axes={"image": {0: "batch"}, "scores": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )
    model = onnx.load(path)
    preprocessing = {"mean": source.mean, "std": source.std, "color": "gray" if channels == 1 else "rgb"}
    onnx.helper.set_model_props(
        model, {"preprocessing": json.dumps(preprocessing), "labels": json.dumps(source.labels)}
    )
    onnx.save(model, path)


def halve(path: Path) -> None:
    """Stores a network's weights in half precision; what computes with them is as it was."""
    model = onnx.load(path)
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        weights = onnx.numpy_helper.to_array(tensor)
        if weights.ndim < 2:
            continue
        stored = f"{tensor.name}_half"
        casts.append(onnx.helper.make_node("Cast", [stored], [tensor.name], to=onnx.TensorProto.FLOAT))
        tensor.CopyFrom(onnx.numpy_helper.from_array(weights.astype(np.float16), stored))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, path)


def export(dataset: str, name: str, held_out: dict[str, tuple[Images, Labels]], out: Path) -> None:
    """held_out: "tune" and "test", their images and labels."""
    network = finished_network(state_folder(), dataset, name)
    scores = {part: scores_of(dataset, network, images) for part, (images, _) in held_out.items()}
    labels = {part: of_part for part, (_, of_part) in held_out.items()}
    right = {part: float(np.mean(scores[part].argmax(1) == labels[part])) for part in held_out}
    rows, columns, channels = SOURCES[dataset].shape
    macs = multiply_adds(network.cpu(), (channels, rows, columns))
    if name == LARGE:
        np.savez_compressed(
            scores_path(out, dataset),
            tune=scores["tune"].astype(np.float16),
            tune_labels=labels["tune"].astype(np.uint8),
            test=scores["test"].astype(np.float16),
            test_labels=labels["test"].astype(np.uint8),
            multiply_adds=np.int64(macs),
            parameters=np.int64(parameters(network)),
        )
    write_onnx(dataset, network, model_path(out, dataset, name))
    if name == LARGE:
        halve(model_path(out, dataset, name))
    print(
        f"{dataset} {name}: {', '.join(f'{part} {share:.4f}' for part, share in right.items())}, "
        f"{macs:,} multiply-adds, {parameters(network):,} parameters",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("dataset", nargs="?", choices=list(SOURCES), help="default: both")
    parser.add_argument("networks", nargs="*", help="default: all that are trained to the end")
    parser.add_argument("--out", type=Path, default=MODELS, help="folder for all that is written")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for dataset in [arguments.dataset] if arguments.dataset else SOURCES:
        images, labels = read(dataset, "train")
        tune = split(len(images))["tune"]
        held_out = {"tune": (images[tune], labels[tune]), "test": read(dataset, "test")}
        for name in arguments.networks or trained_networks(state_folder(), dataset):
            export(dataset, name, held_out, arguments.out)


if __name__ == "__main__":
    main()
