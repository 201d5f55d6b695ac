"""What random operators are drawn from: shapes with 0 and 1, huge attributes, every dtype."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from millijoule.runtime.graph import Quantization
from millijoule.runtime.ops.registry import Op

DIMS = [0, *(1, 2) * 4, *(3, 4, 5) * 3, *(6, 7, 8, 9, 15, 16, 17) * 2, 24, 31, 32, 33, 40, 64, 65, 100, 130, 300]
LARGEST = 20_000
"""Elements of one input."""
WILD = [
    *(-(2**63), -(2**62), -(2**31) - 1, -(2**31), -(2**16), -9, -2, -1, 0, 1, 2, 9, 1000, 2**15, 2**16, 22_000_000),
    *(2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1),
]
RARELY = 0.04
FAMILY = 50
"""So many seeds after each other have the operator, types and attributes in common."""
ACTIVATIONS: list[tuple[str | None, list[float]]] = [
    *((None, []),) * 3, ("Relu", []), ("Relu6", []), ("Clip", [-0.5, 2.0]), ("Sigmoid", []), ("LeakyRelu", [0.125]),
    ("Celu", [0.0]), ("Elu", [1.0]), ("HardSwish", []), ("Gelu", []),
]  # fmt: skip
FLOATS, INTEGERS = ["float32", "float16", "float64"], ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64"]
EVERY = [*FLOATS, *INTEGERS, "uint64", "bool"]
WORDS: dict[str, Sequence[Any]] = {
    "auto_pad": ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"],
    "reduction": ["none", "add", "mul", "min", "max"],
    "approximate": ["none", "tanh"],
    "direction": ["LEFT", "RIGHT"],
    "coordinate_transformation_mode": [
        *("half_pixel", "half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "tf_crop_and_resize"),
        "half_pixel_symmetric",
    ],
    "nearest_mode": ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"],
    "keep_aspect_ratio_policy": ["stretch", "stretch", "not_larger", "not_smaller"],
    "alpha": [1.0, 0.25, -0.5, 2.0, 0.0, 1e30],
    "beta": [0.5, 1.0],
    "to": [*EVERY, "bfloat16", "nothing"],
    "output_dtype": ["", "", "int8", "uint8", "float32", "float16"],
    "equation": ["ij,jk->ik", "ij,ij->i", "bij,bjk->bik", "ii->i", "i,j->ij", "...ij->...ji", "ij->", "ij,kj->ik"],
}
"""What an attribute of that name may be; all other attributes are numbers."""


@dataclass
class Operand:
    data: np.ndarray
    quant: Quantization | None = None
    constant: bool = False


@dataclass
class Drawn:
    """One node: operands (None: absent), attributes, number of outputs."""

    operands: list[Operand | None]
    attrs: dict[str, Any] = field(default_factory=dict)
    outputs: int = 1


class Draw:
    """Random sizes, numbers and tensors; what is sane is now and then replaced by what is not.

    kin draws what kernels are compiled for, types and attributes above all, and draws the same for all seeds of one
    family: what an operator does with memory shows in the sizes, of which one compiled kernel can be given many.
    """

    def __init__(self, seed: int) -> None:
        self.rng, self.kin = random.Random(seed), random.Random(seed // FAMILY)
        self.numbers = np.random.default_rng(seed)
        self.quantized = self.kin.random() < 0.3
        self.special = self.rng.random() < 0.1

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def dim(self) -> int:
        return self.rng.choice(DIMS)

    def shape(self, least: int = 0, most: int = 5) -> list[int]:
        return self.fit([self.dim() for _ in range(self.rng.randint(least, most))])

    def fit(self, shape: list[int]) -> list[int]:
        while prod(shape) > LARGEST:
            at = max(range(len(shape)), key=lambda i: shape[i])
            shape[at] = max(1, shape[at] // 2)
        return shape

    def number(self, low: int, high: int) -> int:
        return self.rng.choice(WILD) if self.chance(RARELY) else self.rng.randint(low, high)

    def some(self, count: int, low: int, high: int) -> list[int]:
        if self.chance(RARELY):
            count = self.rng.choice([0, 1, count + 1, 2 * count])
        return [self.number(low, high) for _ in range(count)]

    def axis(self, rank: int) -> int:
        return self.number(-max(rank, 1), max(rank - 1, 0))

    def axes(self, rank: int) -> list[int]:
        found = self.rng.sample(range(rank), self.rng.randint(0, rank))
        found = [a - rank if self.chance(0.3) else a for a in found]
        return [self.number(-rank - 1, rank) for _ in range(3)] if self.chance(RARELY) else found

    def dtype(self, kinds: Sequence[str] = EVERY) -> str:
        return "float32" if "float32" in kinds and self.kin.random() < 0.6 else self.kin.choice(list(kinds))

    def tensor(self, shape: Sequence[int], dtype: str | None = None, quantized: bool | None = None) -> Operand:
        """A tensor of numbers; in a quantized graph of int8, seldom uint8 or int16, with a scale."""
        shape = self.fit(list(shape))
        if quantized if quantized is not None else self.quantized and dtype is None:
            kind = self.kin.choice(["int8"] * 6 + ["uint8", "int16", "int32"])
            return Operand(self.integers(shape, kind), self.quantization(kind))
        kind = dtype or self.dtype()
        if np.dtype(kind).kind == "f":
            data = self.numbers.normal(0, 2, shape)
            if self.special and data.size:
                data.reshape(-1)[self.rng.randrange(data.size)] = self.rng.choice(
                    [np.nan, np.inf, -np.inf, 1e38, -0.0, 1e-40, 65504.0]
                )
            with np.errstate(over="ignore"):
                return Operand(np.asarray(data).astype(kind))
        return Operand(self.integers(shape, kind))

    def integers(self, shape: Sequence[int], dtype: str) -> np.ndarray:
        if dtype == "bool":
            return self.numbers.integers(0, 2, shape).astype(bool)
        info = np.iinfo(dtype)
        full = info.bits == 8 or self.chance(0.2)
        low, high = (info.min, info.max) if full else (max(info.min, -100), 100)
        return self.numbers.integers(low, high, shape, dtype, endpoint=True)

    def quantization(self, dtype: str, axis: int | None = None, count: int = 1) -> Quantization:
        low, high = {"int8": (-128, 127), "uint8": (0, 255)}.get(dtype, (0, 0))
        zeros = np.full(count, self.rng.randint(low, high) if self.chance(0.7) else 0, np.int32)
        scale = self.rng.choice([0.02, 0.02, 0.1, 1.0, 1e-8, 1e6] if self.chance(0.2) else [0.02, 0.05])
        return Quantization((scale * self.numbers.uniform(0.5, 2, count)).astype(np.float32), zeros, axis)

    def indices(self, shape: Sequence[int], size: int) -> Operand:
        low, high = (-size, size - 1) if size else (0, 0)
        data = self.numbers.integers(low, high, self.fit(list(shape)), endpoint=True)
        if data.ndim == 1 and data.size and self.chance(0.4):
            data = np.clip(
                self.rng.randint(low, high) + self.rng.choice([1, 1, 2, 0, -1]) * np.arange(data.size), low, high
            )
        if data.size and self.chance(2 * RARELY):
            data.reshape(-1)[self.rng.randrange(data.size)] = self.rng.choice(WILD)
        found = Operand(data.astype(np.int32 if self.chance(0.2) and abs(data).max(initial=0) < 2**31 else np.int64))
        found.constant = self.chance(0.6)
        return found

    def parameter(self, numbers: Sequence[int] | np.ndarray | int, dtype: str = "int64") -> Operand:
        """What an operator wants to be constant; seldom it is not."""
        return Operand(np.asarray(numbers, dtype), constant=not self.chance(RARELY))

    def sometimes_constant(self, operand: Operand, share: float = 0.5) -> Operand:
        operand.constant = self.chance(share)
        return operand

    def attributes(self, op: Op, **given: Any) -> dict[str, Any]:
        """The given ones, and of the others some, as their defaults and names suggest."""
        found = dict(given)
        for name, default in op.defaults.items():
            if name in found or not self.kin.random() < 0.3:
                continue
            if name == "activation":
                found["activation"], found["activation_params"] = self.kin.choice(ACTIVATIONS)
            elif name in WORDS:
                found[name] = self.kin.choice(WORDS[name])
            elif isinstance(default, float):
                found[name] = self.kin.choice([default, 0.0, 1.0, -1.0, 0.3, 1e30])
            elif isinstance(default, int):
                found[name] = self.number(0, 1)
        return found

    def window(self, shape: Sequence[int], kernel: Sequence[int]) -> dict[str, Any]:
        """Strides, pads and dilations of a window over the spatial axes, some of them."""
        rank, attrs = len(shape) - 2, dict[str, Any]()
        for name, share in (("strides", 0.5), ("dilations", 0.3)):
            if self.kin.random() < share:
                attrs[name] = [self.kin.randint(1, 3) for _ in range(rank)]
                if self.chance(2 * RARELY):
                    attrs[name] = self.some(rank, 1, 3)
        if self.kin.random() < 0.25:
            attrs["auto_pad"] = self.kin.choice(WORDS["auto_pad"])
        elif self.chance(0.7):
            attrs["pads"] = self.some(2 * rank, 0, max([2, *kernel[:1]]))
        return attrs

    def image(self, most: int = 3) -> list[int]:
        spatial = [self.dim() for _ in range(self.rng.choice([1, 2, 2, 2, 2, most]))]
        return self.fit([self.rng.choice([1, 1, 1, 2, 3, 0]), *spatial, self.dim()])
