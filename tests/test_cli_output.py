"""Files that commands write: never one that they read, never standard output, and refused before anything is done."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
from cli import EXAMPLE, mj, one_line
from small_model import small_model

from millijoule import Error
from millijoule.tools.main import cli

COMMANDS = ("convert", "compile", "run")
Write = Callable[[str], list[object]]


@pytest.fixture(params=COMMANDS)
def writing(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """The arguments of a command that reads `read` in the working folder, and others, and writes to the file named."""
    monkeypatch.chdir(tmp_path)
    if request.param == "convert":
        pytest.importorskip("onnx")
        Path("read.onnx").write_bytes((EXAMPLE / "fashion_mnist_f32.onnx").read_bytes())
        (tmp_path / "labels.txt").write_text("a\nb\n")
        return lambda output: ["convert", "read.onnx", "--labels", "labels.txt", "-o", output]
    small_model().save("read.mj")
    if request.param == "compile":
        return lambda output: ["compile", "read.mj", "--target", "cortex-a72", "-o", output]
    np.save("x.npy", np.zeros((1, 8, 8, 3), np.float32))
    return lambda output: ["run", "read.mj", "--input", "image=x.npy", "--target", "numpy", "-o", output]


def contents() -> dict[str, bytes]:
    return {name: Path(name).read_bytes() for name in os.listdir()}


@pytest.mark.parametrize("how", ["itself", "respelled", "absolute", "link", "hard link"])
def test_what_is_read_is_not_replaced(how: str, writing: Write) -> None:
    for read in [name for name in os.listdir() if not name.startswith("out")]:
        output = f"out-{read}"
        if how == "link":
            os.symlink(read, output)
        elif how == "hard link":
            os.link(read, output)
        else:
            folder = Path.cwd().name
            output = {"itself": read, "respelled": f"../{folder}/./{read}", "absolute": os.path.abspath(read)}[how]
        before = contents()
        done = mj(*writing(output))
        assert done.exit_code == 2 and one_line(done.stderr) and f"-o {output}" in done.stderr and read in done.stderr
        assert contents() == before


def takes_output(name: str) -> bool:
    context = click.Context(cli)
    command = cli.get_command(context, name)
    return command is not None and any(option.name == "output" for option in command.params)


WRITERS = [name for name in cli.list_commands(click.Context(cli)) if takes_output(name)]
READS: dict[str, list[object]] = {
    "bench": ["read.mj"],
    "compile": ["read.mj"],
    "convert": ["read.mj"],
    "energy": ["read.mj"],
    "export": ["read.mj"],
    "pair": ["read.mj", "read.mj", "--samples", "read.npz"],
    "profiles": ["--measure"],
    "report": ["read.json"],
    "run": ["read.mj"],
    "tune": ["read.mj", "read.npz"],
}


@pytest.mark.parametrize("output", ["-", "", "nowhere/out"])
@pytest.mark.parametrize("command", WRITERS)
def test_no_command_writes_where_there_is_no_file(
    command: str, output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Standard output, no name, a folder that does not exist: found before anything else is done."""
    monkeypatch.chdir(tmp_path)
    small_model().save("read.mj")
    np.savez("read.npz", pixels=np.zeros((4, 8, 8, 3), np.float32), labels=np.zeros(4, np.int64))
    Path("read.json").write_text("{}")
    before = contents()
    done = mj(command, *READS[command], "-o", output)
    assert done.exit_code == 2 and one_line(done.stderr) and done.stdout == ""
    assert ("nowhere" if output.startswith("nowhere") else f"-o {output}".rstrip()) in done.stderr
    assert contents() == before


@pytest.mark.parametrize("output", ["", "out.onnx", "out.TFLite", "out.lite", "/dev/null", "pipe", "folder"])
def test_names_that_no_model_s_file_may_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str) -> None:
    monkeypatch.chdir(tmp_path)
    small_model().save("read.mj")
    os.mkfifo("pipe")
    Path("folder").mkdir()
    before = sorted(os.listdir())
    done = mj("convert", "read.mj", "--self-test", "1", "-o", output)
    assert done.exit_code == 2 and one_line(done.stderr) and "No such file" not in done.stderr
    assert sorted(os.listdir()) == before
    with pytest.raises(Error):
        small_model().save(output)


def test_a_missing_folder_is_found_before_anything_else(writing: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    from millijoule.runtime.session import Session

    monkeypatch.setattr(Session, "run", lambda *_: pytest.fail("ran"))
    done = mj(*writing("no/such/out"))
    assert done.exit_code == 2 and one_line(done.stderr) and "No such file or directory" in done.stderr


def test_another_file_that_exists_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small_model().save("read.mj")
    Path("out.npz").write_bytes(b"before")
    assert mj("run", "read.mj", "--target", "numpy", "-o", "out.npz").exit_code == 0
    with np.load("out.npz") as found:
        assert "scores" in found
