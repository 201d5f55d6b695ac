"""Writes the tables of docs/profiles.md that compare predictions with published measurements.

`python docs/make_estimates.py` replaces them, from the line "#### Latency" on; a test holds the two together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import quantiles

from millijoule.tools.estimate import published
from millijoule.tools.estimate.published import Check

PAGE = Path(__file__).parent / "profiles.md"
FIRST = "#### Latency"
MISS = 1.5
"""Predictions that are wrong by more are listed one by one."""


def main() -> None:
    rows = published.rows()
    modelled = published.estimates(rows)
    own, other = (published.check_latency(rows, modelled, other_boards=flag) for flag in (False, True))
    PAGE.write_text(with_tables(PAGE.read_text(), own, other, published.check_energy(rows, modelled)))


def with_tables(page: str, own: Sequence[Check], other: Sequence[Check], energy: Sequence[Check]) -> str:
    """The page with these checks in the place of those that it has. other: from other boards alone."""
    return page[: page.index(FIRST)] + "\n".join([FIRST, *_latency(own, other), *_energy(energy), ""])


def _latency(own: Sequence[Check], other: Sequence[Check]) -> Iterator[str]:
    yield "\n| engine | board | rows | median | worst | median, from other boards alone |"
    yield "| --- | --- | --- | --- | --- | --- |"
    strangers = _grouped(other)
    for (engine, board), checks in _grouped(own).items():
        stranger = strangers.get((engine, board))
        alone = f"{published.middle(stranger):.2f}" if stranger else "none"
        worst = max(check.wrong_by for check in checks)
        yield f"| {engine} | {board} | {len(checks)} | {published.middle(checks):.2f} | {worst:.2f} | {alone} |"
    ninth = quantiles([check.wrong_by for check in own], n=10)[-1]
    yield f"\nAll {len(own)} rows: median {published.middle(own):.2f}, nine of ten within {ninth:.2f}; from other"
    yield f"boards alone, {len(other)} rows: median {published.middle(other):.2f}. Off by more than {MISS}:\n"
    yield from _listed([check for check in own if check.wrong_by > MISS], "ms")


def _energy(checks: Sequence[Check]) -> Iterator[str]:
    yield f"\n#### Energy\n\nMedian of {len(checks)} rows: {published.middle(checks):.2f}. All of them:\n"
    yield from _listed(checks, "mJ")


def _grouped(checks: Sequence[Check]) -> dict[tuple[str, str], list[Check]]:
    found = defaultdict(list)
    for check in checks:
        found[check.row.engine, check.row.board].append(check)
    return found


def _listed(checks: Sequence[Check], unit: str) -> Iterator[str]:
    yield f"| engine | board | network | threads | measured, {unit} | predicted | ratio |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for check in checks:
        row = check.row
        clock = f", {row.mhz} MHz" if row.mhz else ""
        network = f"{row.engine} | {row.board}{clock} | {row.network} {row.arithmetic} | {row.threads}"
        yield f"| {network} | {check.measured:.4g} | {check.predicted:.4g} | {check.ratio:.2f} |"


if __name__ == "__main__":
    main()
