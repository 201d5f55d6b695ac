"""`mj profiles --measure`: what kernels, memory and helper threads do on this computer, as a profile."""

from __future__ import annotations

import os
import re
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from ...device_profiles import KernelCost, Profile, detect, usable_cpus, user_folder
from ...device_profiles.catalogue import HOST, SUFFIX
from ..measure.profile import profile_steps
from ..models.devices import described
from ..models.feeds import random_inputs
from ..models.plans import program_of
from ..report.display import counted
from .fit import Timing, fit
from .latency import BALANCE, Load, features, predicted
from .microbenchmarks import choice, networks
from .work import NUMPY, work_of

if TYPE_CHECKING:
    from ...runtime.model import Model
    from ...runtime.session import Session

READ: Final = 128 << 20
"""Bytes that are read to measure memory; beyond any cache of a small device."""
SHARES: Final = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Of the last cache, at which the algorithms of softmax are compared."""
REPEATS: Final = 7
SECONDS: Final = 0.1
"""For how long each small network is timed."""
INFERENCES: Final = 50
FEWEST: Final = 3
"""Timings of a kind of kernel, below which its costs are taken from the other kinds."""
SHORTEST: Final = 8
"""So many of the networks hardly do more than start."""


def measure_device(output: str | None) -> dict[str, Any]:
    """Times kernels, memory, threads and softmax here and writes a profile: this computer's own, or with `output` one
    that another computer can read, with all that is known of this one."""
    here = detect()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > 0.5 * usable_cpus():
        warnings.warn(f"load average {load:.1f}: other programs are busy, so that what is measured is too slow",
                      RuntimeWarning, stacklevel=2)  # fmt: skip
    models = list(networks())
    timed = time_networks(models, here, 1)
    alone = [step for network in timed for step in network.steps]
    costs, invoke = fit_all(alone), invoke_cost(timed)
    measured: dict[str, Any] = {
        "measured_on": here.cluster.core,
        "memory_gbps": {"value": round(read_speed(READ) * 1e-9, 2), "source": "measured: reading beyond the caches"},
        "cached_kib": cached_bytes(here) >> 10,
        "invoke_us": round(1e6 * invoke, 3),
        "stage_us": round(1e6 * stage_cost(invoke), 3),
        "share_us": round(share_cost(timed, models, here), 2),
        "softmax_share": softmax_share(here),
        "kernels": msgspec.to_builtins(costs),
    }
    path = Path(output) if output is not None else user_folder() / (HOST + SUFFIX)
    _write(path, {"extends": HOST, "name": HOST, "title": here.title} if output is None else _whole(path), measured)
    known = [timing for timing in alone if timing.kind in costs]
    wrong = sorted(100 * abs(predicted(timing.amounts, costs[timing.kind]) / timing.seconds - 1) for timing in known)
    return {
        "output": str(path), "kernels": sorted(costs), "memory_gbps": measured["memory_gbps"]["value"],
        "share_us": measured["share_us"], "softmax_share": measured["softmax_share"], "steps": len(known),
        "median_error_percent": wrong[len(wrong) // 2], "p90_error_percent": wrong[9 * len(wrong) // 10],
        "load_average": round(load, 2),
    }  # fmt: skip


@dataclass(frozen=True)
class Timed:
    """A network's steps, and the seconds of a whole inference."""

    steps: list[Timing]
    whole: float


def time_networks(models: Sequence[Model], profile: Profile, threads: int) -> list[Timed]:
    from ..report.progress import WorkProgress

    found = []
    with closing(WorkProgress()) as progress:
        for done, model in enumerate(models):
            progress(done, len(models), f"timing small networks on {counted(threads, 'thread')}")
            found.append(_timed(model, profile, threads))
    return found


def _timed(model: Model, profile: Profile, threads: int) -> Timed:
    from ...runtime.session import load

    feeds = random_inputs(model, {"x": model.inputs["x"].shape}, 0)  # type: ignore[dict-item]
    # That kernels are compiled is said of none: of ninety networks nearly every one has some.
    with load(model, threads=threads, progress=False) as session:
        session.run(feeds)
        whole = _inference(session, feeds)
        timed = profile_steps(session, feeds, SECONDS)
        shapes = {name: array.shape for name, array in feeds.items()}
        program, engine = session.engine.plan(shapes, ()).program, session.engine
        works, weights = work_of(program, engine.target), engine.weights.used
    whole_load = Load(weights, program.arena_bytes, profile.cached)
    steps = [
        Timing(work.kind, features(work, profile, whole_load), max(step["seconds"], 1e-9))
        for work, step in zip(works, timed, strict=True)
    ]
    return Timed(steps, whole)


