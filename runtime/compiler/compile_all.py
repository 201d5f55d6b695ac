"""Compiles many kernels, on several cores where that is worth starting processes for."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...device_profiles import usable_cpus
from ..targets.target import Target
from .abi import Kernel
from .compile_worker import Worker, compile_one
from .object_file import CompiledKernel

KERNELS_PER_WORKER = 4
"""A process is worth starting for so many kernels: importing numba takes it as long as compiling three."""

SLOWEST = "softmax."
"""Kernels that take several times as long as others: begun first, or one process waits for the other at the end."""

Needed = Mapping[str, tuple[Kernel, Mapping[str, Any]]]
Started = Callable[[str], None]
Finished = Callable[[str, CompiledKernel], None]


def compile_all(names: Sequence[str], needed: Needed, target: Target, started: Started, finished: Finished) -> None:
    """Compiles the named kernels of needed (name -> factory, constants). started and finished are called one at a time.

    What a process fails at is compiled here, so that errors are raised here; so is everything where the system grants
    neither processes nor threads.
    """
    tasks: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name in sorted(names, key=lambda name: not name.startswith(SLOWEST)):
        tasks.put(name)
    failed: list[str] = []
    lock = threading.Lock()

    def help_out() -> None:
        try:
            worker = Worker()
        except OSError:
            return
        try:
            while (task := _next(tasks)) is not None:
                with lock:
                    started(task)
                try:
                    compiled = worker.compile(task, *needed[task], target)
                except (OSError, ValueError, EOFError):
                    failed.append(task)
                    return
                with lock:
                    finished(task, compiled)
        finally:
            worker.close()

    count = min(usable_cpus(), len(names) // KERNELS_PER_WORKER)
    helpers: list[threading.Thread] = []
    for _ in range(count - 1):
        helper = threading.Thread(target=help_out, daemon=True)
        try:
            helper.start()
        except RuntimeError:
            break
        helpers.append(helper)
    while (task := _next(tasks)) is not None:
        with lock:
            started(task)
        compiled = compile_one(task, *needed[task], target)
        with lock:
            finished(task, compiled)
    for helper in helpers:
        helper.join()
    for again in failed:
        finished(again, compile_one(again, *needed[again], target))


def _next(tasks: queue.SimpleQueue[str]) -> str | None:
    try:
        return tasks.get_nowait()
    except queue.Empty:
        return None
