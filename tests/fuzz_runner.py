"""Runs a callable on many files in forked processes that may crash, hang or swell without taking the test along."""

from __future__ import annotations

import json
import os
import resource
import signal
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from millijoule.runtime.errors import Error, ModelError

Answer = Mapping[str, np.ndarray]
Load = Callable[[Path, bool], Answer]
"""(path, verify) -> the outputs for some fixed inputs, or an Error."""

WAITING = 10
"""A busy machine may make a process wait."""
RESET_PEAK = Path("/proc/self/clear_refs")
"""Writing 5 here makes the peak of resident memory start anew; Linux, Documentation/filesystems/proc.rst."""


@dataclass(frozen=True)
class Limits:
    """seconds: of processor time for one file, and WAITING times as many until it is done. address_space: bytes above
    what the process has before its first file. resident: bytes of memory that one file may make it touch."""

    seconds: float = 10.0
    address_space: int = 128 << 20
    resident: int = 96 << 20


@dataclass(frozen=True)
class Outcome:
    """failures: what went wrong, one text a file. answered: how many files still gave an answer without checksum."""

    failures: list[str]
    answered: int


def judge(content: bytes, load: Load, sound: Answer, path: Path) -> tuple[str, bool]:
    """What the two runs of one file did wrong, or an empty text; and whether the unverified one gave an answer."""
    path.write_bytes(content)
    answered = False
    try:
        try:
            if not same(load(path, True), sound):
                return "verified, but gives another answer", False
        except ModelError:
            pass
        try:
            load(path, False)
            answered = True
        except Error:
            pass
    except Exception:
        return traceback.format_exc(), False
    finally:
        # The next file is another one: writing to this one would pull pages from under what still maps it.
        path.unlink()
    return "", answered


def same(left: Answer, right: Answer) -> bool:
    return left.keys() == right.keys() and all(
        left[name].dtype == right[name].dtype and np.array_equal(left[name], right[name], equal_nan=True)
        for name in left
    )


def run(
    contents: Callable[[int], bytes],
    indices: Sequence[int],
    load: Load,
    sound: Answer,
    folder: Path,
    limits: Limits,
    workers: int = 1,
) -> Outcome:
    """Judges contents(index) for every index; a process that dies is replaced, and the file it died of reported."""
    failures: list[str] = []
    answered = 0
    shares = [list(indices[worker::workers]) for worker in range(workers)]
    while any(shares):
        children: list[tuple[int, list[int], Path]] = []
        for share in shares:
            report = folder / f"report-{len(children)}"
            child = os.fork()
            if child == 0:
                _work(contents, share, load, sound, folder, limits, report)
            children.append((child, share, report))
        for child, share, report in children:
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            results = [json.loads(line) for line in report.read_text().splitlines()]
            report.unlink()
            failures += [f"mutant {index}: {text}" for index, (text, _) in zip(share, results, strict=False) if text]
            answered += sum(answer for _, answer in results)
            del share[: len(results)]
            if status:
                what = signal.Signals(-status).name if status < 0 else f"exit status {status}"
                failures.append(f"mutant {share.pop(0) if share else 'none'}: the process died of {what}")
    for stale in folder.glob("*.mj"):
        stale.unlink()
    return Outcome(failures, answered)


def _work(
    contents: Callable[[int], bytes],
    indices: Sequence[int],
    load: Load,
    sound: Answer,
    folder: Path,
    limits: Limits,
    report: Path,
) -> None:
    """A child's whole life; it leaves through os._exit, so that nothing of the test's own runs twice."""
    status = 1
    try:
        size = memory_of("VmSize") + limits.address_space
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for kind in (signal.SIGPROF, signal.SIGALRM):
            signal.signal(kind, signal.SIG_DFL)
        with report.open("w", buffering=1, encoding="utf-8") as lines:
            for index in indices:
                content = contents(index)
                RESET_PEAK.write_text("5")
                before = memory_of("VmRSS")
                set_timers(limits.seconds)
                failure, answered = judge(content, load, sound, folder / f"{os.getpid()}-{index}.mj")
                set_timers(0)
                swollen = memory_of("VmHWM") - before
                if not failure and swollen > limits.resident:
                    failure = f"touched {swollen >> 20} MiB"
                lines.write(json.dumps((failure, answered)) + "\n")
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def set_timers(seconds: float) -> None:
    """SIGPROF after so much processor time, SIGALRM after WAITING times as long; 0: neither."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, WAITING * seconds)


def memory_of(kind: str) -> int:
    """Bytes, as /proc/self/status counts them: VmSize address space, VmRSS resident, VmHWM the peak of that."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split(kind + ":", 1)[1].split(maxsplit=1)[0])