def _inference(session: Session, feeds: Mapping[str, np.ndarray]) -> float:
    """Median seconds of an inference, without those of putting the inputs in place before it."""
    times = []
    for _ in range(INFERENCES):
        for name, array in feeds.items():
            session.inputs[name][...] = array
        began = time.perf_counter()
        session.invoke()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def fit_all(timings: Iterable[Timing]) -> dict[str, KernelCost]:
    groups: dict[str, list[Timing]] = defaultdict(list)
    for timing in timings:
        if timing.kind != NUMPY:
            groups[timing.kind].append(timing)
    return {kind: fit(group) for kind, group in groups.items() if len(group) >= FEWEST}


def share_cost(alone: Sequence[Timed], models: Sequence[Model], profile: Profile) -> float:
    """Microseconds: what the longer steps take with helpers beyond their part of the work; the default where there is
    one thread only. Networks that one thread computes strip by strip, and several do not, have other steps."""
    threads = profile.threads
    if threads == 1:
        return profile.share_us
    extra = [
        b.seconds - a.seconds / (1 + (threads - 1) * BALANCE)
        for one, both in zip(alone, time_networks(models, profile, threads), strict=True)
        if len(one.steps) == len(both.steps)
        for a, b in zip(one.steps, both.steps, strict=True)
        if a.kind == b.kind and a.seconds > 20e-6
    ]
    return max(0.0, 1e6 * float(np.median(extra))) if extra else profile.share_us


def cached_bytes(profile: Profile) -> int:
    """Of the last cache, what is read over and over at more than the mean of its speed in a quarter of that cache and
    in memory. Other programs, and other computers that share it, have the rest."""
    last = profile.cached
    inside, outside = read_speed(last // 4), read_speed(READ)
    found = last // 4
    for eighths in range(3, 9):
        if read_speed(last * eighths // 8) < (inside * outside) ** 0.5:
            break
        found = last * eighths // 8
    return found


def read_speed(count: int) -> float:
    """Bytes a second."""
    # Memory that was never written is one page of zeros, which the first cache holds.
    return count / _shortest(np.ones(count // 4, np.float32).max)


def invoke_cost(timed: Iterable[Timed]) -> float:
    """Seconds of an inference besides its steps: what is left of the shortest."""
    shortest = sorted(timed, key=lambda network: network.whole)[:SHORTEST]
    left = [network.whole - sum(step.seconds for step in network.steps) for network in shortest]
    return max(0.0, float(np.median(left))) if left else 0.0


def stage_cost(invoke: float) -> float:
    """Seconds of each program of a model whose shapes depend on data. invoke: of an inference besides its steps."""
    from ...runtime.session import load

    model = choice()
    feeds = random_inputs(model, {"x": (1,), "number": ()}, 0)
    with load(model, threads=1, progress=False) as session:
        session.run(feeds)
        return max(0.0, _inference(session, feeds) - invoke) / program_of(session.engine, feeds).stages


def softmax_share(profile: Profile) -> float:
    """Input and output over the last cache, from where on two passes that read the input again are the faster."""
    from ...runtime.softmax.softmax import softmax

    last = profile.cluster.last_cache
    if last is None:
        return profile.softmax_share
    found = SHARES[-1]
    for share in reversed(SHARES):
        x = np.zeros((1, max(1024, int(share * last.size) // 8)), np.float32)
        kept, again = (
            _shortest(partial(softmax, x, algorithm=name, out=np.empty_like(x)))
            for name in ("two-pass-reload", "two-pass")
        )
        if again > kept:
            break
        found = share
    return found


def _shortest(call: Callable[[], object]) -> float:
    call()
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times)


def _whole(path: Path) -> dict[str, Any]:
    """Everything that is known of this computer, under the file's name."""
    from ...runtime.targets.target import detect as detect_target

    profile, _ = described(HOST)
    fields: dict[str, Any] = _without_none(msgspec.to_builtins(profile))
    return {**fields, "name": re.sub("[^a-z0-9._-]", "-", path.stem.lower()), "target": detect_target().name}


def _write(path: Path, known: dict[str, Any], measured: dict[str, Any]) -> None:
    from ...device_profiles.catalogue import read
    from ...runtime.file.atomic import replacing

    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(msgspec.toml.encode({**known, **measured}))
    read(path)


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list) else value
