"""Estimated cycles of the Arm kernels' innermost loops on each core, beside what the core can do at most:

    python .ci/arm_cycles.py MODEL ... [--core NAME ...] [--mca llvm-mca] [--kernels] [--json]

The kernels are those that the models' layers are given, compiled for each core's target; nothing runs. llvm-mca, of
LLVM 19 or newer, takes every load for a hit in the first cache. What stands outside of innermost loops is not counted.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

import millijoule as mj
from millijoule.runtime.compiler.numba_bridge import assembly
from millijoule.runtime.program.program import Call
from millijoule.runtime.simd.depthwise_layout import DepthwiseLayout
from millijoule.runtime.simd.isa import Isa
from millijoule.runtime.simd.tile_layout import TileLayout
from millijoule.runtime.targets.target import TARGETS, Target
from millijoule.tools.models.plans import plan_program

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
from assembly_text import count, innermost_loops
from llvm_mca import Timing, peaks, timings

CORES = {
    "cortex-a53": ("cortex-a53", "cortex-a53"),
    "cortex-a55": ("cortex-a55", "cortex-a55"),
    "cortex-a57": ("cortex-a57", "cortex-a57"),
    "cortex-a72": ("cortex-a72", "cortex-a72"),
    "cortex-a76, a78": ("aarch64-dotprod", "neoverse-n1"),
    "neoverse-n2": ("aarch64-i8mm", "neoverse-n2"),
}
"""Core -> target, and whose scheduling model of LLVM's it is: the A76 is the Neoverse N1's core, and the A78, which has
none of its own but an A57's, has as many vector units."""
PRODUCT = r"(fmla|sdot|smmla|smlal2?) v"
"""One for each vector of accumulators and step, where no sadalp stands behind two of them."""
PEAKS = {
    "f32": (["fmla {acc}.4s, v30.4s, v31.s[0]"], 4),
    "aarch64-neon": (
        ["smull {temporary}.8h, v30.8b, v31.8b", "smlal2 {temporary}.8h, v30.16b, v31.16b",
         "sadalp {acc}.4s, {temporary}.8h"], 16,
    ),
    "aarch64-dotprod": (["sdot {acc}.4s, v30.16b, v31.4b[0]"], 16),
    "aarch64-i8mm": (["smmla {acc}.4s, v30.16b, v31.16b"], 32),
}  # fmt: skip
"""The fastest products of a target's base, and how many multiply-adds they do."""
MULTIPLIES = (
    "conv_f32", "conv_int8", "winograd_f32", "depthwise_f32", "depthwise_int8", "depthwise_scan_int8",
)  # fmt: skip
"""Kernels whose loops are counted."""


class Work(NamedTuple):
    """kind: a row of the table. element: whose peak it is compared with. steps: how many there are in one run of the
    loop, runs: how many runs. macs: what one step multiplies. needed: those of all of them that the layer asked for."""

    kind: str
    element: str
    steps: int
    runs: int
    macs: int
    needed: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--core", action="append", choices=CORES, help="default: all of them")
    parser.add_argument("--mca", default="llvm-mca", metavar="PROGRAM")
    parser.add_argument("--kernels", action="store_true", help="a row for each kernel")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = []
    for core in options.core or CORES:
        name, model = CORES[core]
        rows += Core(core, TARGETS[name], options.mca, model).rows(options.models, options.kernels)
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode())
        return
    cores = list(dict.fromkeys(row["core"] for row in rows))
    cells = {(row["kernel"], row["core"]): f"{row['cycles']:.3f} ({100 * row['of_peak']:.0f} %)" for row in rows}
    print("| kernel | " + " | ".join(cores) + " |\n| --- |" + " --- |" * len(cores))
    for kernel in sorted({kernel for kernel, _ in cells}):
        print(f"| {kernel} | " + " | ".join(cells.get((kernel, core), "") for core in cores) + " |")
    most = {(row["element"], row["core"]): f"{row['peak']:.3f}" for row in rows}
    for element in sorted({element for element, _ in most}):
        print(f"| peak, {element} | " + " | ".join(most.get((element, core), "") for core in cores) + " |")


