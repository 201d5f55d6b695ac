"""How `mj` begins and ends: help, exit statuses, and what it says where something is wrong."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from cli import START, mj, mj_process, one_line
from small_model import small_model

from millijoule.runtime.errors import Error
from millijoule.tools.commands import doctor
from millijoule.tools.main import COMMANDS, cli

HEAVY = ("numpy", "numba", "llvmlite", "onnx", "tflite", "msgspec")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    small_model().save(tmp_path / "small.mj")
    return tmp_path / "small.mj"


def test_help_lists_every_command() -> None:
    done = mj("--help")
    assert done.exit_code == 0
    listed = re.findall(r"^  (\w+)  +\w", done.stdout.partition("Commands:")[2], re.MULTILINE)
    assert tuple(listed) == COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name: str) -> None:
    done = mj(name, "--help")
    assert done.exit_code == 0 and done.stdout.startswith("Usage: mj")
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert all(option.help for option in command.params if isinstance(option, click.Option))
    assert "--json" in done.stdout


def test_help_imports_nothing_heavy() -> None:
    code = (
        f"import sys\ntry:\n {START}\nfinally:\n"
        f" print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = mj_process("--help", code=code)
    assert done.returncode == 0 and done.stderr.strip() == "[]"


def test_version() -> None:
    assert mj("--version").stdout.strip() == f"millijoule {version('millijoule')}"


@pytest.mark.parametrize(
    "arguments", [["run"], ["convert", "x.onnx"], ["nonsense"], ["run", "x.mj", "--threads", "0"], ["compile"]]
)
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    done = mj_process(*arguments)
    assert done.returncode == 2
    assert "Usage: mj" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["missing.mj", "missing.onnx", "missing.tflite", "."])
@pytest.mark.parametrize("command", ["run", "inspect", "bench", "compare"])
def test_a_model_that_is_not_there_is_one_line(command: str, name: str, tmp_path: Path) -> None:
    done = mj(command, tmp_path / name)
    assert done.exit_code == 2 and one_line(done.stderr) and str(tmp_path) in done.stderr


def test_a_bug_is_a_traceback_and_status_1() -> None:
    code = (
        "import sys; from millijoule.tools import main; from millijoule.tools.commands import doctor\n"
        "def broken(): raise RuntimeError('what nobody thought of')\n"
        "doctor.command.callback = lambda **_: broken()\n"
        "main.main()"
    )
    done = mj_process("doctor", code=code)
    assert done.returncode == 1
    assert "Traceback" in done.stderr and "what nobody thought of" in done.stderr


def test_memory_that_is_refused_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(**_: object) -> None:
        raise MemoryError("cannot allocate 1 EiB")

    monkeypatch.setattr(doctor.command, "callback", greedy)
    done = mj("doctor")
    assert done.exit_code == 2 and one_line(done.stderr) and "1 EiB" in done.stderr


def test_warnings_are_plain_and_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import warnings

    def warn(**_: object) -> None:
        for _again in range(3):
            warnings.warn("the moon is full", RuntimeWarning, stacklevel=1)
        raise Error("and that was all")

    monkeypatch.setattr(doctor.command, "callback", warn)
    done = mj("doctor")
    assert done.stderr == "mj: warning: the moon is full\nmj: and that was all\n"


def test_warnings_are_in_the_report_for_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    import json
    import warnings

    from millijoule.tools.report.display import emit_json

    def warn(**_: object) -> None:
        warnings.warn("the moon is full", RuntimeWarning, stacklevel=1)
        emit_json({"phase": 1.0})

    monkeypatch.setattr(doctor.command, "callback", warn)
    done = mj("doctor")
    assert json.loads(done.stdout) == {"phase": 1.0, "warnings": ["the moon is full"]}
    assert done.stderr == "mj: warning: the moon is full\n"


def test_a_closed_pipe_is_silent(model: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", START, "inspect", str(model), "--target", "numpy", "--shape", "1,8,8,3"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=120)
    os.close(writer)
    assert done.returncode == 141 and done.stderr == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_at_standard_output_is_one_line(model: Path) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-c", START, "inspect", str(model), "--target", "numpy"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == 2 and one_line(done.stderr) and "No space left" in done.stderr


def test_ctrl_c_is_status_130_without_a_traceback(model: Path) -> None:
    """While it measures: what comes during imports Python itself answers for, and may drop. Shells start what runs in
    the background deaf to Ctrl-C, and it passes that on."""
    code = (
        "import signal\n"
        "from millijoule.tools.measure import timing\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "measure_round = timing.measure_round\n"
        "def announced(*arguments): print('measuring', flush=True); return measure_round(*arguments)\n"
        f"timing.measure_round = announced\n{START}"
    )
    command = [sys.executable, "-c", code, "bench", str(model), "--target", "numpy", "--seconds", "600"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "measuring\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130 and "Traceback" not in errors
