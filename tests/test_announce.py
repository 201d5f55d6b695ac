"""The line that says that kernels are being compiled: once, and only where somebody looks."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from session_models import tiny_network

from millijoule import load
from millijoule.runtime.compiler.announce import SILENCE, Announcement
from millijoule.runtime.targets.target import TARGETS


class Terminal:
    """Standard error as a terminal has it."""

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.delenv(SILENCE, raising=False)
    return Terminal()


def compile_two(terminal: Terminal | None = None) -> None:
    # Not in a fixture: pytest puts a standard error of its own in place for every phase of a test.
    before = sys.stderr
    if terminal is not None:
        sys.stderr = terminal
    try:
        report_two()
    finally:
        sys.stderr = before


def report_two() -> None:
    announce = Announcement("x86-64-v3")
    for done, kernel in ((0, "conv"), (1, "copy"), (2, "")):
        announce(done, 2, kernel)


def test_one_line_at_a_terminal(terminal: Terminal) -> None:
    compile_two(terminal)
    assert terminal.text == "millijoule: compiling 2 kernels for x86-64-v3; they are kept for next time\n"


def test_nothing_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    compile_two()
    assert capsys.readouterr().err == ""


def test_one_line_in_a_notebook(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SILENCE, raising=False)
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    compile_two()
    assert capsys.readouterr().err.count("compiling 2 kernels") == 1


@pytest.mark.parametrize(("value", "silent"), [("1", True), ("yes", True), ("0", False), ("", False)])
def test_the_environment_keeps_it_quiet(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, value: str, silent: bool
) -> None:
    monkeypatch.setenv(SILENCE, value)
    compile_two(terminal)
    assert (terminal.text == "") == silent


def test_without_standard_error_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    compile_two()


def test_loading_says_so_unless_told_otherwise() -> None:
    target = TARGETS["x86-64-v3"]
    for progress, kind in ((True, Announcement), (False, type(None)), (print, type(print))):
        with load(tiny_network(), threads=1, progress=progress) as session:
            assert isinstance(session.engine._reporter(target), kind)