class Core:
    def __init__(self, name: str, target: Target, mca: str, model: str) -> None:
        self.name, self.target, self.mca, self.model = name, target, mca, model
        products = {"f32": PEAKS["f32"], "i8": PEAKS[target.base]}
        self.peaks = peaks(mca, model, ",".join(f"+{f}" for f in sorted(target.features)), products)

    def rows(self, models: list[str], each: bool) -> list[dict[str, Any]]:
        found: dict[tuple[str, str], list[tuple[float, float, float]]] = defaultdict(list)
        elements: dict[str, str] = {}
        steps = [step for path in models for step in self._calls(path)]
        loops = {call.name: self._loops(call) for call, _ in steps}
        for call, work in steps:
            taken = self._cycles(call, work, loops[call.name])
            done = work.steps * work.runs * work.macs
            found[work.kind, call.name if each else ""].append((taken, done, work.needed))
            elements[work.kind] = work.element
        rows = []
        for (kind, name), parts in sorted(found.items()):
            cycles, issued, needed = (sum(part[i] for part in parts) for i in range(3))
            peak = self.peaks[elements[kind]]
            if not cycles:
                print(f"no loop multiplies in {name or kind} on {self.name}", file=sys.stderr)
                continue
            row = {
                "core": self.name, "kernel": name or kind, "element": elements[kind], "macs": needed,
                "cycles": cycles / issued, "peak": peak, "of_peak": peak * issued / cycles, "needed": needed / issued,
            }  # fmt: skip
            rows.append(row)
        return rows

    def _calls(self, path: str) -> list[tuple[Call, Work]]:
        """The calls of a model's kernels that multiply; symbolic sizes are 1."""
        model = mj.convert(path)
        shapes = {
            name: tuple(size if isinstance(size, int) else 1 for size in info.shape or ())
            for name, info in model.inputs.items()
        }
        program = plan_program(model, shapes, self.target, 1)[0]
        calls = [step for step in program.steps if isinstance(step, Call) and kind_of(step)]
        of_node = defaultdict(list)
        for call in calls:
            of_node[call.node].append(call)
        return [
            (call, work_of(call, self.target, index == 0, program.node_macs[call.node] // len(of_node[call.node])))
            for index, call in enumerate(calls)
        ]

    def _loops(self, call: Call) -> list[tuple[int, Timing]]:
        """(products in it, timing) of the innermost loops that multiply, those with the most products first."""
        text = assembly(call.kernel(Isa(self.target), **call.constants), self.target)
        loops = [loop for loop in innermost_loops(text) if count(loop, PRODUCT)]
        counts = [count(loop, "sadalp v") or count(loop, PRODUCT) for loop in loops]
        features = ",".join(f"+{f}" for f in sorted(self.target.features))
        found = zip(counts, timings(loops, self.mca, self.model, features), strict=True)
        return sorted(found, key=lambda item: -item[0])

    def _cycles(self, call: Call, work: Work, loops: list[tuple[int, Timing]]) -> float:
        """Of all loops of a call: as many steps as possible in those that do several at once."""
        products, left, cycles = products_of(call, self.target), work.steps, 0.0
        for held, timing in loops:
            each = max(1, round(held / products))
            cycles += left // each * timing.cycles
            left %= each
        if left and loops:
            # LLVM has written the last steps one after the other.
            held, timing = loops[-1]
            cycles += left * timing.cycles * products / held
        return cycles * work.runs




def kind_of(call: Call) -> str | None:
    name = call.kernel.__name__
    return name if name in MULTIPLIES else None


def products_of(call: Call, target: Target) -> int:
    """Vector products in one step."""
    constants = call.constants
    if call.kernel.__name__.startswith(("conv_", "winograd_")):
        rows = constants["rows"]
        paired = call.kernel.__name__ == "conv_int8" and target.i8mm
        return (rows + rows % 2 if paired else rows) * constants["columns"]
    if call.kernel.__name__ == "depthwise_f32":
        return constants["kernel"] * constants["count"]
    layout = depthwise_layout(call, target)
    return len(layout.products()) * layout.columns * constants["repeat"] * constants["parts"] * outputs_of(call)


def outputs_of(call: Call) -> int:
    """Rows of outputs that a step adds to."""
    return 3 if call.kernel.__name__ == "depthwise_scan_int8" else 1


def depthwise_layout(call: Call, target: Target) -> DepthwiseLayout:
    c = call.constants
    return DepthwiseLayout.of(target, c["channels"], c["kernel"], c["stride"], c.get("dilation", 1), c["narrow"])


def work_of(call: Call, target: Target, first: bool, needed: int) -> Work:
    constants, numbers = call.constants, call.numbers
    kernel, chunks = call.kernel.__name__, call.chunks
    number = {name: int(value) for name, value in numbers.items()}
    if kernel.startswith("conv_"):
        element = "f32" if kernel == "conv_f32" else "i8"
        layout, rows = TileLayout.of(target, element), constants["rows"]
        tiles = chunks * number["blocks"] * -(-number["pixels"] // (rows // constants.get("tall", 1)))
        runs = tiles * number["kernel_rows"] * number["taps"] * number["passes"]
        macs = rows * constants["columns"] * layout.lanes * layout.depth
        role = "first layer" if first else "vector by matrix" if rows == 1 else "convolution"
        return Work(f"{kernel}, {role}", element, number["steps"], runs, macs, needed)
    if kernel == "winograd_f32":
        lanes = TileLayout.of(target, "f32").lanes
        runs = 16 * chunks * number["blocks"] * -(-number["count"] // constants["rows"])
        macs = constants["rows"] * constants["columns"] * lanes
        return Work(kernel, "f32", number["channels"], runs, macs, needed)
    stride = f", stride {constants['stride']}"
    if kernel == "depthwise_f32":
        tiles = chunks * number["blocks"] * -(-number["pixels"] // constants["count"])
        macs = constants["lanes"] * constants["kernel"] * constants["count"]
        return Work(kernel + stride, "f32", number["kernel_rows"], tiles, macs, needed)
    tile = depthwise_layout(call, target)
    pixels = constants["repeat"] * tile.pixels
    macs = tile.width // constants["joined"] * constants["kernel"] * pixels * outputs_of(call)
    if kernel == "depthwise_scan_int8":
        strips = chunks * number["blocks"] * number["strips"]
        return Work(kernel, "i8", number["lines"], strips, macs, needed)
    tiles = chunks * number["blocks"] * -(-number["pixels"] // pixels)
    return Work(kernel + stride, "i8", number["kernel_rows"], tiles, macs, needed)


if __name__ == "__main__":
    main()
