"""Plans kept in the kernel cache: what was run before starts without its graph, and never as anything else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from full_disk import full_disk
from kernel_cases import TARGETS, kernels_of, program_of
from product_cases import Net
from session_models import node_graph
from zoo_models import MODELS, Zoo, converted, feeds_of, missing

import millijoule as mj
from millijoule.runtime.engine import kept as kept_module
from millijoule.runtime.engine.kept_records import KeptWeights
from millijoule.runtime.engine.kept_records import kernels_of as kernels_in_code
from millijoule.runtime.graph import Graph, Node, Value
from millijoule.runtime.memory.fingerprint import fingerprint
from millijoule.runtime.model_file import ModelFile
from millijoule.runtime.planner import plan as planner
from millijoule.runtime.session import Session
from millijoule.runtime.targets.target import BASES, detect

pytestmark = pytest.mark.skipif(not TARGETS, reason="this system runs no compiled kernels")

FEEDS = {"x0": np.random.default_rng(5).integers(-128, 128, (1, 9, 8, 6)).astype(np.int8)}
SCRIPT = """
import sys
import numpy as np
import millijoule
session = millijoule.load(sys.argv[1], threads=1)
found = session.run({"x0": np.load(sys.argv[2])})
np.save(sys.argv[3], *found.values())
parts = ("planner", "lowering", "ops", "evaluate", "file.schema", "file.read")
print([name for name in parts if f"millijoule.runtime.{name}" in sys.modules])
with open("/proc/self/maps") as maps:
    print([line.split()[1] for line in maps if line.rstrip().endswith(".mjp")])
"""


def network(seed: int = 0) -> mj.Model:
    net = Net(True, seed)
    return net.done(net.conv(net.conv(net.feed(1, 9, 8, 6), 24, (3, 3)), 40, (1, 1))).model


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the kernels of `network`, but no plan."""
    folder = tmp_path_factory.mktemp("compiled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MILLIJOULE_CACHE", str(folder / "cache"))
        mj.load(network(), threads=1)
    assert not plans(folder / "cache")
    return folder / "cache"


