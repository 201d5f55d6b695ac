"""Copies of peers' libraries are answered as a smaller CPU would answer them."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

pytest.importorskip("capstone")
pytest.importorskip("onnxruntime")

from millijoule.runtime.errors import TargetError
from millijoule.runtime.targets.target import TARGETS, detect, rank
from millijoule.tools.peers.cpuid_mask import CPUID, REPLACED
from millijoule.tools.peers.cpuid_patch import copy_patched, cpuid_places


def own_rank() -> tuple[int, int]:
    try:
        return rank(detect().name)
    except TargetError:
        return (-1, -1)


pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or own_rank() < rank("x86-64-v3"), reason="x86-64 Linux with AVX2 alone"
)

ASK = """
import ctypes, mmap, sys
from millijoule.runtime.targets.target import TARGETS
from millijoule.tools.peers.cpuid_mask import CPUID, REPLACED, answer_cpuid_as

# mov eax, edi; mov ecx, esi; push rbx; cpuid; mov [rdx], ..: eax, ebx, ecx and edx as of r8
BODY = "89f8 89f1 4989d0 53 {} 418900 41895804 41894808 4189500c 5b c3"

def asked(instruction, leaf, subleaf):
    code = bytes.fromhex(BODY.format(instruction.hex()))
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    found = (ctypes.c_uint32 * 4)()
    at = ctypes.addressof(ctypes.c_char.from_buffer(page))
    ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p)(at)(leaf, subleaf, found)
    return list(found)

answer_cpuid_as(TARGETS[sys.argv[1]])
for leaf, subleaf in ((0, 0), (1, 0), (7, 0), (7, 1), (0x80000001, 0)):
    print(leaf, subleaf, *asked(CPUID, leaf, subleaf), *asked(REPLACED, leaf, subleaf))
"""
AVX2, AVX512F, AVX512VNNI, AVX, FMA = (7, 0, 1, 5), (7, 0, 1, 16), (7, 0, 2, 11), (1, 0, 2, 28), (1, 0, 2, 12)
AVX_VNNI, SSE42 = (7, 1, 0, 4), (1, 0, 2, 20)


@pytest.mark.parametrize(
    ("target", "gone", "kept"),
    [
        ("x86-64-v2", {AVX, AVX2, FMA, AVX512F, AVX512VNNI, AVX_VNNI}, {SSE42}),
        ("x86-64-v3", {AVX512F, AVX512VNNI, AVX_VNNI}, {SSE42, AVX, AVX2, FMA}),
        ("x86-64-v3-vnni", {AVX512F, AVX512VNNI}, {SSE42, AVX, AVX2, FMA, AVX_VNNI}),
        ("x86-64-v4", {AVX512VNNI, AVX_VNNI}, {SSE42, AVX, AVX2, FMA, AVX512F}),
    ],
)
def test_a_smaller_cpu_answers(
    target: str, gone: set[tuple[int, int, int, int]], kept: set[tuple[int, int, int, int]]
) -> None:
    run = subprocess.run([sys.executable, "-c", ASK, target], capture_output=True, text=True, check=True)
    answers = {tuple(map(int, line.split()[:2])): list(map(int, line.split()[2:])) for line in run.stdout.splitlines()}
    assert answers[0, 0][:4] == answers[0, 0][4:]
    for leaf, subleaf, register, bit in gone | kept:
        true, told = (answers[leaf, subleaf][register + 4 * i] >> bit & 1 for i in range(2))
        assert told == (true if (leaf, subleaf, register, bit) in kept else 0)
    for (leaf, _), numbers in answers.items():
        for register in range(4):
            if (leaf, register) != (1, 1):  # where it runs
                assert numbers[4 + register] & ~numbers[register] == 0


def test_only_instructions_are_replaced(tmp_path: Path) -> None:
    # The installed package, also where what is imported by its name is a copy (.ci/held_cpu.py).
    package = Path(str(distribution("onnxruntime").locate_file("onnxruntime")))
    count = copy_patched(package, tmp_path)
    seen = 0
    for library in (tmp_path / "onnxruntime").rglob("*.so*"):
        if library.is_symlink():
            continue
        copy, original = library.read_bytes(), (package / library.relative_to(tmp_path / "onnxruntime")).read_bytes()
        places = list(cpuid_places(original))
        rest = bytearray(original)
        for place in places:
            assert original[place : place + 2] == CPUID and copy[place : place + 2] == REPLACED
            rest[place : place + 2] = REPLACED
        assert copy == rest
        seen += len(places)
    assert seen == count > 10


RUN = """
import sys
from millijoule.tools.peers import held
from millijoule.runtime.targets.target import TARGETS
held.detect = lambda: TARGETS["x86-64-v4-vbmi"]
isa = held.hold(TARGETS["x86-64-v3"], ["onnxruntime"])
import numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper, numpy_helper
graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "g",
    [helper.make_tensor_value_info(n, TensorProto.FLOAT, (8, 8)) for n in "ab"],
    [helper.make_tensor_value_info("c", TensorProto.FLOAT, (8, 8))])

def run(feeds):
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)[0]

a = np.arange(64, dtype=np.float32).reshape(8, 8)
assert (run({"a": a, "b": a}) == a @ a).all()

graph = helper.make_graph([helper.make_node("MatMulInteger", ["a", "b"], ["c"])], "g",
    [helper.make_tensor_value_info("a", TensorProto.UINT8, (1, 64))],
    [helper.make_tensor_value_info("c", TensorProto.INT32, (1, 4))],
    [numpy_helper.from_array(np.full((64, 4), 127, np.int8), "b")])
assert (run({"a": np.full((1, 64), 255, np.uint8)}) == 32 * 32767).all()
print(held.sentence(["onnxruntime"], isa, "x86-64-v3"))
"""


def test_a_held_peer_computes_as_on_avx2() -> None:
    """Floats the same; of uint8 * int8 pairs of products in int16, which saturate for want of VNNI."""
    pytest.importorskip("onnx")
    run = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "onnxruntime kept to AVX2"
    assert TARGETS["x86-64-v3"].avx2
