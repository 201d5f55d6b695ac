"""What a user reads of operators that cannot be converted: how many, which and why first, then some places."""

from __future__ import annotations

import pytest

from millijoule.converters.refusal import GROUPS, KINDS, MISSING, PLACES, Refused, refusal


def test_counts_and_a_reason_of_each_kind() -> None:
    refused = [
        *(Refused("STABLEHLO_WHILE", f"'i{index}'") for index in range(25)),
        *(Refused("com.microsoft.AttnLSTM", f"'l{i}'") for i in range(4)),
    ]
    assert refusal(refused).splitlines() == [
        "29 operators are not supported:",
        "  STABLEHLO_WHILE x25: control flow cannot be converted yet",
        *(f"    STABLEHLO_WHILE 'i{index}'" for index in range(PLACES)),
        f"    and {25 - PLACES} more",
        "  com.microsoft.AttnLSTM x4: recurrence cannot be converted yet",
        *(f"    com.microsoft.AttnLSTM 'l{index}'" for index in range(PLACES)),
        f"    and {4 - PLACES} more",
    ]


def test_one_of_a_kind_that_nobody_knows() -> None:
    assert refusal([Refused("Frob", "'a'"), Refused("Frob", "'a'")]) == (
        f"1 operator is not supported:\n  Frob x1: {MISSING}\n    Frob 'a'"
    )


def test_a_reason_of_its_own_beats_the_kind() -> None:
    text = refusal([Refused("If", "'a'", "its branches differ"), Refused("my.Own", "'b'"), Refused("CUSTOM x", "'c'")])
    assert "If x1: its branches differ" in text
    assert "my.Own x1, CUSTOM x x1: a custom operator" in text


def test_reasons_that_differ_by_names_are_one() -> None:
    """As the ranks that nobody knows behind an operator that is not supported."""
    refused = [Refused("DeformConv", f"'d{i}'", f"the rank of its input 'x{i}' is not known") for i in range(4)]
    assert refusal([*refused, Refused("Pad", "'p'", "its input 0 is int4")]).splitlines()[1:] == [
        "  DeformConv x4: the rank of its input '...' is not known",
        *(f"    DeformConv 'd{i}' ('x{i}')" for i in range(PLACES)),
        f"    and {4 - PLACES} more",
        "  Pad x1: its input 0 is int4",
        "    Pad 'p'",
    ]


def test_thousands_stay_readable() -> None:
    text = refusal(Refused(f"Op{index}", f"'{index}'", f"reason {index}") for index in range(5000))
    assert len(text.splitlines()) == 1 + 2 * GROUPS + 1 and f"and {5000 - GROUPS} more reasons" in text
    assert len(refusal(Refused(f"Op{index}", "'a'") for index in range(5000)).splitlines()) == 2 + PLACES + 1


def test_kinds_are_of_operators_that_exist() -> None:
    """Each is an operator of ONNX or of TFLite's schema, or in a domain that ONNX does not define."""
    onnx = pytest.importorskip("onnx")
    tflite = pytest.importorskip("tflite")
    builtin = vars(tflite.BuiltinOperator)
    unknown = [name for name in KINDS if not onnx.defs.has(name) and name not in builtin and "." not in name]
    assert not unknown
