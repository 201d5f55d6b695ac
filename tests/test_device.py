"""What a device installs, which has neither numba nor llvmlite nor any source's library, is enough to run models.

MILLIJOULE_DEVICE names the interpreter of such an installation (.ci/run makes one); without it these modules are hidden
from this interpreter.
"""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli import EXAMPLE, mj, one_line
from session_models import feeds_of, tiny_network

import millijoule
from millijoule.runtime.targets.target import resolve

FLOAT_SOURCE = str(EXAMPLE / "fashion_mnist_f32.onnx")

CHECKOUT = Path(__file__).resolve().parent.parent
ABSENT = ("numba", "llvmlite", "onnx", "tflite", "flatbuffers", "onnxruntime", "ai_edge_litert", "tflite_runtime",
          "openvino", "PIL")  # fmt: skip
HIDE = f"import sys; sys.modules |= dict.fromkeys({ABSENT})\n"
DEVICE = os.environ.get("MILLIJOULE_DEVICE")
INSTALLERS = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils")
MJ = "from millijoule.tools.main import main; main()"

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="kernels run on Linux only")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """model.mj, model.mjk for this CPU, and x.npy for it."""
    made = tmp_path_factory.mktemp("device")
    model = tiny_network()
    model.save(made / "model.mj")
    np.save(made / "x.npy", feeds_of(model, N=1)["x"])
    (made / "empty.tflite").touch()
    done = mj("compile", made / "model.mj", "-o", made / "model.mjk")
    assert done.exit_code == 0, done.stderr
    return made


def python(text: str, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [DEVICE or sys.executable, "-c", HIDE + text, *map(str, arguments)]
    # Nothing that was compiled before may help.
    environment = {**os.environ, "MILLIJOULE_CACHE": "off", "PYTHONSAFEPATH": "1"}
    if DEVICE:
        environment.pop("PYTHONPATH", None)
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=cwd, env=environment)


def test_a_model_runs_with_its_kernels(folder: Path) -> None:
    done = python(MJ, "run", "model.mj", "--kernels", "model.mjk", "--input", "x.npy", "-o", "y.npz", cwd=folder)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert resolve("host").name in done.stdout
    wanted = millijoule.load(folder / "model.mj", threads=1).run({"x": np.load(folder / "x.npy")})
    np.testing.assert_array_equal(np.load(folder / "y.npz")["y"], wanted["y"])


def test_the_same_in_python(folder: Path) -> None:
    text = (
        "import numpy as np, millijoule as mj\n"
        "with mj.load('model.mj', kernels='model.mjk') as session:\n"
        "    np.save('y.npy', session.run({'x': np.load('x.npy')})['y'])\n"
        "    print(session.target)"
    )
    done = python(text, cwd=folder)
    assert (done.stdout.strip(), done.stderr) == (resolve("host").name, "")
    wanted = millijoule.load(folder / "model.mj", threads=1).run({"x": np.load(folder / "x.npy")})
    np.testing.assert_array_equal(np.load(folder / "y.npy"), wanted["y"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect", "model.mj", "--steps", "--target", "raspberry-pi-5"),
        ("bench", "model.mj", "--kernels", "model.mjk", "--seconds", "0.01", "--peers", "--source", FLOAT_SOURCE),
        ("run", "model.mj", "--target", "numpy", "--profile"),
        ("compile", "--target", "list"),
        ("doctor",),
    ],
)  # fmt: skip
def test_commands_that_compile_nothing(arguments: tuple[str, ...], folder: Path) -> None:
    done = python(MJ, *arguments, cwd=folder)
    assert done.returncode == 0 and done.stdout and "Traceback" not in done.stderr, done.stderr


def test_the_doctor_finds_nothing_wrong_with_a_missing_compiler(folder: Path) -> None:
    done = python(MJ, "doctor", cwd=folder)
    assert "not installed: kernels come from files" in done.stdout
    assert not re.search("numba|llvmlite", done.stdout.partition("Problems\n")[2])


