"""Trains the networks, one after another or those that are named, and goes on where it was interrupted.

    python examples/dual_cnn/train.py                          # all
    python examples/dual_cnn/train.py cifar10 large plain      # some of one data set, in this order

Needs torch and pillow; uses a GPU where there is one. Where the large network is not trained here, the others learn
from the committed one, which millijoule runs. Writes to $XDG_STATE_HOME/millijoule/dual_cnn (by default in
~/.local/state), for each data set and network NETWORK.pt, the checkpoint, and NETWORK.jsonl, a line for each epoch.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from data import SOURCES, Images, Labels, Views, prepared, read, split
from networks import NETWORKS
from numpy.typing import NDArray
from places import MODELS
from recipes import LARGE, VIEWS, Recipe, recipe, state_folder
from torch import nn

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def on_device(images: NDArray[np.float32]) -> torch.Tensor:
    """(N, rows, columns, channels) -> (N, channels, rows, columns), channels last in memory."""
    return torch.from_numpy(images).to(DEVICE).permute(0, 3, 1, 2)


HAS_BFLOAT16 = DEVICE.type == "cuda" or bool(torch.cpu.get_capabilities().get("avx512_bf16"))
"""Whether the processor has instructions for it: without them bfloat16 would be slower than float32."""


def answer(network: nn.Module, batch: NDArray[np.float32], bfloat16: bool) -> torch.Tensor:
    """The scores, float32, computed in bfloat16 where that is asked for and there are instructions for it."""
    with torch.autocast(DEVICE.type, torch.bfloat16, enabled=bfloat16 and HAS_BFLOAT16):
        scores: torch.Tensor = network(on_device(batch))
    return scores.float()


def scores_of(name: str, network: nn.Module, images: Images) -> NDArray[np.float32]:
    """(N, classes), as in use: without augmentation, in float32."""
    network.eval()
    batches = [prepared(name, images[at : at + 256]) for at in range(0, len(images), 256)]
    with torch.inference_mode():
        return torch.cat([answer(network, batch, bfloat16=False).cpu() for batch in batches]).numpy()


def save_atomically(path: Path, content: Any) -> None:
    """An interruption leaves the file as it was before or whole."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    torch.save(content, partial)
    os.replace(partial, path)


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Whether no other process is at work on `path`; if so, none will be for as long as this lasts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


def load(path: Path) -> Any:
    return torch.load(path, map_location=DEVICE, weights_only=True)


def is_finished(state: dict[str, Any]) -> bool:
    return bool(state["epoch"] >= state["recipe"]["epochs"])


def trained_networks(folder: Path, dataset: str) -> list[str]:
    """Those that are trained to the end."""
    paths = {name: folder / dataset / f"{name}.pt" for name in NETWORKS[dataset]}
    return [name for name, path in paths.items() if path.exists() and is_finished(load(path))]


def finished_network(folder: Path, dataset: str, name: str) -> nn.Module:
    """Ends the program where it is not trained to the end."""
    path = folder / dataset / f"{name}.pt"
    if not path.exists() or not is_finished(state := load(path)):
        raise SystemExit(f"{dataset} {name} is not trained to the end: train.py {dataset} {name}")
    network = NETWORKS[dataset][name]()
    network.load_state_dict(state["network"])
    return network.to(DEVICE, memory_format=torch.channels_last)


@cache
def teacher_of(folder: Path, dataset: str) -> Callable[[NDArray[np.float32]], torch.Tensor]:
    """What gives the large network's scores for prepared images: as it was trained here, else as it is committed."""
    if (folder / dataset / "large.pt").exists():
        network = finished_network(folder, dataset, "large").eval()

        def trained(images: NDArray[np.float32]) -> torch.Tensor:
            with torch.inference_mode():
                return answer(network, images, LARGE[dataset].bfloat16).cpu()

        return trained
    from pool import int8_models

    import millijoule

    model = int8_models(dataset, ["large"], MODELS, folder / dataset)["large"]
    session = millijoule.load(model, threads=torch.get_num_threads())

    def committed(images: NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(session.run(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))["scores"])

    return committed


