"""A small kernel file for this computer, and processes in which the system refuses something."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from linking import I64, emit, function
from llvmlite import ir
from msgspec.structs import replace

from millijoule.runtime.compiler.kernel_file import Compiled, encode
from millijoule.runtime.compiler.linker import Blob, link
from millijoule.runtime.compiler.loader import Code
from millijoule.runtime.targets.cpu import host_machine
from millijoule.runtime.targets.target import Target, named

LEAST = {"x86-64": "x86-64-v2", "aarch64": "aarch64-neon"}

# PR_SET_MDWE of Linux 6.3: no memory of this process may become executable that was not from the start.
REFUSE_EXECUTABLE_MEMORY = """
import ctypes, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) != 0:
    sys.exit(77)
"""


def adder(amount: int, machine: str | None = None) -> Blob:
    """Kernels `add`, `int64 add(int64 x) = x + amount`, and `triple`."""

    def build(module: ir.Module) -> None:
        _, builder = function(module, "add")
        builder.ret(builder.add(builder.function.args[0], I64(amount)))
        _, builder = function(module, "triple")
        builder.ret(builder.mul(builder.function.args[0], I64(3)))

    return link([emit(build, machine or host_machine())], {"add": "add", "triple": "triple"})


def least_target(machine: str | None = None) -> Target:
    return named(LEAST[machine or host_machine()])


def needing(*features: str) -> Target:
    """The least target of this computer, with further needs."""
    return replace(least_target(), name="strange", features=least_target().features | set(features))


def one_part(blob: Blob, target: Target, signatures: Mapping[str, str] | None = None) -> bytes:
    """A file for one target."""
    return encode([Compiled(blob, target, signatures or {})])


def adder_file(amount: int) -> bytes:
    return one_part(adder(amount), least_target(), {"add": "x:i"})


def call(code: Code, kernel: str, argument: int) -> int:
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(code.address(kernel))(argument)


def python(text: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs Python text in a process of its own, away from the checkout."""
    command = [sys.executable, "-c", text, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd="/")
