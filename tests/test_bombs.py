"""Models of a few hundred bytes that ask for minutes or gigabytes: each loads and runs, or is refused by a clear error,
within the memory that SECURITY.md promises and some seconds of CPU time.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bomb import MARKS, Bomb, chain, check, doubling, folded, one, spatial

from millijoule.runtime.graph import Quantization

pytestmark = MARKS

ONES = np.ones
LONG = Quantization(np.ones(1 << 17, np.float32), np.full(1 << 17, 3, np.int32), 0)
BOMBS: dict[str, Bomb] = {
    "pool of 30 001 x 30 001": Bomb(
        folded(("MaxPool", ["a"], "f", {"kernel_shape": [30001] * 2, "pads": [15000] * 4})),
        {"a": ONES((1, 1, 1, 1), np.float32)},
    ),
    "average of 30 001 x 30 001": Bomb(
        folded(("AveragePool", ["a"], "f", {"kernel_shape": [30001] * 2, "pads": [15000] * 4})),
        {"a": ONES((1, 3, 3, 1), np.float32)},
    ),
    "pool of 2001^3": Bomb(
        one("MaxPool", kernel_shape=[2001] * 3, pads=[1000] * 6), inputs=spatial(1, 1, 1, 1, 1)
    ),
    "patches of a convolution": Bomb(
        folded(("Conv", ["a", "w"], "f", {})),
        {"a": ONES((1, 300, 300, 1), np.float32), "w": ONES((1, 237, 237, 1), np.float32)},
    ),
    "convolution with far apart elements": Bomb(
        folded(("Conv", ["a", "w"], "f", {"dilations": [30000] * 2, "pads": [15000] * 4})),
        {"a": ONES((1, 1, 1, 1), np.float32), "w": ONES((1, 2, 2, 1), np.float32)},
    ),
    "convolution of stride 30 000": Bomb(
        one("Conv", ["x", "w"], strides=[30000] * 2, pads=[15000] * 4), {"w": ONES((1, 1, 1, 1), np.float32)},
        spatial(1, 1, 1, 1),
    ),
    "padded volume": Bomb(
        one("Conv", ["x", "w"], dilations=[2000] * 3, pads=[1000] * 6), {"w": ONES((1, 2, 2, 2, 1), np.float32)},
        spatial(1, 1, 1, 1, 1),
    ),
    "transposed convolution with far apart elements": Bomb(
        one("ConvTranspose", ["x", "w"], dilations=[30000] * 2, pads=[15000] * 4),
        {"w": ONES((1, 2, 2, 1), np.float32)}, spatial(1, 1, 1, 1),
    ),
    "transposed convolution of stride 30 000": Bomb(
        folded(("ConvTranspose", ["a", "w"], "f", {"strides": [30000] * 2, "output_shape": [8, 8]})),
        {"a": ONES((1, 2, 2, 1), np.float32), "w": ONES((1, 1, 1, 1), np.float32)},
    ),
    "transposed convolution of stride 65 536": Bomb(
        one("ConvTranspose", ["x", "w"], strides=[1, 65536]), {"w": ONES((1, 1, 1, 1), np.float32)}, spatial(1, 1, 2, 1)
    ),
    "transposed convolution of many phases": Bomb(
        one("ConvTranspose", ["x", "w"], strides=[99, 99]), {"w": ONES((1, 99, 99, 1), np.float32)}, spatial(1, 2, 2, 1)
    ),
    "outer product": Bomb(
        folded(("Einsum", ["a", "b"], "f", {"equation": "a,b->"})),
        {"a": ONES(300_000, np.float32), "b": ONES(300_001, np.float32)},
        refused="n0.*constants alone",
    ),
    "product of constants": Bomb(
        [("ConstantOfShape", ["n"], "a", {}), *folded(("MatMul", ["a", "a"], "f", {}))],
        {"n": np.array([12000, 12000])},
        refused="constants alone",
    ),
    "casts of one constant": Bomb(
        [*(("Cast", ["a"], f"c{i}", {"to": "float64"}) for i in range(300)),
         ("Concat", [f"c{i}" for i in range(300)], "wide", {"axis": 0}),
         *folded(("Cast", ["wide"], "f", {"to": "float32"}))],
        {"a": ONES(1 << 14, np.int8)},
    ),
    "casts of one constant as outputs": Bomb(
        [("Cast", ["a"], f"c{i}", {"to": "float64"}) for i in range(200)],
        {"a": ONES(1 << 17, np.int8)},
        outputs=[f"c{i}" for i in range(200)],
    ),
    "casts of many constants that are one tensor": Bomb(
        [*(("Cast", [f"a{i}"], f"c{i}", {"to": "float32"}) for i in range(400)),
         ("Max", [f"c{i}" for i in range(400)], "wide", {}), *folded(("Identity", ["wide"], "f", {}))],
        {f"a{i}": ONES(1 << 18, np.int8) for i in range(400)},
    ),
    "scales that many constants share": Bomb(
        one("Relu"), {f"a{i}": (ONES(1 << 17, np.int8), LONG) for i in range(1500)}
    ),
    "chain of casts": Bomb(
        [*(("Cast", [f"c{i}" if i else "a"], f"c{i + 1}", {"to": ("float64", "float32")[i % 2]}) for i in range(400)),
         *folded(("Identity", ["c400"], "f", {}))],
        {"a": ONES(1 << 16, np.int8)},
    ),
    "products with one large constant": Bomb(
        [("ConstantOfShape", ["n"], "w", {}), *(("MatMul", ["x", "w"], f"y{i}", {}) for i in range(120))],
        {"n": np.array([2000, 2000])}, spatial(1, 2000), [f"y{i}" for i in range(120)],
    ),
    "doubling": Bomb([*doubling(26), *folded()], {"a": ONES(1, np.float32)}),
    "shapes without end": Bomb(
        [("ConstantOfShape", ["n"], "f", {}), *folded()], {"n": np.array([1 << 40])}, refused="2 GiB"
    ),
    "one of many": Bomb(
        folded(("OneHot", ["i", "d", "v"], "f", {})),
        {"i": np.array([1]), "d": np.array(1 << 27), "v": np.array([0, 1], np.float32)},
    ),
    "tiles": Bomb(one("Tile", ["x", "n"]), {"n": np.array([1, 1 << 40])}, refused="2 GiB"),
    "expanded": Bomb(folded(("Expand", ["a", "n"], "f", {})), {"a": ONES(1, np.float32), "n": np.array([1 << 26])}),
    "range": Bomb(
        folded(("Range", ["a", "n", "b"], "r", {}), ("Cast", ["r"], "f", {"to": "float32"})),
        {"a": np.array(0), "n": np.array(1 << 26), "b": np.array(1)},
    ),
    "padded by billions": Bomb(one("Pad", ["x", "p"]), {"p": np.array([0, 1 << 33, 0, 1 << 33])}, refused="2 GiB"),
    "running sums": Bomb(
        folded(("Expand", ["a", "n"], "e", {}), *(("CumSum", ["e" if i == 0 else f"e{i}", "z"], f"e{i + 1}", {})
               for i in range(40)), ("Identity", ["e40"], "f", {})),
        {"a": ONES(1, np.float32), "n": np.array([1 << 22]), "z": np.array(0)},
    ),
    "neighbours without end": Bomb(one("LRN", size=1 << 40)),
    "chain of 10 000": Bomb(chain(10_000, ("Relu", {}), ("Neg", {}))),
    "outputs by the thousand": Bomb(
        [("Neg" if i % 2 else "Abs", ["x"], f"y{i}", {}) for i in range(5000)], outputs=[f"y{i}" for i in range(5000)]
    ),
    "casts as outputs by the thousand": Bomb(
        [("Cast", ["x"], f"y{i}", {"to": "float64"}) for i in range(5000)], outputs=[f"y{i}" for i in range(5000)],
        kernels=0,
    ),
    "states by the thousand": Bomb(
        [*(("Add", [f"s{i}", "x"], f"t{i}", {}) for i in range(5000)), *one("Abs")],
        inputs={"x": ((1, 4), "float32")} | {f"s{i}": ((1, 4), "float32") for i in range(5000)},
        outputs=["y", *(f"t{i}" for i in range(5000))], states={f"s{i}": f"t{i}" for i in range(5000)},
    ),
    "inputs by the thousand": Bomb(
        one("Concat", [f"x{i}" for i in range(5000)], axis=0),
        inputs={f"x{i}": ((1,), "float32") for i in range(5000)},
    ),
    "inputs of one Concat": Bomb(
        [*(("Neg" if i % 2 else "Abs", ["x"], f"t{i}", {}) for i in range(5000)),
         ("Concat", [f"t{i}" for i in range(5000)], "y", {"axis": 0})]
    ),
    "long names": Bomb(
        [("Abs", ["x" if i == 0 else f"{i}" * 1000], f"{i + 1}" * 1000, {}) for i in range(500)], outputs=["500" * 1000]
    ),
    "LeakyRelus of different slopes": Bomb(
        chain(60, *(("LeakyRelu", {"alpha": 0.1 + i / 1000}) for i in range(60))), kernels=6
    ),
    "activations of different parameters": Bomb(
        chain(60, *((op, {name: 0.3 + i / 100}) for i in range(20) for op, name in (
            ("Elu", "alpha"), ("Celu", "alpha"), ("HardSigmoid", "beta")))), kernels=8,
    ),
    "epilogues of different parameters": Bomb(
        [("Conv", ["x" if i == 0 else f"t{i}", "w"], "y" if i == 29 else f"t{i + 1}",
          {"activation": "LeakyRelu", "activation_params": [i / 100]}) for i in range(30)],
        {"w": ONES((8, 1, 1, 8), np.float32)}, spatial(1, 4, 4, 8), kernels=6,
    ),
    "depthwise by 1 x 4096": Bomb(
        one("Conv", ["x", "w"], group=8), {"w": ONES((8, 1, 4096, 1), np.float32)}, spatial(1, 1, 4104, 8), kernels=6
    ),
    "depthwise of stride 4096": Bomb(
        one("Conv", ["x", "w"], group=8, strides=[1, 4096]), {"w": ONES((8, 1, 2, 1), np.float32)},
        spatial(1, 1, 16384, 8), kernels=6,
    ),
    "depthwise of many images": Bomb(
        one("Conv", ["x", "w"], group=2), {"w": ONES((2, 1, 1, 1), np.float32)}, spatial(50_000, 1, 1, 2)
    ),
    "groups": Bomb(
        one("Conv", ["x", "w"], group=20_000), {"w": ONES((40_000, 1, 1, 2), np.float32)}, spatial(1, 1, 1, 40_000)
    ),
    "resize to 2^26": Bomb(
        one("Resize", ["x", "", "", "n"]), {"n": np.array([1, 1, 1 << 26, 1])}, spatial(1, 1, 4, 1, dtype="uint8"),
        refused="NumPy would take",
    ),
    "resize to 2^20": Bomb(
        one("Resize", ["x", "", "", "n"]), {"n": np.array([1, 1, 1 << 20, 1])}, spatial(1, 1, 4, 1, dtype="uint8")
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_runs_or_is_refused(name: str, tmp_path: Path) -> None:
    check(BOMBS[name], tmp_path)
