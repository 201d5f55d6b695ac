"""Writes the tables of docs/profiles.md that compare predictions with published measurements.

python docs/make_estimates.py prints them, from the line "### Latency" on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import quantiles

from millijoule.tools.estimate import published
from millijoule.tools.estimate.published import Check

MISS = 1.5
"""Predictions that are wrong by more are listed one by one."""


def main() -> None:
    rows = published.rows()
    modelled = published.estimates(rows)
    own, other = (published.check_latency(rows, modelled, other_boards=flag) for flag in (False, True))
    energy = published.check_energy(rows, modelled)
    print("### Latency\n")
    print("| engine | board | rows | median | worst | median, from other boards alone |")
    print("| --- | --- | --- | --- | --- | --- |")
    strangers = _grouped(other)
    for (engine, board), checks in _grouped(own).items():
        stranger = strangers.get((engine, board))
        alone = f"{published.middle(stranger):.2f}" if stranger else "none"
        worst = max(check.wrong_by for check in checks)
        print(f"| {engine} | {board} | {len(checks)} | {published.middle(checks):.2f} | {worst:.2f} | {alone} |")
    ninth = quantiles([check.wrong_by for check in own], n=10)[-1]
    alike = f"median {published.middle(own):.2f}, nine of ten within {ninth:.2f}"
    print(f"\nAll {len(own)} rows: {alike}; from other boards alone, {len(other)} rows: median "
          f"{published.middle(other):.2f}. Off by more than {MISS}:\n")  # fmt: skip
    _list([check for check in own if check.wrong_by > MISS], "ms")
    print("\n### Energy\n")
    print(f"Median of {len(energy)} rows: {published.middle(energy):.2f}. All of them:\n")
    _list(energy, "mJ")


def _grouped(checks: Sequence[Check]) -> dict[tuple[str, str], list[Check]]:
    found = defaultdict(list)
    for check in checks:
        found[check.row.engine, check.row.board].append(check)
    return found


def _list(checks: Sequence[Check], unit: str) -> None:
    print(f"| engine | board | network | threads | measured, {unit} | predicted | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for check in checks:
        row = check.row
        clock = f", {row.mhz} MHz" if row.mhz else ""
        print(f"| {row.engine} | {row.board}{clock} | {row.network} {row.arithmetic} | {row.threads} "
              f"| {check.measured:.4g} | {check.predicted:.4g} | {check.ratio:.2f} |")  # fmt: skip


if __name__ == "__main__":
    main()
