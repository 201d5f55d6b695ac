"""What sessions run on: targets, NumPy, kernel files, and systems that refuse executable memory or cache folders."""

from __future__ import annotations

import os
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest
from session_models import feeds_of, float_network, int8_network, python, tiny_network

from millijoule import Error, Model, TargetError, load
from millijoule.runtime.compiler.build import compile_file
from millijoule.runtime.compiler.cache import KernelCache, default_cache
from millijoule.runtime.engine.engine import SPARE_WEIGHTS, needed_kernels
from millijoule.runtime.evaluate import reference
from millijoule.runtime.program.weights import Weights, WeightsFull
from millijoule.runtime.session import Session
from millijoule.runtime.system import executable
from millijoule.runtime.targets.target import TARGETS, missing, resolve

RUN = """
import sys
import numpy as np
import millijoule
arguments = dict(item.split("=") for item in sys.argv[3:])
with millijoule.load(sys.argv[1], threads=1, **arguments) as session:
    feeds = dict(np.load(sys.argv[2]))
    for name, array in session.run(feeds).items():
        np.save(sys.argv[2] + "." + name, array)
    session.run(feeds)
print(session.target, sorted({"numba", "llvmlite"} & set(sys.modules)))
"""
WITHOUT_COMPILER = "import sys; sys.modules['numba'] = sys.modules['llvmlite'] = None\n"
REFUSED = (
    "import ctypes, os\n"
    "if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) != 0: os._exit(77)  # PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN\n"
)


@pytest.fixture
def model() -> Model:
    return tiny_network()


@pytest.fixture
def files(model: Model, tmp_path: Path) -> tuple[Path, Path]:
    """The model and inputs for it."""
    model.save(tmp_path / "m.mj")
    np.savez(tmp_path / "x.npz", x=feeds_of(model, N=2)["x"])
    return tmp_path / "m.mj", tmp_path / "x.npz"


def check_files(model: Model, feeds: Path) -> None:
    """What RUN left beside its feeds."""
    for name, array in reference.run(model.graph, feeds_of(model, N=2)).items():
        np.testing.assert_allclose(np.load(f"{feeds}.{name}.npy"), array, rtol=1e-5, atol=1e-5)


def kernel_file(session: Session, path: Path, target: str | None = None, **symbols: int) -> Path:
    """Writes the kernels that the session's model needs for some shapes."""
    engine = session.engine
    shapes = {name: array.shape for name, array in feeds_of(session.model, **symbols).items()}
    program = engine.plan(shapes, ()).program
    chosen = resolve(target, compile_only=True)
    path.write_bytes(compile_file(needed_kernels(program), chosen, default_cache()))
    return path


@pytest.mark.parametrize("target", [name for name in TARGETS if not missing(TARGETS[name])])
def test_every_target_of_this_cpu(target: str) -> None:
    """Integers equal the references' bit for bit, floats nearly."""
    for model, exact in ((int8_network(size=9), True), (float_network(size=10, channels=8), False)):
        feeds = feeds_of(model)
        wanted = reference.run(model.graph, feeds)["y"]
        with load(model, threads=1, target=target) as session:
            assert session.target == target
            found = session.run(feeds)["y"]
        if exact:
            np.testing.assert_array_equal(found, wanted)
        else:
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_numpy_is_a_target(model: Model) -> None:
    feeds = feeds_of(model, N=3)
    with load(model, threads=1, target="numpy") as session:
        assert session.target == "numpy"
        found = session.run(feeds, outputs=["y", "features"])
        session.resize({"x": (3, 5, 5, 3)})
        session.inputs["x"][...] = feeds["x"]
        session.invoke()
        np.testing.assert_array_equal(session.outputs["y"], found["y"])
    for name, array in reference.run(model.graph, feeds, outputs=["y", "features"]).items():
        np.testing.assert_array_equal(found[name], array)


