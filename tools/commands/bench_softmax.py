"""`mj bench softmax`: how long the algorithms of mj.softmax take, beside each other, a copy and other libraries."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from .. import options

if TYPE_CHECKING:
    import numpy as np

    from ..measure.softmax_contenders import Contender
    from ..measure.softmax_peers import Peer
    from ..report.progress import MeasureProgress

    Round = dict[str, np.ndarray]

SIZES = "1000,3000,10000,30000,100000,300000,1000000,3000000,10000000,30000000,100000000"
STORES = {"both": ("plain", "streaming"), "plain": ("plain",), "streaming": ("streaming",), "auto": ("auto",)}


class _Plan(NamedTuple):
    """How every size is measured. stores: of softmax_contenders.STORES. seconds: for each contender in a round."""

    stores: tuple[str, ...]
    threads: int
    seed: int
    rounds: int
    seconds: float
    peers: Mapping[str, Peer]


@click.command("softmax")
@click.option("--sizes", default=SIZES, show_default=True, metavar="N,...", help="Elements of the rows, such as "
              "1000,1e6.")  # fmt: skip
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1), metavar="N", help="Use at most N "
              "threads; the copy and SciPy use one.")  # fmt: skip
@click.option("--target", metavar="NAME", type=options.TARGET,
              help="Compile for this instruction set instead of the CPU's own.")  # fmt: skip
@click.option("--stores", default="both", show_default=True, type=click.Choice(list(STORES)), help="How algorithms "
              "write: through the caches (plain), past them (streaming), or as each would (auto).")  # fmt: skip
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1), help="How many rounds.")
@click.option("--seconds", default=0.1, show_default=True, type=click.FloatRange(min=0.001), help="Time each contender "
              "for so long in every round of a size, and at least once.")  # fmt: skip
@options.seed
@click.option("--peers/--no-peers", default=True, show_default=True, help="Also time SciPy, PyTorch, ONNX Runtime and "
              "LiteRT, where they are installed.")  # fmt: skip
@options.as_json
def command(
    sizes: str,
    threads: int,
    target: str | None,
    stores: str,
    rounds: int,
    seconds: float,
    seed: int,
    peers: bool,
    as_json: bool,
) -> None:
    """Measure the softmax of one row of float32, of the sizes in the paper of Dukhan and Ablavatski (2020).

    Timed in turns are the two-pass and both three-pass algorithms, what mj.softmax chooses ("auto"), a copy of the
    row, which no softmax can undercut out of cache, and other libraries. The input, uniform in -1000..1000, stays in
    the caches if it fits; the output is another from call to call, of as many as the caches cannot hold, or of 1000.
    But SciPy and LiteRT choose its place themselves, and may keep it in a cache: those are compared with mj.softmax
    that does so too ("auto warm"). Ratios are medians over the rounds, of the medians in each.

    \b
    Examples:
      mj bench softmax
      mj bench softmax --sizes 1e5,1e7 --threads 2 --no-peers
    """
    from ...device_profiles import usable_cpus
    from ..measure.softmax_contenders import fitting_sizes
    from ..measure.softmax_peers import open_peers
    from ..measure.softmax_report import show, summarise
    from ..report.display import emit_json
    from ..report.progress import MeasureProgress

    wanted, used = _parse_sizes(sizes), min(threads, usable_cpus())
    with ExitStack() as stack:
        compiled = stack.enter_context(_compiling_for(target))
        opened, absent = open_peers(used, stack) if peers else ({}, {})
        plan = _Plan(STORES[stores], used, seed, rounds, seconds, opened)
        report = _report(compiled, plan, absent)
        fitting, report["left_out"] = fitting_sizes(wanted, bool(opened))
        report["sizes"] = []
        progress = MeasureProgress(len(fitting) * rounds)
        for n in fitting:
            found, failed = _measure(n, plan, progress)
            report["left_out"] += failed
            report["sizes"].append(summarise(n, found, plan.stores, tuple(opened)))
    if as_json:
        emit_json(report)
    else:
        show(report)


def _parse_sizes(text: str) -> list[int]:
    from ...runtime.errors import InputError
    from ...runtime.softmax.softmax import MOST

    found = []
    for word in text.split(","):
        try:
            number = float(word)
        except ValueError:
            number = 0.0
        if not 1 <= number <= MOST or number != int(number):
            raise InputError(f"--sizes: '{word.strip()}' is no whole number from 1 to {MOST}")
        found.append(int(number))
    return list(dict.fromkeys(found))


@contextmanager
def _compiling_for(target: str | None) -> Iterator[str]:
    """The name of what is compiled for meanwhile; Error where that is no machine code, so that all would be alike."""
    from ...runtime.engine.engine import target_of
    from ...runtime.errors import Error
    from ...runtime.softmax.runner import forget

    variable = "MILLIJOULE_TARGET"
    before = os.environ.get(variable)
    asked = target or before or "host"
    found = target_of(asked)
    if found is None:
        raise Error(f"target {asked} has no machine code here, so there are no algorithms to compare")
    os.environ[variable] = asked
    forget()
    try:
        yield found.name
    finally:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before
        forget()


def _report(target: str, plan: _Plan, absent: Mapping[str, str]) -> dict[str, Any]:
    """All but the measurements."""
    from ..measure.machine import PACKAGES, describe, versions
    from ..measure.softmax_contenders import cache_bytes
    from ..measure.softmax_peers import PEERS

    return {
        "target": target,
        "threads": plan.threads,
        "seed": plan.seed,
        "stores": plan.stores,
        "rounds": plan.rounds,
        "cache_bytes": cache_bytes(),
        "machine": describe(),
        "versions": versions([*PACKAGES, *(PEERS[name][0] for name in plan.peers)]),
        "absent": dict(absent),
    }


def _measure(n: int, plan: _Plan, progress: MeasureProgress) -> tuple[list[Round], list[str]]:
    """Seconds per call of each contender in each round; and which peers failed, and why."""
    from ..measure.timing import SETTLE, SLICES, measure_round

    progress.at(f"{n:,} elements")
    contenders, failed = _contenders(n, plan)
    slowest = max(map(_warm, contenders))
    slices = max(1, min(SLICES, int(plan.seconds / (2 * slowest))))
    settle = SETTLE if plan.threads > 1 else 0.0
    rounds = []
    for _ in range(plan.rounds):
        rounds.append(measure_round(contenders, plan.seconds, settle, slices))
        progress.step()
    return rounds, failed


def _contenders(n: int, plan: _Plan) -> tuple[list[Contender], list[str]]:
    from ..measure.softmax_contenders import AUTO_WARM, SESSION, algorithms, auto, auto_warm, copy, make_row, session
    from ..measure.softmax_peers import OURS, join

    row = make_row(n, plan.seed)
    contenders = [*algorithms(row, plan.stores, plan.threads), auto(row, plan.threads)]
    beside = {OURS.get(name) for name in plan.peers}
    makers = {AUTO_WARM: auto_warm, SESSION: session}
    contenders += [make(row, plan.threads) for name, make in makers.items() if name in beside]
    for contender in contenders:
        contender.check()
    peers, failed = join(plan.peers, row)
    return [*contenders, *peers, copy(row)], failed


def _warm(contender: Contender) -> float:
    """Seconds that one of the calls takes that make it warm."""
    from ..measure.timing import warm_up

    began = time.perf_counter()
    warm_up(contender, 0.0, least=1)
    return time.perf_counter() - began
