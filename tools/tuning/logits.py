"""What classifiers say of samples: each runs once over all of them, and that is kept on disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from ...runtime.cascade.gate import Gate
from ...runtime.cascade.head import find_head
from ...runtime.cascade.model import CascadeModel
from ...runtime.memory.fingerprint import fingerprint
from ...runtime.model import Model
from ...runtime.system.hashing import blake2b
from ..models.plans import any_target, program_of
from . import kept
from . import samples as samples_module

if TYPE_CHECKING:
    from .samples import Samples

KEY_BYTES = 20


class Said(NamedTuple):
    """logits: (samples, classes) float32, before any temperature. seconds: the median of an inference, here. macs: its
    multiply-adds. shapes: of the inputs."""

    logits: np.ndarray
    seconds: float
    macs: int
    shapes: dict[str, tuple[int, ...]]


def ask(
    model: Model, samples: Samples, what: str, *, threads: int | None, target: str | None,
    progress: Callable[[int, int, str], None], names: Mapping[str, str] | None = None,
) -> Said:  # fmt: skip
    """Runs a classifier on every sample. what: how errors call it. names: as Samples.feeder. progress: called with how
    many samples are done, of how many, and what.

    ModelError where it is no classifier, InputError where the samples are not for it.
    """
    samples.check_labels(find_head(model, what).classes, what)
    feed = samples.feeder(model, what, names)
    first = {name: array.shape for name, array in feed(0).items()}
    key = _key(model, samples, threads, target)
    known = kept.find(key)
    if known is not None and len(known.get("logits", ())) == len(samples):
        return Said(known["logits"], float(known["seconds"]), int(known["macs"]), first)
    linked = CascadeModel.of([model], Gate())
    logits = next(node.inputs[0] for node in linked.graph.nodes if node.outputs == [linked.linked.probabilities])
    graph = msgspec.structs.replace(linked.graph, outputs=[*linked.graph.outputs, logits])
    found, times, macs = _run(
        Model(graph, linked.metadata), logits, feed, len(samples), what, threads, target, progress
    )
    seconds = float(np.median(times))
    kept.keep(key, {"logits": found, "seconds": np.float64(seconds), "macs": np.int64(macs)})
    return Said(found, seconds, macs, first)


def _run(
    model: Model, logits: str, feed: Callable[[int], dict[str, np.ndarray]], count: int, what: str, threads: int | None,
    target: str | None, progress: Callable[[int, int, str], None],
) -> tuple[np.ndarray, list[float], int]:  # fmt: skip
    """The logits of every sample, seconds of every inference, and the multiply-adds of one."""
    from ..models.sources import load

    rows, times, shapes = list[np.ndarray](), list[int](), dict[str, tuple[int, ...]]()
    with load(model, threads, target) as session:
        for index in range(count):
            row = feed(index)
            if {name: array.shape for name, array in row.items()} != shapes:
                shapes = {name: array.shape for name, array in row.items()}
                session.resize(shapes)
                session.invoke()
                places = dict(session.inputs)
            for name, array in row.items():
                places[name][...] = array
            began = time.perf_counter_ns()
            session.invoke()
            times.append(time.perf_counter_ns() - began)
            rows.append(session.outputs[logits].reshape(-1).copy())
            progress(index + 1, count, what)
        macs = program_of(session.engine, row).macs
    return np.stack(rows).astype(np.float32), [ns * 1e-9 for ns in times], macs


def _key(model: Model, samples: Samples, threads: int | None, target: str | None) -> str:
    """Of all that decides what is kept: the times, too, which are this computer's."""
    from ...device_profiles import detect, usable_cpus
    from ...runtime.compiler.digest import runtime_digest

    resolved = any_target(target)
    how = f"{'numpy' if resolved is None else resolved.name} {threads} {usable_cpus()} {detect().cluster.core}"
    code = [Path(file).read_bytes() for file in (__file__, samples_module.__file__)]
    found = blake2b(digest_size=KEY_BYTES)
    for part in (fingerprint(model), samples.digest, runtime_digest().encode(), how.encode(), *code):
        found.update(len(part).to_bytes(8, "little") + part)
    return found.hexdigest()
