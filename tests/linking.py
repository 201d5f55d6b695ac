"""Objects to link and a way to run the result, natively or as a static aarch64 program under QEMU."""

from __future__ import annotations

import ctypes
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import llvmlite.binding as llvm
import pytest
from llvmlite import ir

from millijoule.runtime.compiler.linker import Blob
from millijoule.runtime.system.executable import map_bytes
from millijoule.runtime.targets.cpu import host_machine

I8, I16, I32, I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
TRIPLES = {"x86-64": "x86_64-unknown-linux-gnu", "aarch64": "aarch64-unknown-linux-gnu"}
MACHINES = list(TRIPLES)


def emit(build: Callable[[ir.Module], None], machine: str, *, code_model: str = "small", reloc: str = "pic") -> bytes:
    """The object file of the module that `build` fills, for the least CPU of the machine."""
    module = ir.Module(name="test")
    module.triple = TRIPLES[machine]
    build(module)
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target_machine = llvm.Target.from_triple(TRIPLES[machine]).create_target_machine(
        reloc=reloc, codemodel=code_model, opt=2
    )
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    return target_machine.emit_object(parsed)


def function(module: ir.Module, name: str, arguments: int = 1) -> tuple[ir.Function, ir.IRBuilder]:
    """A function int64 name(int64...) and a builder at its beginning."""
    made = ir.Function(module, ir.FunctionType(I64, [I64] * arguments), name=name)
    return made, ir.IRBuilder(made.append_basic_block())


def declare(module: ir.Module, name: str, *arguments: ir.Type) -> ir.Function:
    return ir.Function(module, ir.FunctionType(I64, arguments or [I64]), name=name)


def constant(module: ir.Module, name: str, values: list[int], kind: ir.Type = I64) -> ir.GlobalVariable:
    array = ir.ArrayType(kind, len(values))
    made = ir.GlobalVariable(module, array, name=name)
    made.initializer = ir.Constant(array, values)
    made.global_constant = True
    return made


def run(blob: Blob, entry: str, argument: int) -> int:
    """Calls int64 entry(int64) of a blob; under QEMU, where only the low 8 bits come back, as a program of its own."""
    if blob.machine == host_machine():
        call = map_bytes(blob.code).function(ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64), blob.symbols[entry])
        return call(argument)
    qemu = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    if blob.machine != "aarch64" or qemu is None:
        pytest.skip(f"nothing here runs {blob.machine} code (qemu-aarch64-static does)")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "program")
        path.write_bytes(static_program(blob, entry, argument))
        path.chmod(0o700)
        return subprocess.run([qemu, str(path)], timeout=60).returncode


def static_program(blob: Blob, entry: str, argument: int) -> bytes:
    """A static aarch64 ELF executable that exits with the low 8 bits of entry(argument), 0 <= argument < 65536."""
    base, code_at = 0x400000, 0x2000
    start = 0x1000
    call = (code_at + blob.symbols[entry] - start - 4) // 4
    words = (
        0xD2800000 | argument << 5,  # movz x0, #argument
        0x94000000 | call & 0x3FFFFFF,  # bl entry
        0xD2800BA8,  # movz x8, #93 (exit)
        0xD4000001,  # svc #0
    )
    size = code_at + len(blob.code)
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = struct.pack("<16sHHIQQQIHHHHHH", ident, 2, 183, 1, base + start, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x10000)
    return (header + segment).ljust(start, b"\0") + struct.pack("<4I", *words).ljust(code_at - start, b"\0") + blob.code
