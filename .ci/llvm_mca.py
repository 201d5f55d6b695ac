"""Cycles of loops by llvm-mca, which simulates a core from LLVM's scheduling model of it. Every load is a hit in the
first cache, every branch is predicted, and memory is never the reason to wait for another instruction."""

from __future__ import annotations

import re
import subprocess
from typing import NamedTuple

import msgspec

ITERATIONS, WIDTH = 100, 12
LABEL = re.compile(r"\.L\w+$")


class Timing(NamedTuple):
    """Cycles of one iteration, in the middle of many; and what the busiest of the core's resources needs for it."""

    cycles: float
    bound: float


def timings(loops: list[list[str]], program: str, cpu: str, features: str = "") -> list[Timing]:
    """Of loops of AArch64 instructions, one a string, on a core that LLVM names `cpu`."""
    short, long = (_run(loops, program, cpu, features, count) for count in (ITERATIONS, 2 * ITERATIONS))
    return [
        Timing((b["TotalCycles"] - a["TotalCycles"]) / ITERATIONS, a["BlockRThroughput"])
        for a, b in zip(short, long, strict=True)
    ]


def _run(loops: list[list[str]], program: str, cpu: str, features: str, iterations: int) -> list[dict[str, float]]:
    lines = [".Ltop:"]
    for index, loop in enumerate(loops):
        lines += [f"# LLVM-MCA-BEGIN {index}", *(LABEL.sub(".Ltop", line) for line in loop), "# LLVM-MCA-END"]
    command = [program, "-mtriple=aarch64", f"-mcpu={cpu}", f"-mattr={features}", "-json", f"-iterations={iterations}"]
    done = subprocess.run(command, input="\n".join(lines) + "\n", capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{program} failed: {done.stderr.strip()[-2000:]}")
    regions = msgspec.json.decode(done.stdout)["CodeRegions"]
    return [region["SummaryView"] for region in sorted(regions, key=lambda region: int(region["Name"]))]


def peaks(program: str, cpu: str, features: str, products: dict[str, tuple[list[str], int]]) -> dict[str, float]:
    """Cycles of one multiply-add at most, by name. products: instructions with {acc} and {temporary}, which are done
    one kind after the other on registers of their own, and how many multiply-adds they do."""
    loops = [
        [form.format(acc=f"v{i}", temporary=f"v{i + WIDTH}") for form in forms for i in range(WIDTH)]
        for forms, _ in products.values()
    ]
    found = timings(loops, program, cpu, features)
    return {
        name: timing.cycles / WIDTH / macs for (name, (_, macs)), timing in zip(products.items(), found, strict=True)
    }