def test_without_kernels_the_way_out_is_named(folder: Path) -> None:
    done = python(MJ, "run", "model.mj", "--input", "x.npy", cwd=folder)
    assert done.returncode == 2 and one_line(done.stderr), done.stderr
    for words in ("pip install numba", "--kernels", f"mj compile MODEL --target {resolve('host').name}"):
        assert words in done.stderr
    text = (
        "import numpy as np, millijoule as mj\n"
        "try: mj.load('model.mj').run({'x': np.load('x.npy')})\n"
        "except mj.Error as error: print(error)"
    )
    done = python(text, cwd=folder)
    assert done.returncode == 0 and "kernels=" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("arguments", "way_out"),
    [
        (("compile", "model.mj", "-o", "other.mjk"), "pip install numba"),
        (("convert", FLOAT_SOURCE, "-o", "other.mj"), "pip install 'millijoule[onnx]'"),
        (("run", FLOAT_SOURCE), "pip install 'millijoule[onnx]'"),
        (("run", "empty.tflite"), "pip install 'millijoule[tflite]'"),
        (("run", "model.mj", "--input", str(EXAMPLE / "ankle_boot.png")), "pip install 'millijoule[image]'"),
        (("compare", "model.mj", FLOAT_SOURCE), "pip install 'millijoule[bench]'"),
    ],
)
def test_what_takes_more_says_what(arguments: tuple[str, ...], way_out: str, folder: Path) -> None:
    before = sorted(folder.iterdir())
    done = python(MJ, *arguments, cwd=folder)
    assert done.returncode == 2 and one_line(done.stderr) and way_out in done.stderr, done.stderr
    assert sorted(folder.iterdir()) == before


def test_softmax_needs_no_compiler(folder: Path) -> None:
    text = (
        "import numpy as np, millijoule as mj\n"
        "x = np.arange(12, dtype=np.float32).reshape(3, 4)\n"
        "for _ in range(2): y = mj.softmax(x)\n"
        "assert np.allclose(y, np.exp(x - 11) / np.exp(x - 11).sum(-1, keepdims=True))"
    )
    done = python(text, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("RuntimeWarning") == 1 and "pip install numba" in done.stderr


@pytest.mark.skipif(not DEVICE, reason="MILLIJOULE_DEVICE names no device's interpreter; .ci/run makes one")
def test_the_install_is_small_and_has_no_compiler(folder: Path) -> None:
    """Blocks on the disk, without what brought it there."""
    done = python("import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder)
    packages = [path for path in Path(done.stdout.strip()).iterdir() if not path.name.startswith(INSTALLERS)]
    sizes = {path.name: _bytes_on_disk(path) for path in packages}
    assert {"millijoule", "numpy", "safetensors", "msgspec", "click"} <= sizes.keys()
    assert not {"numba", "llvmlite", "onnx", "tflite"} & sizes.keys()
    beside = sum(size for name, size in sizes.items() if not name.startswith("numpy"))
    (said,) = re.findall(r"(\d+) MB on the disk beyond NumPy", (CHECKOUT / "docs" / "deploy.md").read_text("utf-8"))
    assert abs(beside / 10**6 - int(said)) < 0.25 * int(said), sizes


def _bytes_on_disk(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(512 * file.stat().st_blocks for file in files)


@pytest.mark.skipif(not (CHECKOUT / "setup.cfg").is_file(), reason="needs the checkout")
def test_what_docs_have_a_device_install() -> None:
    """Everything that is needed in general, but numba."""
    config = configparser.ConfigParser()
    config.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    needed = {re.split("[<>=]", line)[0] for line in config["options"]["install_requires"].split()}
    text = (CHECKOUT / "docs" / "deploy.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^pip install (numpy .*)$", text, re.MULTILINE)
    assert {word.strip('"') for word in line.split()} == needed - {"numba"}