@pytest.fixture
def folder(compiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(compiled, tmp_path / "cache")
    monkeypatch.setenv("MILLIJOULE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    network().save(tmp_path / "network.mj")
    return tmp_path / "network.mj"


@pytest.fixture
def wanted(path: Path) -> np.ndarray:
    (array,) = mj.load(mj.Model.load(path), target="numpy").run(FEEDS).values()
    return array


def plans(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.mjp"))


def check(path: Path, wanted: np.ndarray, *, hit: bool, **options: Any) -> Session:
    session = mj.load(path, **{"threads": 1, **options})
    (array,) = session.run(FEEDS).values()
    np.testing.assert_array_equal(array, wanted)
    assert isinstance(session.engine.weights, KeptWeights) == hit
    return session


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("nothing was to be made anew")


def test_a_second_load_reads_and_plans_nothing(
    folder: Path, path: Path, wanted: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(path, wanted, hit=False)
    assert len(plans(folder)) == 2  # the model's outline, and the plan
    with monkeypatch.context() as patch:
        patch.setattr(planner, "plan", refuse)
        patch.setattr(ModelFile, "decode", refuse)
        session = check(path, wanted, hit=True)
        model = session.model
        shown = model.inputs, model.outputs, model.metadata
    whole = mj.Model.load(path)
    assert shown == (whole.inputs, whole.outputs, whole.metadata)
    assert fingerprint(session.model) == fingerprint(whole) and repr(session)


def test_who_looks_into_a_kept_plan_sees_all_of_it(folder: Path, path: Path, wanted: np.ndarray) -> None:
    first, second = check(path, wanted, hit=False), check(path, wanted, hit=True)
    assert kernels_of(first) == kernels_of(second) and len(kernels_of(first)) > 2
    for name in ("inputs", "outputs"):
        for a, b in zip(*(getattr(program_of(s), name).values() for s in (first, second)), strict=True):
            assert (a.shape, a.strides, a.dtype, a.flipped) == (b.shape, b.strides, b.dtype, b.flipped)
    for name in ("arena_bytes", "macs", "node_macs", "node_elements", "lower_bound"):
        assert getattr(program_of(first), name) == getattr(program_of(second), name)
    assert len(program_of(first).storages) == len(list(program_of(second).storages))
    assert first.engine.weights.used == second.engine.weights.used
    between = {name for node in first.model.graph.nodes for name in node.outputs}
    for name in sorted(between):
        a, b = (session.run(FEEDS, outputs=[name])[name] for session in (first, second))
        np.testing.assert_array_equal(a, b)
    check(path, wanted, hit=True)


def test_another_process_shares_the_pages(folder: Path, path: Path, wanted: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", FEEDS["x0"])
    said = []
    for number in range(2):
        result = tmp_path / f"{number}.npy"
        command = [sys.executable, "-c", SCRIPT, str(path), str(tmp_path / "x.npy"), str(result)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        np.testing.assert_array_equal(np.load(result), wanted)
        said.append(done.stdout.splitlines())
    assert said[1][0] == "[]" and said[0][0] != "[]"
    assert said[1][1] == "['r--s']"


def test_two_writers_at_once(folder: Path, path: Path, wanted: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", FEEDS["x0"])
    command = [sys.executable, "-c", SCRIPT, str(path), str(tmp_path / "x.npy")]
    running = [subprocess.Popen([*command, str(tmp_path / f"{number}.npy")]) for number in range(2)]
    assert [process.wait(600) for process in running] == [0, 0]
    for number in range(2):
        np.testing.assert_array_equal(np.load(tmp_path / f"{number}.npy"), wanted)
    assert len(plans(folder)) == 2 and not list(folder.glob("*.tmp"))
    check(path, wanted, hit=True)


def profile(folder: Path, *lines: str) -> Path:
    """One of this computer's kind that says so, and the same but for these lines."""
    base = {"x86-64": "x86-64-v3", "aarch64": "armv8.0"}[detect().machine]
    file = folder / "mine.toml"
    file.write_text("\n".join([f'extends = "{base}"', 'name = "mine"', 'target = "host"', *lines]))
    return file


@pytest.mark.parametrize("part", ["target", "threads", "profile", "reuse_inputs", "version", "model"])
def test_each_part_of_the_key(
    part: str, folder: Path, path: Path, wanted: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millijoule.device_profiles.usable_cpus", lambda: 2)
    check(path, wanted, hit=False)
    options: dict[str, Any] = {}
    if part == "target":
        options["target"] = next(base.name for base in BASES if base.machine == detect().machine)
    elif part == "threads":
        options["threads"] = 2
    elif part == "profile":
        options["profile"] = profile(tmp_path, "softmax_share = 0.25")
    elif part == "reuse_inputs":
        options["reuse_inputs"] = True
    elif part == "version":
        monkeypatch.setattr(kept_module, "runtime_digest", lambda: "of other sources")
    else:
        network(1).save(path)
        (wanted,) = mj.load(mj.Model.load(path), target="numpy").run(FEEDS).values()
    check(path, wanted, hit=False, **options)
    check(path, wanted, hit=True, **options)


def test_a_copy_of_the_file_is_the_same_model(folder: Path, path: Path, wanted: np.ndarray, tmp_path: Path) -> None:
    check(path, wanted, hit=False)
    shutil.copy(path, tmp_path / "other.mj")
    check(tmp_path / "other.mj", wanted, hit=True)


def flipped(at: int) -> Callable[[bytes], bytes]:
    def damage(data: bytes) -> bytes:
        at_ = at % len(data)
        return data[:at_] + bytes([data[at_] ^ 0x10]) + data[at_ + 1 :]

    return damage


@pytest.mark.parametrize(
    "damage",
    [*(flipped(at) for at in (0, 9, 41, 50, 58, 70, 300, -1, -200)), lambda data: data[:-1], lambda data: data[:50],
     lambda data: b"", lambda data: data + b"\0"],
)  # fmt: skip
def test_a_damaged_entry_is_a_miss(
    damage: Callable[[bytes], bytes], folder: Path, path: Path, wanted: np.ndarray
) -> None:
    check(path, wanted, hit=False)
    sound = {entry: entry.read_bytes() for entry in plans(folder)}
    for entry, data in sound.items():
        entry.unlink()
        entry.write_bytes(damage(data))
        entry.chmod(0o600)
    check(path, wanted, hit=False)
    assert {entry: entry.read_bytes() for entry in plans(folder)} == sound
    check(path, wanted, hit=True)


def test_an_entry_of_another_model_is_a_miss(folder: Path, path: Path, wanted: np.ndarray, tmp_path: Path) -> None:
    """Also under the right name."""
    check(path, wanted, hit=False)
    mine = plans(folder)
    network(1).save(tmp_path / "other.mj")
    mj.load(tmp_path / "other.mj", threads=1)
    others = sorted(set(plans(folder)) - set(mine), key=lambda entry: entry.stat().st_size)
    for entry, other in zip(sorted(mine, key=lambda entry: entry.stat().st_size), others, strict=True):
        other.replace(entry)
    check(path, wanted, hit=False)


def test_without_its_code_a_plan_is_a_miss(folder: Path, path: Path, wanted: np.ndarray) -> None:
    check(path, wanted, hit=False)
    for blob in folder.glob("*.mjk"):
        blob.unlink()
    check(path, wanted, hit=False)
    check(path, wanted, hit=True)


def test_code_that_lies_elsewhere_is_a_miss(
    folder: Path, path: Path, wanted: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(path, wanted, hit=False)
    real = kernels_in_code
    monkeypatch.setattr(
        kept_module, "kernels_of", lambda code: {name: (at + 16, text) for name, (at, text) in real(code).items()}
    )
    check(path, wanted, hit=False)


@pytest.fixture
def silence() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.usefixtures("silence")
def test_a_full_disk_keeps_nothing(folder: Path, path: Path, wanted: np.ndarray) -> None:
    with full_disk():
        check(path, wanted, hit=False)
        check(path, wanted, hit=False)
    assert not plans(folder) and not list(folder.glob("*.tmp"))


@pytest.mark.usefixtures("silence")
def test_a_folder_that_cannot_be_written_keeps_nothing(
    folder: Path, path: Path, wanted: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside of pytest's folders, which are for their owner alone."""
    if os.geteuid() == 0 and not all(each.stat().st_mode & 1 for each in Path(mj.__file__).parents):
        pytest.skip("the package lies where nobody but root may read it")
    before, somewhere = os.geteuid(), tempfile.mkdtemp()
    path, folder = (Path(shutil.move(item, somewhere)) for item in (path, folder))
    monkeypatch.setenv("MILLIJOULE_CACHE", str(folder))
    for entry in (Path(somewhere), folder, *folder.iterdir(), path):
        os.chown(entry, 65534 if before == 0 else -1, -1)
    folder.chmod(0o500)
    try:
        if before == 0:
            os.seteuid(65534)  # root may write everywhere
        check(path, wanted, hit=False)
        check(path, wanted, hit=False)
    finally:
        os.seteuid(before)
        folder.chmod(0o700)
        left = plans(folder)
        shutil.rmtree(somewhere)
    assert not left


def test_an_entry_that_others_may_write_is_ignored(folder: Path, path: Path, wanted: np.ndarray) -> None:
    check(path, wanted, hit=False)
    for entry in plans(folder):
        entry.chmod(0o666)
    with pytest.warns(RuntimeWarning, match="ignored: others may write to it"):
        check(path, wanted, hit=False)


def test_without_a_cache_all_is_as_ever(
    folder: Path, path: Path, wanted: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLIJOULE_CACHE", "off")
    for _ in range(2):
        check(path, wanted, hit=False)
    assert not plans(folder)


def test_only_what_was_verified_is_kept(folder: Path, path: Path, wanted: np.ndarray) -> None:
    check(path, wanted, hit=False, verify=False)
    assert not plans(folder)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    mj.load(path, threads=1, verify=False)
    with pytest.raises(mj.ModelError, match=r"network\.mj: the file is damaged"):
        mj.load(path, threads=1)
    with pytest.raises(mj.ModelError, match=r"none\.mj: cannot be read"):
        mj.load(path.with_name("none.mj"), threads=1)


def test_a_file_that_changes_meanwhile_is_not_kept(
    folder: Path, path: Path, wanted: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = iter("abcdefgh")
    monkeypatch.setattr(ModelFile, "digest_now", lambda file: next(given))
    check(path, wanted, hit=False)
    assert not plans(folder)


def test_the_device_has_to_have_room(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for what was planned where there was more."""
    net = Net(True)
    net.done(net.conv(net.feed(1, 300, 300, 6), 24, (3, 3))).model.save(tmp_path / "large.mj")
    mj.load(tmp_path / "large.mj", threads=1, profile=profile(tmp_path))
    monkeypatch.setattr(planner, "plan", refuse)
    mj.load(tmp_path / "large.mj", threads=1, profile=profile(tmp_path))
    with pytest.raises(mj.ModelError, match=r"does not fit: packed weights .* arena .* MiB"):
        small = profile(tmp_path, "memory_mib = 301", "system_mib = 300")
        mj.load(tmp_path / "large.mj", threads=1, profile=small)


def test_sizes_are_found_one_by_one(folder: Path, tmp_path: Path) -> None:
    """A model with symbolic sizes is planned when it is run, for one size after the other."""
    model, file = network(), tmp_path / "any.mj"
    model.graph.values["x0"].shape = ("N", 9, 8, 6)
    model.save(file)
    feeds = [{"x0": np.repeat(FEEDS["x0"], n, 0)} for n in (1, 2, 3)]
    with mj.load(mj.Model.load(file), target="numpy") as session:
        wanted = [next(iter(session.run(given).values())) for given in feeds]

    def same(session: Session, index: int) -> None:
        (array,) = session.run(feeds[index]).values()
        np.testing.assert_array_equal(array, wanted[index])

    with mj.load(file, threads=1) as session:
        same(session, 0)
        same(session, 1)
    with mj.load(file, threads=1) as session:
        assert session.engine.weights.used == 0 and session.input_info["x0"].shape == ("N", 9, 8, 6)
        for index in (0, 1, 0):
            same(session, index)
            assert isinstance(session.engine.weights, KeptWeights)
        same(session, 2)
        assert not isinstance(session.engine.weights, KeptWeights)
        for index in (0, 1, 2):
            same(session, index)


def test_steps_in_numpy_are_not_kept(folder: Path, tmp_path: Path) -> None:
    graph = Graph()
    graph.add_value(Value("x", np.dtype(np.float32), (2, 2)))
    graph.add_value(Value("y", np.dtype(np.float32), None))
    graph.inputs, graph.outputs = ["x"], ["y"]
    graph.nodes = [Node("Det", ["x"], ["y"], {}, "size")]
    mj.Model(graph).save(tmp_path / "size.mj")
    for _ in range(2):
        assert mj.load(tmp_path / "size.mj", threads=1).run(np.diag([3, 4]).astype(np.float32))["y"] == 12
    assert len(plans(folder)) == 1


@pytest.mark.parametrize(
    "model", [m for m in MODELS if m.name in ("kws_int8", "kws_f32", "streaming_wakeword_int8", "hello_world_int8")],
    ids=lambda model: model.name,
)  # fmt: skip
@pytest.mark.parametrize("threads", [1, 2])
def test_zoo(threads: int, model: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if reason := missing(model):
        pytest.skip(reason)
    file, found = converted(model, tmp_path), []
    for folder in ("off", str(tmp_path / "cache"), str(tmp_path / "cache")):
        monkeypatch.setenv("MILLIJOULE_CACHE", folder)
        with mj.load(file, threads=threads) as session:
            runs = [session.run(feeds_of(model, session.input_info, seed)) for seed in range(3)]
            found.append([array for run in runs for array in run.values()])
            assert isinstance(session.engine.weights, KeptWeights) == (len(found) == 3)
    for others in found[1:]:
        for array, before in zip(others, found[0], strict=True):
            np.testing.assert_array_equal(array, before)


def test_what_a_kernel_could_not_compute_is_still_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLIJOULE_CACHE", str(tmp_path / "cache"))
    x, places = np.arange(15, dtype=np.float32).reshape(3, 5), np.array([0, 2])
    graph = node_graph(Node("Gather", ["x", "i"], ["y"]), inputs={"x": (3, 5), "i": (2,)})
    graph.values["i"].dtype = places.dtype
    mj.Model(graph).save(tmp_path / "picked.mj")
    for kept in (False, True):
        session = mj.load(tmp_path / "picked.mj", threads=1)
        for _ in range(2):
            with pytest.raises(mj.ModelError, match="index 7 is out of range for a dimension of size 3"):
                session.run({"x": x, "i": places + 5})
            np.testing.assert_array_equal(session.run({"x": x, "i": places})["y"], x[places])
        assert isinstance(session.engine.weights, KeptWeights) == kept
