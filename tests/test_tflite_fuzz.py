"""Damaged .tflite files convert or raise ModelError: never another exception, never much time or memory."""

from __future__ import annotations

import os
import random
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tflite")

import flatbuffers
import tflite
from tflite_builder import Model, Operator, Signature, Tensor

from millijoule.converters.tflite.convert import convert
from millijoule.runtime.errors import ModelError

ZOO = Path(os.environ.get("MILLIJOULE_ZOO", Path(__file__).parents[2] / "shared" / "zoo"))
MUTANTS = int(os.environ.get("MILLIJOULE_FUZZ", "1000"))


def small_model() -> bytes:
    """A float and a quantized branch, constants of several kinds, a signature and metadata."""
    weights = np.arange(54, dtype=np.float32).reshape(2, 3, 3, 3)
    tensors = [
        Tensor("x", (1, 6, 6, 3), "float32", signature=(-1, 6, 6, 3)),
        Tensor("w", (2, 3, 3, 3), "float32", weights),
        Tensor("conv", (1, 6, 6, 2), "float32"),
        Tensor("begin", (4,), "int32", np.zeros(4, np.int32)),
        Tensor("end", (4,), "int32", np.array([1, 3, 3, 2], np.int32)),
        Tensor("step", (4,), "int32", np.ones(4, np.int32)),
        Tensor("cut", (1, 3, 3, 2), "float32"),
        Tensor("q", (1, 3, 3, 2), "int8", scale=0.5, zero_point=3),
        Tensor("dw", (1, 3, 3, 2), "int8", np.ones((1, 3, 3, 2), np.int8), scale=[0.5, 0.25], axis=3),
        Tensor("bias", (2,), "int32", np.array([3, -4], np.int32), scale=[0.25, 0.125]),
        Tensor("y", (1, 3, 3, 2), "uint8", scale=0.5, zero_point=3),
    ]
    window = {"Padding": 0, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    operators = [
        Operator("CONV_2D", [0, 1, -1], [2], ("Conv2DOptions", window)),
        Operator("STRIDED_SLICE", [2, 3, 4, 5], [6], ("StridedSliceOptions", {"BeginMask": 9, "EndMask": 9})),
        Operator("QUANTIZE", [6], [7], ("QuantizeOptions", {})),
        Operator("DEPTHWISE_CONV_2D", [7, 8, 9], [10], ("DepthwiseConv2DOptions", {**window, "DepthMultiplier": 1})),
    ]
    metadata = b"\x10\0\0\0M001" + bytes(40)
    return Model(tensors, operators, [0], [10], [Signature({"a": 0}, {"b": 10})], metadata).to_bytes()


def mutate(content: bytes, rng: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        kind, place = rng.randrange(5), rng.randrange(8, len(data))
        if kind == 0:
            data[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 2:
            place &= ~3
            data[place : place + 4] = rng.choice((0, 1, 4, 0x7FFFFFFF, 0xFFFFFFFF, len(data))).to_bytes(4, "little")
        elif kind == 3:
            other = rng.randrange(8, len(data))
            data[place : place + 4] = data[other : other + 4]
        else:
            del data[rng.randrange(place, len(data)) :]
            if len(data) <= 8:
                break
    return bytes(data)


def survive(content: bytes, path: Path) -> bool:
    """Whether it still converts."""
    path.write_bytes(content)
    start = time.thread_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            convert(path)
    except ModelError:
        return False
    finally:
        assert time.thread_time() - start < 5
    return True


def test_mutants_of_a_small_model(tmp_path: Path) -> None:
    content, rng = small_model(), random.Random(1)
    assert survive(content, tmp_path / "model.tflite")
    converted = sum(survive(mutate(content, rng), tmp_path / "model.tflite") for _ in range(MUTANTS))
    assert 0 < converted < MUTANTS


@pytest.mark.parametrize("name", ["hello_world_int8", "micro_speech_int8", "kws_int8"])
def test_mutants_of_real_models(name: str, tmp_path: Path) -> None:
    """Constants are mostly weights, where damage shows nowhere, so the mutants concern the graph's part of the file."""
    path = ZOO / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path} is absent; MILLIJOULE_ZOO names the folder of real models")
    content, rng = path.read_bytes(), random.Random(2)
    for _ in range(MUTANTS // 4):
        survive(mutate(content, rng), tmp_path / "model.tflite")


def test_every_truncation(tmp_path: Path) -> None:
    content = small_model()
    for size in range(0, len(content), 7):
        survive(content[:size], tmp_path / "model.tflite")


def test_overlapping_vectors_cannot_multiply_the_work(tmp_path: Path) -> None:
    """20 000 operators that are all the same table, whose inputs are as long as half the file."""
    b = flatbuffers.Builder(64)
    long = b.CreateNumpyVector(np.zeros(20000, np.int32))
    tflite.OperatorStart(b)
    tflite.OperatorAddInputs(b, long)
    one = tflite.OperatorEnd(b)
    b.StartVector(4, 20000, 4)
    for _ in range(20000):
        b.PrependUOffsetTRelative(one)
    many = b.EndVector()
    tflite.OperatorCodeStart(b)
    code = tflite.OperatorCodeEnd(b)
    b.StartVector(4, 1, 4)
    b.PrependUOffsetTRelative(code)
    codes = b.EndVector()
    tflite.SubGraphStart(b)
    tflite.SubGraphAddOperators(b, many)
    subgraph = tflite.SubGraphEnd(b)
    b.StartVector(4, 1, 4)
    b.PrependUOffsetTRelative(subgraph)
    subgraphs = b.EndVector()
    tflite.ModelStart(b)
    tflite.ModelAddVersion(b, 3)
    tflite.ModelAddOperatorCodes(b, codes)
    tflite.ModelAddSubgraphs(b, subgraphs)
    b.Finish(tflite.ModelEnd(b), b"TFL3")
    path = tmp_path / "model.tflite"
    path.write_bytes(bytes(b.Output()))
    with pytest.raises(ModelError, match="longer than the file"):
        convert(path)
