"""Writes a section of docs/performance.md from what `mj bench FOLDER --threads 1 --peers --json` printed.

python docs/make_performance.py RUN.json [COMMAND]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec


def main() -> None:
    run = msgspec.json.decode(Path(sys.argv[1]).read_bytes())
    command = " ".join(sys.argv[2:]) or "mj bench FOLDER --threads 1 --peers"
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    bounds = run["bounds"]
    rates = bounds["macs_per_second"]
    print(f"## {run['target']}\n")
    print(f"{run['machine']['cpu']}, {run['machine']['system']}; {versions}. `{command}`\n")
    print(
        f"Bounds of one thread: {rates['i8'] / 1e9:.0f} GMAC/s int8, {rates['f32'] / 1e9:.0f} float, "
        f"{bounds['bytes_per_second'] / 1e9:.0f} GB/s from memory."
    )
    for line in run["held"]:
        print(line)
    print("\n| model | MMAC | ours | of the bound | of memory | fastest peer | its time / ours |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for row in (row for row in run["results"] if not row["brief"]):
        print(f"| {_facts(row)} | {row['best']} | {row['ratio']:.2f} |")
    means = ", ".join(f"{kind} {mean:.2f}" for kind, mean in run["means"].items())
    print(f"\nGeometric means: {means}.")
    brief = [row for row in run["results"] if row["brief"]]
    if brief:
        print("\nModels whose fastest peer takes less than 5 us, which no mean counts:\n")
        print("| model | MMAC | ours | of the bound | of memory | fastest peer | ours less its time |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for row in brief:
            print(f"| {_facts(row)} | {row['best']} | {1e6 * (row['seconds'] - row['best_seconds']):+.2f} us |")
    for model, reason in run["failed"].items():
        print(f"\nNot run: {Path(model).name}: {reason}")


def _facts(row: dict[str, Any]) -> str:
    cells = (
        Path(row["model"]).name,
        f"{row['macs'] / 1e6:.2f}",
        _duration(row["seconds"]),
        f"{100 * row['of_macs']:.0f} %",
        f"{100 * row['of_memory']:.0f} %",
    )
    return " | ".join(cells)


def _duration(seconds: float) -> str:
    return f"{1e3 * seconds:.2f} ms" if seconds >= 1e-3 else f"{1e6 * seconds:.1f} us"


if __name__ == "__main__":
    main()
