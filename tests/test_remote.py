"""Commands on a board over ssh: against an sshd on the loopback address where one is installed, and what is sent
against programs that stand in for ssh and scp."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli import mj, one_line
from fake_boards import hwmon_ina3221
from small_model import small_model

from millijoule.tools.report.bench_run import BenchRun
from millijoule.tools.report.energy_run import EnergyRun
from millijoule.tools.report.run_file import read_run

QUICK = ("--seconds", "0.01", "--rounds", "2", "--start", "none")
SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    small_model().save(tmp_path / "small.mj")
    return tmp_path / "small.mj"


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """ssh runs the line in a shell here, scp copies files here; both write down what they were given."""
    folder = tmp_path / "bin"
    folder.mkdir()
    log = tmp_path / "log"
    (folder / "ssh").write_text(
        "#!/bin/sh\n"
        f'echo "ssh $*" >>{log}\n'
        'while [ "$1" = -o ]; do shift 2; done\n'
        '[ "$1" = -O ] && exit 0\n'
        '[ "$1" = nobody@nowhere ] && { echo "Could not resolve hostname nowhere" >&2; exit 255; }\n'
        'shift; exec sh -c "$1"\n'
    )
    (folder / "scp").write_text(
        "#!/bin/sh\n"
        f'echo "scp $*" >>{log}\n'
        'while [ "$1" != -- ]; do shift; done\n'
        'shift; n=$#; for file; do n=$((n - 1)); set -- "$@" "${file#pi@board:}"; shift; done\n'
        'exec cp "$@"\n'
    )
    for name in ("ssh", "scp"):
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("MILLIJOULE_HOST_PYTHON", sys.executable)
    return log


def test_bench_there_and_its_run_file_here(stand_ins: Path, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "run.json"
    done = mj("bench", model, "--host", "pi@board", "--target", "numpy", *QUICK, "-o", output, "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["target"] == "numpy" and report["model"]["path"] == "small.mj"
    run = read_run(str(output))
    assert isinstance(run, BenchRun) and run.model is not None and run.model.path == "small.mj"
    assert run.latency[0].median == report["seconds"]["millijoule"]["median"]
    commands = stand_ins.read_text()
    assert "scp" in commands and "-O exit" in commands
    folder = next(word for word in commands.split() if word.startswith("pi@board:")).removeprefix("pi@board:")
    assert not Path(folder).exists(), "nothing may be left on the board"


def test_kernels_are_compiled_here(stand_ins: Path, model: Path) -> None:
    done = mj("bench", model, "--host", "pi@board", *QUICK)
    assert done.exit_code == 0, done.stderr
    sent = next(line for line in stand_ins.read_text().splitlines() if line.startswith("scp"))
    assert "small.mj" in sent
    target = json.loads(mj("doctor", "--json").stdout)["target"]["used"]
    assert ("kernels.mjk" in sent) == (target != "numpy")


def test_energy_and_doctor(stand_ins: Path, model: Path, tmp_path: Path) -> None:
    hwmon_ina3221(tmp_path / "board", [("VDD_IN", 5000, 1500)])
    done = mj("energy", "--host", "pi@board", "--root", tmp_path / "board", "--sources", "--json")
    assert done.exit_code == 0, done.stderr
    assert "ina3221" in {found["kind"] for found in json.loads(done.stdout)["sources"] if found["proof"]}
    output = tmp_path / "run.json"
    done = mj("energy", model, "--host", "pi@board", "--source", "model:jetson-nano", "-o", output)
    assert done.exit_code == 0, done.stderr
    run = read_run(str(output))
    assert isinstance(run, EnergyRun) and run.source.how == "modelled"
    assert json.loads(mj("doctor", "--host", "pi@board", "--json").stdout)["software"]["millijoule"]


def test_who_is_not_reached_is_one_line(stand_ins: Path, model: Path, tmp_path: Path) -> None:
    for arguments, said in (
        (("--host", "nobody@nowhere"), "nowhere"),
        (("--host", "-oProxyCommand=x"), "USER@BOARD"),
        (("--host", "pi@board", "--host-python", "/no/python"), "--host-python"),
        (("--host", "pi@board", "--input", "no.npy", "--target", "numpy"), "no.npy"),
    ):
        done = mj("bench", model, *arguments)
        assert done.exit_code == 2 and one_line(done.stderr) and said in done.stderr
    done = mj("bench", tmp_path, "--host", "pi@board")
    assert done.exit_code == 2 and "folder" in done.stderr


def test_another_version_is_refused(stand_ins: Path, model: Path, tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text('#!/bin/sh\necho \'{"version": "0.0.1", "target": null, "folder": "/nonexistent-mj"}\'\n')
    old.chmod(0o755)
    done = mj("bench", model, "--host", "pi@board", "--host-python", old)
    assert done.exit_code == 2 and one_line(done.stderr) and "0.0.1" in done.stderr


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An sshd of ours on the loopback address."""
    if SSHD is None:
        pytest.skip("no sshd is installed (Debian: openssh-server)")
    folder = tmp_path / "sshd"
    folder.mkdir(mode=0o700)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    paths = os.pathsep.join(filter(None, sys.path))
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
        f"PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n"
        f"Subsystem sftp internal-sftp\nSetEnv PYTHONPATH={paths}\n"
    )
    (folder / "config").write_text(
        f"Host board\nHostName 127.0.0.1\nPort {port}\nIdentityFile {folder}/user\nIdentitiesOnly yes\n"
        "StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\nBatchMode yes\n"
    )
    wrappers = folder / "bin"
    wrappers.mkdir()
    for name in ("ssh", "scp"):
        (wrappers / name).write_text(f'#!/bin/sh\nexec {shutil.which(name)} -F {folder}/config "$@"\n')
        (wrappers / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrappers}:{os.environ['PATH']}")
    monkeypatch.setenv("MILLIJOULE_HOST_PYTHON", sys.executable)
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=log)
    try:
        until = time.monotonic() + 30
        while subprocess.run(["ssh", "board", "true"], capture_output=True).returncode:
            if server.poll() is not None or time.monotonic() > until:
                pytest.skip(f"sshd does not serve: {(folder / 'log').read_text().strip()[-200:]}")
            time.sleep(0.1)
        yield "board"
    finally:
        server.terminate()
        server.wait()


def test_over_a_real_ssh(board: str, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "run.json"
    done = mj("bench", model, "--host", board, *QUICK, "-o", output, "--json")
    assert done.exit_code == 0, done.stderr
    run = read_run(str(output))
    assert isinstance(run, BenchRun)
    assert run.latency[0].median == json.loads(done.stdout)["seconds"]["millijoule"]["median"] > 0
    assert json.loads(mj("doctor", "--host", board, "--json").stdout)["software"]["millijoule"]
