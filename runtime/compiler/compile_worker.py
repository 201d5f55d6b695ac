"""Compiling one kernel, here or in a process of its own that is fed through pipes.

A request is a length (8 bytes, little-endian) and that many bytes of MessagePack; so is the answer, a CompiledKernel.
"""

from __future__ import annotations

import importlib
import os
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import IO, Any

import msgspec

from ..system.collection import no_collection
from ..targets.target import Target, named
from .abi import Kernel, signature
from .digest import kernel_key
from .object_file import CompiledKernel

LENGTH = struct.Struct("<Q")


class Request(msgspec.Struct):
    """A kernel by the module and name of its factory, its constants, and the target's name."""

    name: str
    module: str
    factory: str
    constants: dict[str, Any]
    target: str


def compile_one(name: str, factory: Kernel, constants: Mapping[str, Any], target: Target) -> CompiledKernel:
    """Compiles in this process; imports numba."""
    from ..simd.isa import Isa
    from .numba_bridge import compile_kernel

    symbol = f"k{kernel_key(name, target)}"
    with no_collection():
        function = factory(Isa(target), **constants)
        return CompiledKernel(compile_kernel(function, symbol, target), symbol, signature(function))


class Worker:
    """A process that compiles kernels one after the other, until close().

    interpreter: another Python than this one, with a millijoule of its own; it may be for another machine. folders:
    where it finds factories that are not millijoule's.
    """

    def __init__(self, interpreter: str | None = None, folders: Sequence[str] = ()) -> None:
        if interpreter is None:
            # The child finds the packages where this process does, whatever the folder it is started in.
            environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        else:
            environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
            environment["PYTHONPATH"] = os.pathsep.join(folders)
        self._process = subprocess.Popen(
            [interpreter or sys.executable, "-c", f"from {__name__} import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # What goes wrong in a worker of our own goes wrong here, too, and is raised here.
            stderr=subprocess.DEVNULL if interpreter is None else None,
            env=environment | {"PYTHONSAFEPATH": "1"},
        )

    def compile(self, name: str, factory: Kernel, constants: Mapping[str, Any], target: Target) -> CompiledKernel:
        """Raises OSError or ValueError where the process has ended."""
        assert self._process.stdin is not None and self._process.stdout is not None
        request = Request(name, factory.__module__, factory.__name__, dict(constants), target.name)
        _send(self._process.stdin, msgspec.msgpack.encode(request))
        return msgspec.msgpack.decode(_receive(self._process.stdout), type=CompiledKernel)

    def close(self) -> None:
        """Ends the process, also in the middle of a kernel."""
        self._process.kill()
        self._process.communicate()


def serve() -> None:
    """The worker's life: answers requests on standard input until it ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            request = msgspec.msgpack.decode(_receive(sys.stdin.buffer), type=Request)
        except EOFError:
            return
        factory = getattr(importlib.import_module(request.module), request.factory)
        compiled = compile_one(request.name, factory, request.constants, named(request.target))
        _send(answers, msgspec.msgpack.encode(compiled))


def _send(stream: IO[bytes], data: bytes) -> None:
    stream.write(LENGTH.pack(len(data)) + data)
    stream.flush()


def _receive(stream: IO[bytes]) -> bytes:
    size = _exactly(stream, LENGTH.size)
    return _exactly(stream, LENGTH.unpack(size)[0])


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError("the compiling process has ended")
    return data
