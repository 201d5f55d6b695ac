"""Runs random operators between guard pages, beside their references, in processes that may die of it.

    python tests/fuzz_operators.py --count 100000 --seed 0

prints how many ran, were refused with an error that says why, were not tried as they declare too much memory, raised
what is no error of millijoule's, gave other numbers than the NumPy reference, or died of a signal; and the first of
each such failure. `--case N` runs one graph in this process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_runner import memory_of, set_timers
from operator_draws import draw

from millijoule.runtime.errors import Error
from millijoule.runtime.evaluate import reference
from millijoule.runtime.evaluate.shapes import instantiate
from millijoule.runtime.graph import Graph
from millijoule.runtime.model import Model
from millijoule.runtime.session import load

DECLARED = 16 << 20
"""Bytes of all values of a graph, beyond which it is not tried."""
SECONDS, ADDRESS_SPACE = 30.0, 6 << 30
"""Of processor time for one graph, most of which compiling takes; and bytes beyond what the process began with."""
RAN, REFUSED, LARGE, UNCLEAR, DIFFERS, DIED = "ran", "refused", "large", "unclear", "differs", "died"
FAILURES = UNCLEAR, DIFFERS, DIED
Judge = Callable[[int], tuple[str, str]]
"""number of a graph -> one of the verdicts above, and what there is to say of it."""


@dataclass
class Report:
    verdicts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def add(self, number: int, verdict: str, text: str) -> None:
        self.verdicts[verdict] += 1
        if verdict in FAILURES:
            self.failures.append(f"{number}: {verdict}: {text}")


def judge(number: int, target: str = "host") -> tuple[str, str]:
    graph, feeds = draw(number)
    node = graph.nodes[-1]
    if declares_too_much(graph, feeds):
        return LARGE, node.op
    wanted: Mapping[str, np.ndarray] | str
    try:
        wanted = reference.run(graph, feeds)
    except MemoryError:
        return LARGE, node.op
    except Exception as problem:
        wanted = f"the reference raises {type(problem).__name__}: {problem}"
    else:
        # Sizes that are fed are known only now.
        if sum(array.nbytes for array in wanted.values()) > DECLARED:
            return LARGE, node.op
    try:
        with load(Model(graph), target=target, threads=1) as session:
            got = session.run(feeds)
    except Error as problem:
        return REFUSED, str(problem)
    except Exception:
        return UNCLEAR, f"{node.op}: {traceback.format_exc(limit=-3)}"
    if isinstance(wanted, str):
        return DIFFERS, f"{node.op}: {wanted}"
    texts = [difference(got[name], array) for name, array in wanted.items()]
    text = next((text for text in texts if text), "")
    return (DIFFERS, f"{node.op} {node.attrs}: {text}") if text else (RAN, node.op)


def declares_too_much(graph: Graph, feeds: Mapping[str, np.ndarray]) -> bool:
    try:
        tensors = instantiate(graph, {name: array.shape for name, array in feeds.items()}).tensors.values()
    except Error:
        return False
    return sum(tensor.size * tensor.dtype.itemsize for tensor in tensors) > DECLARED


def difference(got: Any, want: Any) -> str:
    """What is wrong with an output, an array or a sequence of them; nothing where integers are equal and floats near.

    Where the reference is infinite or NaN, so is the result: sums in another order may give the one for the other.
    """
    if isinstance(got, list):
        # A reference boxes the arrays of a sequence.
        held = [item for (item,) in want.tolist()]
        return next(filter(None, map(difference, got, held)), "") if len(got) == len(held) else "another sequence"
    if (got.shape, got.dtype) != (want.shape, want.dtype):
        return f"{got.dtype}{got.shape}, not {want.dtype}{want.shape}"
    if want.dtype.kind != "f":
        wrong = got != want
    else:
        x, y = got.astype(np.float64), want.astype(np.float64)
        finite = np.isfinite(y)
        size = np.abs(y[finite]).max(initial=1.0)
        near = {2: 1e-2, 4: 2e-4, 8: 1e-8}[want.dtype.itemsize]
        with np.errstate(invalid="ignore"):
            close = np.abs(x - y) <= near * np.abs(y) + near / 10 * min(size, 1e30)
        wrong = np.where(finite, ~close & ~(np.abs(x) > 1e38), np.isfinite(x) & (np.abs(x) < 1e30))
    if not wrong.any():
        return ""
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"{int(wrong.sum())} of {want.size} differ, at {at} {got[at]}, not {want[at]}"


def run(
    numbers: Sequence[int], judge: Judge, workers: int = 1, progress: Callable[[Report], object] | None = None
) -> Report:
    """Judges every number; a process that dies is replaced, and what it died of reported."""
    report = Report()
    shares = [list(numbers[worker::workers]) for worker in range(workers)]
    with tempfile.TemporaryDirectory() as folder:
        while any(shares):
            children = []
            for index, share in enumerate(share for share in shares if share):
                path = Path(folder) / str(index)
                path.write_text("")
                child = os.fork()
                if child == 0:
                    _work(share, judge, path)
                children.append((child, share, path))
            for child, share, path in children:
                status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                results = [json.loads(line) for line in path.read_text().splitlines()]
                for number, (verdict, text) in zip(share, results, strict=False):
                    report.add(number, verdict, text)
                del share[: len(results)]
                if status and share:
                    what = signal.Signals(-status).name if status < 0 else f"exit status {status}"
                    report.add(share.pop(0), DIED, what)
            if progress is not None:
                progress(report)
    return report


def _work(numbers: Iterable[int], judge: Judge, path: Path) -> None:
    """A child's whole life."""
    status = 1
    try:
        size = memory_of("VmSize") + ADDRESS_SPACE
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for kind in (signal.SIGPROF, signal.SIGALRM, signal.SIGSEGV, signal.SIGBUS):
            signal.signal(kind, signal.SIG_DFL)
        with path.open("w", buffering=1, encoding="utf-8") as lines:
            for number in numbers:
                set_timers(SECONDS)
                found = judge(number)
                set_timers(0)
                lines.write(json.dumps(found) + "\n")
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", default="host")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--show", type=int, default=40, help="failures to print")
    parser.add_argument("--case", type=int)
    chosen = parser.parse_args()
    os.environ |= {"MILLIJOULE_GUARD": "1", "MILLIJOULE_QUIET": "1", "OPENBLAS_NUM_THREADS": "1"}
    if chosen.case is not None:
        graph, _ = draw(chosen.case)
        for name, value in graph.values.items():
            print(name, value.dtype, value.shape, value.quant or "", "" if value.data is None else "constant")
        print(*(f"{node.op} {node.inputs} {node.attrs}" for node in graph.nodes), sep="\n")
        print(*judge(chosen.case, chosen.target), sep=": ")
        return 0
    first = chosen.seed * 10_000_000
    numbers = range(first, first + chosen.count)

    def tell(report: Report) -> None:
        print(dict(report.verdicts), file=sys.stderr, flush=True)

    report = run(numbers, partial(judge, target=chosen.target), chosen.workers, tell)
    print(*report.failures[: chosen.show], sep="\n")
    print(f"{chosen.count} graphs:", *(f"{report.verdicts[kind]} {kind}" for kind in (RAN, REFUSED, LARGE, *FAILURES)))
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