def test_the_environment_names_a_target(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLIJOULE_TARGET", " NumPy ")
    assert load(model).target == "numpy"
    assert load(model, target="host").target == resolve("host").name
    monkeypatch.setenv("MILLIJOULE_TARGET", "cray-1")
    with pytest.raises(TargetError, match="no target 'cray-1'"):
        load(model)
    monkeypatch.setenv("MILLIJOULE_TARGET", resolve("host").base)
    assert load(model).target == resolve("host").base


def test_a_profile_names_a_target(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which a target that is asked for overrides."""
    monkeypatch.delenv("MILLIJOULE_TARGET", raising=False)
    foreign = next(name for name in ("raspberry-pi-5", "host") if name == "host" or missing(TARGETS["aarch64-dotprod"]))
    if foreign != "host":
        with pytest.raises(TargetError, match="cannot run here"):
            load(model, profile=foreign)
    assert load(model, profile="raspberry-pi-5", target="numpy").target == "numpy"
    monkeypatch.setenv("MILLIJOULE_TARGET", "numpy")
    assert load(model, profile="raspberry-pi-5").target == "numpy"


def test_kernel_files_need_no_compiler(model: Model, files: tuple[Path, Path], tmp_path: Path) -> None:
    path, feeds = files
    with load(path, threads=1) as session:
        kernels = kernel_file(session, tmp_path / "m.mjk", N=2)
    done = python(WITHOUT_COMPILER + RUN, path, feeds, f"kernels={kernels}", MILLIJOULE_CACHE="off")
    assert done.stderr == "", done.stderr
    # A module that is None in sys.modules cannot be imported.
    assert done.stdout.strip() == f"{resolve('host').name} ['llvmlite', 'numba']"
    check_files(model, feeds)


def test_a_warm_cache_needs_no_compiler(model: Model, files: tuple[Path, Path], tmp_path: Path) -> None:
    path, feeds = files
    cache = str(tmp_path / "cache")
    for modules in ("['llvmlite', 'numba']", "[]"):
        done = python(RUN, path, feeds, MILLIJOULE_CACHE=cache)
        assert (done.stdout.strip(), done.stderr) == (f"{resolve('host').name} {modules}", "")
    check_files(model, feeds)


def test_a_kernel_file_that_lacks_a_kernel(model: Model, tmp_path: Path) -> None:
    with load(int8_network(size=8), threads=1) as other:
        kernels = kernel_file(other, tmp_path / "other.mjk")
    with (
        load(model, threads=1, kernels=kernels) as session,
        pytest.raises(
            TargetError,
            match=r"the kernel file lacks .* more, which this model needs .*`mj compile MODEL .* --shape x=1,5,5,3`",
        ),
    ):
        session.run(feeds_of(model, N=1))


def test_a_kernel_file_for_another_target(model: Model, tmp_path: Path) -> None:
    with load(model, threads=1) as session:
        kernels = kernel_file(session, tmp_path / "m.mjk", N=1)
        foreign = "x86-64-v2" if resolve("host").family == "arm" else "cortex-a72"
        arm = kernel_file(session, tmp_path / "arm.mjk", foreign, N=1)
    with pytest.raises(TargetError, match="target numpy takes no kernels from a file"):
        load(model, kernels=kernels, target="numpy")
    with pytest.raises(Error, match=r"arm\.mjk"):
        load(model, kernels=arm)
    with pytest.raises(Error, match=f"holds no code for target .*, only for {resolve('host').name}"):
        load(model, kernels=kernels, target=foreign)
    assert load(model, kernels=kernels, target="host").target == resolve("host").name
    with pytest.raises(Error, match="cannot open kernel file"):
        load(model, kernels=tmp_path / "none.mjk")


def refusing(text: str, *arguments: str | Path, MILLIJOULE_CACHE: str) -> subprocess.CompletedProcess:
    """Runs a script in a process that may not turn memory it has written into code."""
    # numba's own engine would be refused while it starts, so it starts before.
    text = "import numba.core.codegen\n" + REFUSED + text
    done = python(text, *arguments, MILLIJOULE_CACHE=MILLIJOULE_CACHE)
    if done.returncode == 77:
        pytest.skip("this kernel cannot refuse executable memory (prctl PR_SET_MDWE, Linux 6.3)")
    return done


def test_refused_executable_memory(model: Model, files: tuple[Path, Path]) -> None:
    """One warning and NumPy's answer."""
    path, feeds = files
    done = refusing(RUN, path, feeds, MILLIJOULE_CACHE="off")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == "numpy"
    assert done.stderr.count("RuntimeWarning") == 1
    assert "refuses executable memory" in done.stderr and "every operator runs in NumPy, which is slow" in done.stderr
    check_files(model, feeds)


@pytest.mark.parametrize("how", ["cache", "file"])
def test_code_that_was_never_writable_may_run(model: Model, files: tuple[Path, Path], tmp_path: Path, how: str) -> None:
    """Files of kernels are mapped, not copied, which even such a system allows."""
    path, feeds = files
    cache = str(tmp_path / "cache")
    with load(path, threads=1) as session:
        kernels = kernel_file(session, tmp_path / "m.mjk", N=2)
    if how == "cache":
        assert python(RUN, path, feeds, MILLIJOULE_CACHE=cache).returncode == 0
    arguments = [f"kernels={kernels}"] if how == "file" else []
    done = refusing(RUN, path, feeds, *arguments, MILLIJOULE_CACHE=cache)
    assert (done.stdout.split()[0], done.stderr) == (resolve("host").name, "")
    check_files(model, feeds)


def test_a_kernel_file_where_nothing_may_run(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with load(model, threads=1) as session:
        kernels = kernel_file(session, tmp_path / "m.mjk", N=2)

    def refuse(*_: object) -> None:
        raise executable.ExecutableMemoryError("the system refuses executable memory")

    monkeypatch.setattr(executable, "_mmap", refuse)
    feeds = feeds_of(model, N=2)
    with pytest.warns(RuntimeWarning, match="every operator runs in NumPy"), load(model, kernels=kernels) as session:
        assert session.target == "numpy"
        np.testing.assert_array_equal(session.run(feeds)["y"], reference.run(model.graph, feeds)["y"])


@pytest.mark.parametrize("folder", ["/proc/nowhere", "/dev/null/cache"])
def test_a_cache_folder_that_cannot_be(model: Model, files: tuple[Path, Path], folder: str) -> None:
    """One warning and the right answer."""
    path, feeds = files
    done = python(RUN, path, feeds, MILLIJOULE_CACHE=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("RuntimeWarning") == 1 and f"kernel cache {folder}" in done.stderr
    check_files(model, feeds)


def test_one_warning_for_a_cache_that_cannot_be_written(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.warns(RuntimeWarning, match="kernel cache /proc/no cannot be used"):
        cache = KernelCache(Path("/proc/no"))
    monkeypatch.setattr("millijoule.runtime.engine.engine.default_cache", lambda: cache)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in (1, 2):
            feeds = feeds_of(model, N=n)
            with load(model, threads=1) as session:
                found = session.run(feeds)["y"]
            np.testing.assert_allclose(found, reference.run(model.graph, feeds)["y"], rtol=1e-5, atol=1e-6)


def test_progress_is_reported(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLIJOULE_CACHE", str(tmp_path / "cache"))
    calls: list[tuple[int, int, str]] = []
    with load(model, threads=1, progress=lambda *call: calls.append(call)) as session:
        session.run(feeds_of(model, N=1))
    total = calls[0][1]
    done = [done for done, _, _ in calls]
    assert done == sorted(done) and (done[0], done[-1]) == (0, total)
    assert len({name for _, _, name in calls if name}) == total
    assert all(name for _, _, name in calls[:-1]) and calls[-1] == (total, total, "")


def test_weights_are_packed_once() -> None:
    model = float_network(size="S", batch="N")
    with load(model, threads=1) as session:
        session.resize({"x": (1, 16, 16, 8)})
        first = session.engine.weights.used
        for size in (18, 20, 22):
            session.resize({"x": (1, size, size, 8)})
        # Another shape may choose other tiles, but most of what it packs is there already.
        assert session.engine.weights.used < 3 * first


def test_weights_that_outgrow_their_space_are_packed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    model = float_network(size="S", batch="N")
    monkeypatch.setattr("millijoule.runtime.engine.engine.packing_space", lambda _: 3000)
    feeds = [feeds_of(model, i, N=1, S=12 + 2 * i) for i in range(4)]
    with load(model, threads=1) as session:
        for given in [*feeds, *feeds]:
            found = session.run(given)["y"]
            np.testing.assert_allclose(found, reference.run(model.graph, given)["y"], rtol=1e-4, atol=1e-4)
        assert session.engine.weights.reserve > 3000
        before = session.engine.weights
        session.engine._room = 1
        session.run(feeds_of(model, N=1, S=40))
        assert session.engine.weights is not before
        assert session.engine._room > SPARE_WEIGHTS
    with pytest.raises(WeightsFull):
        Weights(1000).add(np.zeros(2000))


def arena_share(session: Session) -> float:
    assert session._own is not None and session._own.plan is not None
    program = session._own.plan.program
    return program.arena_bytes / max(1, program.lower_bound)


@pytest.mark.parametrize("target", ["host", "numpy"])
def test_arenas_are_near_their_lower_bound(target: str) -> None:
    for model in (float_network(), int8_network()):
        with load(model, threads=1, target=target) as session:
            session.invoke()
            assert 1 <= arena_share(session) <= 1.1


def test_a_closed_process_cannot_see_the_others_cache(model: Model) -> None:
    """`MILLIJOULE_CACHE=off` keeps everything in memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MILLIJOULE_CACHE", "off")
        before = set(os.listdir())
        with load(model, threads=1) as session:
            session.run(feeds_of(model, N=1))
        assert set(os.listdir()) == before
