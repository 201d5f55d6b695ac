"""Predictions against what others have published, each row predicted without being used. Listed in docs/profiles.md."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from statistics import mean, quantiles

import pytest

from millijoule.device_profiles import load
from millijoule.tools.estimate import published
from millijoule.tools.estimate.estimate import Estimate
from millijoule.tools.estimate.published import Check, Row

DOCS = Path(__file__).parent.parent / "docs"
NUMBER = re.compile(r"\d+\.\d+")
MUST = ("raspberry-pi-4", "raspberry-pi-5", "jetson-nano", "spacemit-k1")
Rows = tuple[list[Row], list[Estimate]]


@pytest.fixture(scope="module")
def rows() -> Rows:
    found = published.rows()
    return found, published.estimates(found)


@pytest.fixture(scope="module")
def latency(rows: Rows) -> list[Check]:
    return published.check_latency(*rows)


@pytest.fixture(scope="module")
def energy(rows: Rows) -> list[Check]:
    return published.check_energy(*rows)


@pytest.mark.parametrize("board", MUST)
def test_latency_of_a_board_is_within_a_factor_of_two(board: str, latency: list[Check]) -> None:
    """The median. It is 1.3 at most."""
    found = [check for check in latency if check.row.board == board]
    assert len(found) >= 8 and published.middle(found) < 1.4


def test_latency_of_a_board_of_which_nothing_is_known(rows: Rows) -> None:
    """An engine's efficiency on it is that on other boards. K1's engine was measured on no other."""
    checks = published.check_latency(*rows, other_boards=True)
    for board in MUST[:3]:
        found = [check for check in checks if check.row.board == board]
        assert len(found) >= 8 and published.middle(found) < 2


def test_energy_is_within_a_factor_of_one_and_a_half(energy: list[Check]) -> None:
    assert len(energy) == 8 and published.middle(energy) < 1.5


def test_the_zoos_own_network(latency: list[Check], energy: list[Check]) -> None:
    """MobileNetV1 0.25 128 uint8 on a Raspberry Pi 4 and a Jetson Nano."""
    for checks in (latency, energy):
        found = [check for check in checks if check.row.network == "mobilenet_v1_025_128"]
        assert len(found) == 2 and all(check.wrong_by < 1.5 for check in found)


def test_the_record_is_what_is_found(latency: list[Check], energy: list[Check]) -> None:
    """What `mj estimate` says of itself."""
    record = published.record()
    assert (record.rows, record.energy_rows) == (len(latency), len(energy))
    assert record.latency_median == pytest.approx(published.middle(latency), rel=0.02)
    assert record.latency_p90 == pytest.approx(quantiles([check.wrong_by for check in latency], n=10)[-1], rel=0.03)
    assert record.energy_median == pytest.approx(published.middle(energy), rel=0.02)


def test_the_tables_of_the_docs_are_what_is_found(rows: Rows, latency: list[Check], energy: list[Check]) -> None:
    """But for the last digit, in which libraries of linear algebra may differ."""
    page, strangers = (DOCS / "profiles.md").read_text(), published.check_latency(*rows, other_boards=True)
    made = runpy.run_path(str(DOCS / "make_estimates.py"))["with_tables"](page, latency, strangers, energy)
    (text, numbers), (made_text, made_numbers) = (
        (NUMBER.sub("#", each), [float(number) for number in NUMBER.findall(each)]) for each in (page, made)
    )
    assert made_text == text and made_numbers == pytest.approx(numbers, rel=0.01), "run: python docs/make_estimates.py"


def test_a_row_is_not_predicted_from_itself(rows: Rows) -> None:
    """Ten times the time of a row changes no prediction of that row, and others'."""
    import dataclasses

    of = [row for row in rows[0] if row.engine == "TFLite"]
    modelled = [estimate for row, estimate in zip(*rows, strict=True) if row.engine == "TFLite"]
    before = published.check_latency(of, modelled)
    for i, row in enumerate(of):
        told = [dataclasses.replace(row, ms=10 * row.ms) if j == i else other for j, other in enumerate(of)]
        after = published.check_latency(told, modelled)
        assert after[i].predicted == before[i].predicted
        assert any(a.predicted != b.predicted for a, b in zip(after, before, strict=True))


@pytest.mark.parametrize("board", ["raspberry-pi-4", "jetson-nano"])
def test_the_watts_of_a_core_are_fitted_to_the_published_rows(board: str, rows: Rows) -> None:
    pairs = [(r, e) for r, e in zip(*rows, strict=True) if r.board == board and r.watts is not None and r.threads == 1]
    known = load(board).energy
    assert known is not None and len(pairs) == 3
    assert known.core_watts.value == pytest.approx(mean(published.core_watts(r, e) for r, e in pairs), abs=0.02)
