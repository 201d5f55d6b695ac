"""Compiling in other processes gives what compiling here gives, and survives their end."""

from __future__ import annotations

from typing import Any

import pytest

from millijoule.runtime.compiler import compile_all as module
from millijoule.runtime.compiler.abi import Kernel, kernel_name
from millijoule.runtime.compiler.compile_all import compile_all
from millijoule.runtime.compiler.compile_worker import Worker, compile_one
from millijoule.runtime.compiler.object_file import CompiledKernel
from millijoule.runtime.kernels.copy import copy, fill_border, fill_rows
from millijoule.runtime.targets.target import named

TARGET = named("x86-64-v2")
VARIANTS: list[tuple[Kernel, dict[str, Any]]] = [
    (fill_border, {}),
    (fill_rows, {}),
    *((copy, {"itemsize": size, "rows": rows, "flip": False}) for size in (1, 4, 8) for rows in (False, True)),
]
NEEDED = {kernel_name(factory, constants): (factory, constants) for factory, constants in VARIANTS}


def gather(monkeypatch: pytest.MonkeyPatch, cpus: int) -> tuple[dict[str, CompiledKernel], list[str]]:
    monkeypatch.setattr(module, "usable_cpus", lambda: cpus)
    found: dict[str, CompiledKernel] = {}
    started: list[str] = []
    compile_all(sorted(NEEDED), NEEDED, TARGET, started.append, found.__setitem__)
    return found, started


def test_processes_compile_what_this_one_would(monkeypatch: pytest.MonkeyPatch) -> None:
    alone, _ = gather(monkeypatch, 1)
    together, started = gather(monkeypatch, 2)
    assert sorted(started) == sorted(NEEDED)
    assert {name: (c.symbol, c.signature) for name, c in together.items()} == {
        name: (c.symbol, c.signature) for name, c in alone.items()
    }
    assert all(compiled.object.startswith(b"\x7fELF") for compiled in together.values())


def test_a_worker_compiles() -> None:
    name = kernel_name(fill_rows, {})
    worker = Worker()
    try:
        compiled = worker.compile(name, fill_rows, {}, TARGET)
    finally:
        worker.close()
    assert compiled.signature == compile_one(name, fill_rows, {}, TARGET).signature


@pytest.mark.parametrize("refused", ["subprocess.Popen", "threading.Thread.start"])
def test_where_no_process_or_thread_can_be_started_all_is_compiled_here(
    refused: str, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    problem = PermissionError("exec is refused") if "Popen" in refused else RuntimeError("can't start new thread")

    def refuse(*_: object, **__: object) -> None:
        raise problem

    monkeypatch.setattr(refused, refuse)
    found, started = gather(monkeypatch, 2)
    assert sorted(found) == sorted(started) == sorted(NEEDED)
    assert not recwarn.list


def test_what_a_dead_worker_leaves_is_compiled_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    found, _ = gather(monkeypatch, 2)
    assert sorted(found) == sorted(NEEDED)