def teacher_scores(folder: Path, dataset: str, views: Views, view: int) -> torch.Tensor:
    """The large network's scores for every image of the view, (N, classes): computed once, then read."""
    path = folder / dataset / "views" / f"{view}.pt"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        ask = teacher_of(folder, dataset)
        batches = np.array_split(np.arange(views.count), max(1, views.count // 256))
        save_atomically(path, torch.cat([ask(views.take(batch)) for batch in batches]))
    scores: torch.Tensor = load(path)
    return scores


def loss_of(scores: torch.Tensor, labels: torch.Tensor, taught: torch.Tensor | None, how: Recipe) -> torch.Tensor:
    """From the labels and, where there are a teacher's scores, from those (Hinton et al. 2015)."""
    loss: torch.Tensor = nn.functional.cross_entropy(scores, labels, label_smoothing=how.smoothing)
    if taught is None:
        return loss
    pupil = nn.functional.log_softmax(scores / how.temperature, 1)
    wanted = nn.functional.log_softmax(taught / how.temperature, 1)
    apart = nn.functional.kl_div(pupil, wanted, reduction="batchmean", log_target=True) * how.temperature**2
    return how.teacher_share * apart + (1 - how.teacher_share) * loss


def optimizer_for(network: nn.Module, how: Recipe) -> torch.optim.Optimizer:
    weights = [weight for weight in network.parameters() if weight.ndim > 1]
    others = [weight for weight in network.parameters() if weight.ndim <= 1]
    groups = [{"params": weights, "weight_decay": how.decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=how.rate, momentum=how.momentum, nesterov=True)


class Training:
    """One network's way from its seed, or its checkpoint, to the last epoch.

    Nothing is drawn at random but from (seed, epoch) and a view's number, so that these are the whole state of the
    random numbers, and the epoch and step that of the schedule: a checkpoint goes on as if nothing had happened.
    """

    def __init__(self, folder: Path, dataset: str, name: str, how: Recipe, seed: int) -> None:
        self.folder, self.dataset, self.name, self.how, self.seed = folder, dataset, name, how, seed
        self.path = folder / dataset / f"{name}.pt"
        torch.manual_seed(seed)
        self.network = NETWORKS[dataset][name]().to(DEVICE, memory_format=torch.channels_last)
        self.optimizer = optimizer_for(self.network, how)
        self.epoch, self.step, self.total, self.seconds, self.cpu_seconds = 0, 0, 0.0, 0.0, 0.0
        if self.path.exists():
            self.restore(load(self.path))

    @property
    def done(self) -> bool:
        return self.epoch >= self.how.epochs

    def restore(self, state: dict[str, Any]) -> None:
        asked = {"recipe": dataclasses.asdict(self.how), "seed": self.seed}
        if any(state[key] != value for key, value in asked.items()):
            raise SystemExit(f"{self.path} was started with another recipe or seed: remove it to start anew")
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.step, self.total = state["epoch"], state["step"], state["total"]
        self.seconds, self.cpu_seconds = state["seconds"], state["cpu_seconds"]

    def save(self) -> None:
        progress = {key: getattr(self, key) for key in ("epoch", "step", "total", "seconds", "cpu_seconds", "seed")}
        states = {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}
        save_atomically(self.path, {**progress, **states, "recipe": dataclasses.asdict(self.how)})

    def run_epoch(self, views: Views, labels: Labels, save_every: float) -> None:
        taught, view = None, self.epoch
        if self.how.teacher_share:
            view %= VIEWS
            views.start(view)
            taught = teacher_scores(self.folder, self.dataset, views, view)
        views.start(view)
        order = np.random.default_rng([self.seed, self.epoch]).permutation(len(labels))
        steps = max(1, len(labels) // self.how.batch)
        self.network.train()
        saved = time.monotonic()
        wall, cpu = self.seconds - time.monotonic(), self.cpu_seconds - time.process_time()
        while self.step < steps:
            chosen = order[self.step * self.how.batch : (self.step + 1) * self.how.batch]
            for group in self.optimizer.param_groups:
                group["lr"] = self.how.rate_at(self.epoch * steps + self.step, self.how.epochs * steps)
            wanted = torch.from_numpy(labels[chosen]).to(DEVICE)
            theirs = None if taught is None else taught[torch.from_numpy(chosen)].to(DEVICE)
            loss = loss_of(answer(self.network, views.take(chosen), self.how.bfloat16), wanted, theirs, self.how)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            self.total += loss.item()
            self.step += 1
            self.seconds, self.cpu_seconds = wall + time.monotonic(), cpu + time.process_time()
            if time.monotonic() - saved >= save_every:
                self.save()
                saved = time.monotonic()

    def end_epoch(self, images: Images, labels: Labels) -> None:
        right = float(np.mean(scores_of(self.dataset, self.network, images).argmax(1) == labels))
        line = {
            "dataset": self.dataset,
            "network": self.name,
            "epoch": self.epoch + 1,
            "epochs": self.how.epochs,
            "loss": round(self.total / self.step, 4),
            "validation": round(right, 4),
            "seconds": round(self.seconds, 1),
            "cpu_seconds": round(self.cpu_seconds, 1),
        }
        self.epoch, self.step, self.total, self.seconds, self.cpu_seconds = self.epoch + 1, 0, 0.0, 0.0, 0.0
        self.save()
        with self.path.with_suffix(".jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("dataset", nargs="?", choices=list(SOURCES), help="default: both")
    parser.add_argument("networks", nargs="*", help="default: all, the large one first")
    parser.add_argument("--teacher", choices=["large", "none"], default="large", help="whom the small ones learn from")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and of the order of the images")
    parser.add_argument("--epochs", type=int, help="instead of the recipe's number")
    parser.add_argument("--threads", type=int, default=1, help="on the CPU")
    parser.add_argument("--save-every", type=float, default=120, metavar="SECONDS", help="besides after every epoch")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    for dataset in [arguments.dataset] if arguments.dataset else SOURCES:
        unknown = set(arguments.networks) - set(NETWORKS[dataset])
        if unknown:
            parser.error(f"no network {', '.join(sorted(unknown))}; there are {', '.join(NETWORKS[dataset])}")
        images, labels = read(dataset, "train")
        parts = split(len(images))
        views = Views(dataset, images[parts["train"]])
        for name in arguments.networks or NETWORKS[dataset]:
            how = recipe(dataset, name, arguments.teacher)
            if arguments.epochs:
                how = dataclasses.replace(how, epochs=arguments.epochs)
            with claimed(state_folder() / dataset / f"{name}.pt") as free:
                if not free:
                    print(f"{dataset} {name}: left to the process that is training it", flush=True)
                    continue
                training = Training(state_folder(), dataset, name, how, arguments.seed)
                while not training.done:
                    training.run_epoch(views, labels[parts["train"]], arguments.save_every)
                    training.end_epoch(images[parts["validation"]], labels[parts["validation"]])


if __name__ == "__main__":
    main()
