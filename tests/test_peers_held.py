"""Peers keep to the target's instructions where they can be made to, and who reads the figures is told."""

from __future__ import annotations

import os
import sys

import pytest

from millijoule.runtime.errors import TargetError
from millijoule.runtime.targets.target import TARGETS, Target
from millijoule.tools.peers import held

NAMES = ("ONEDNN_MAX_CPU_ISA", "OV_CPU_MAX_ISA")


@pytest.fixture(autouse=True)
def _nothing_is_imported_or_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "openvino", raising=False)
    for name in NAMES:
        monkeypatch.setenv(name, "")  # so that it is put back afterwards
        monkeypatch.delenv(name)


def on(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(held, "detect", lambda: TARGETS[name])


@pytest.mark.parametrize(
    ("cpu", "target", "isa"),
    [
        ("x86-64-v3", "x86-64-v2", "SSE41"),
        ("x86-64-v4-vnni", "x86-64-v3", "AVX2"),
        ("x86-64-v3-vnni", "x86-64-v3", "AVX2"),
        ("x86-64-v4-vbmi", "x86-64-v3-vnni", "AVX2_VNNI"),
        ("x86-64-v3-vnni", "x86-64-v3-vnni", None),
        ("x86-64-v4-vbmi", "x86-64-v4", "AVX512_CORE"),
        ("x86-64-v3", "x86-64-v3", None),
        ("aarch64-dotprod", "aarch64-neon", None),
    ],
)
def test_openvino_is_kept_to_the_target(
    monkeypatch: pytest.MonkeyPatch, cpu: str, target: str, isa: str | None
) -> None:
    on(monkeypatch, cpu)
    assert held.hold(TARGETS[target]) == isa
    assert [os.environ.get(name) for name in NAMES] == [isa, isa]
    said = held.sentence(["litert", "openvino"], isa, target)
    wanted = f"openvino kept to {isa}; litert may use all that this CPU has, which is more than {target}"
    assert said == (None if isa is None else wanted)


def test_what_is_imported_already_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, "x86-64-v3")
    monkeypatch.setitem(sys.modules, "openvino", sys)
    isa = held.hold(TARGETS["x86-64-v2"])
    assert not any(name in os.environ for name in NAMES)
    assert "openvino may use all" in (held.sentence(["openvino"], isa, "x86-64-v2") or "")


def test_without_machine_code_or_peers_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> Target:
        raise TargetError("no kernels for this CPU")

    assert held.hold(None) is None and held.sentence([], "AVX2", "x86-64-v3") is None
    monkeypatch.setattr(held, "detect", unknown)
    assert held.hold(TARGETS["x86-64-v2"]) is None
