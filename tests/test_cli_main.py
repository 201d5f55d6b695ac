"""How `mj` begins and ends: help, exit statuses, and what it says where something is wrong."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import pytest
from cli import START, mj, mj_process, one_line
from small_model import small_model

from millijoule.runtime.errors import Error
from millijoule.runtime.targets.target import TARGETS
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


@pytest.mark.parametrize("name", [*COMMANDS, "bench softmax"])
def test_a_newcomer_can_follow_the_help(name: str) -> None:
    """It fits 80 columns, says what each argument is, and shows commands that parse."""
    text = mj(*name.split(), "--help", COLUMNS="80").stdout
    assert max(map(len, text.splitlines())) <= 80
    command = cli.get_command(click.Context(cli), name.split()[0])
    assert command is not None
    described = text.partition("Options:")[0].partition("\n")[2]
    arguments = [] if " " in name else [item for item in command.params if isinstance(item, click.Argument)]
    assert all(str(argument.make_metavar(click.Context(command))).strip("[].") in described for argument in arguments)
    shown = described.partition("Examples:")[2].replace("\\\n", " ")
    examples = [line.split() for line in shown.splitlines() if line.strip().startswith("mj ")]
    assert examples and all(words[:2] == ["mj", name.split()[0]] for words in examples)
    for words in examples:
        given = words[2:]
        given = given[: given.index(">")] if ">" in given else given
        command.make_context(f"mj {name}", given)


def completed(typed: str) -> subprocess.CompletedProcess[str]:
    """What click's scripts for shells are answered; on standard error, what was imported of what takes long."""
    code = (
        f"import sys\ntry:\n {START}\nfinally:\n"
        f" print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    line = f"mj {typed}"
    asked: dict[str, Any] = {
        "COMP_WORDS": line,
        "COMP_CWORD": str(len((line + "x").split()) - 1),
        "_MJ_COMPLETE": "bash_complete",
    }
    done = mj_process(code=code, **asked)
    assert done.returncode == 0
    return done


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("", [f"plain,{name}" for name in COMMANDS]),
        ("co", ["plain,convert", "plain,compare", "plain,compile"]),
        ("run --inp", ["plain,--input"]),
        ("run --resize ", ["plain,stretch", "plain,crop", "plain,pad"]),
        ("run ", ["file,"]),
        ("convert m.onnx -o ", ["file,"]),
        ("run m.mj --input ", ["file,"]),
        ("compare m.mj ", ["file,"]),
    ],
)
def test_the_tab_key_completes(typed: str, wanted: list[str]) -> None:
    """As click's scripts for shells ask, without importing what takes long."""
    done = completed(typed)
    assert done.stdout.split() == wanted
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("run m.mj --target x86-64-v", [f"plain,{name}" for name in TARGETS if name.startswith("x86-64-v")]),
        ("run m.mj --target raspberry-pi-5", ["plain,raspberry-pi-5"]),
        ("compile m.mj --target jetson-x", ["plain,jetson-xavier-nx"]),
        ("profiles jetson-x", ["plain,jetson-xavier-nx"]),
        ("estimate m.mj --profile raspberry-pi-5", ["plain,raspberry-pi-5"]),
        ("estimate m.mj --profile ./my", ["file,./my"]),
    ],
)
def test_the_tab_key_completes_names_of_targets_and_profiles(typed: str, wanted: list[str]) -> None:
    assert completed(typed).stdout.split() == wanted


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_for_shells(shell: str) -> None:
    if shell == "bash" and shutil.which("bash") is None:
        pytest.skip("click asks bash for its version, and there is no bash")
    done = mj_process(_MJ_COMPLETE=f"{shell}_source")
    assert done.returncode == 0 and f"_MJ_COMPLETE={shell}_complete" in done.stdout


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
        # Unbuffered, nothing would be left to write when the interpreter ends.
        buffered = {**os.environ, "PYTHONUNBUFFERED": ""}
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, env=buffered)
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
