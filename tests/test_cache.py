"""The kernel cache: trusted only as far as nobody else can write it, and never in the way."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
from full_disk import full_disk
from kernel_files import adder_file, call, least_target, needing, python

from millijoule.runtime.compiler import cache as cache_module
from millijoule.runtime.compiler import digest
from millijoule.runtime.compiler.cache import BLOB, OBJECT, KernelCache, default_cache, default_folder
from millijoule.runtime.compiler.digest import blob_key, installed_version, kernel_key, runtime_digest, source_digest
from millijoule.runtime.compiler.object_file import CompiledKernel, DamagedObject, pack_object, unpack_object
from millijoule.runtime.targets.target import TARGETS

KERNEL = CompiledKernel(bytes(range(256)) * 10, "k123", "x:p n:i")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@contextlib.contextmanager
def no_warning() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@contextlib.contextmanager
def as_somebody(home: str) -> Iterator[None]:
    """As an ordinary user who owns the folder home: root may write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.chown(home, 65534, -1)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def test_objects_and_blobs_come_back(folder: Path) -> None:
    with no_warning():
        first = KernelCache(folder)
        assert first.load_object("a") is None and first.load_blob("b") is None
        first.store_object("a", KERNEL)
        assert call(first.store_blob("b", adder_file(5)), "add", 1) == 6
        second = KernelCache(folder)
        assert second.load_object("a") == KERNEL
        code = second.load_blob("b")
    assert code is not None and code.shared and call(code, "add", 2) == 7
    assert second.size() >= len(adder_file(5))


def test_only_the_owner_may_look(folder: Path) -> None:
    previous = os.umask(0)
    try:
        KernelCache(folder).store_object("a", KERNEL)
    finally:
        os.umask(previous)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600]


DAMAGES = [lambda data: data[:-1], lambda data: data[:30] + b"?" + data[31:], lambda data: b""]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_entries_are_made_anew(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    store = KernelCache(folder)
    store.store_object("a", KERNEL)
    store.store_blob("b", adder_file(5))
    for path in folder.iterdir():
        path.write_bytes(damage(path.read_bytes()))
    with no_warning():
        assert store.load_object("a") is None and store.load_blob("b") is None
        store.store_object("a", KERNEL)
        store.store_blob("b", adder_file(5))
    assert store.load_object("a") == KERNEL and store.load_blob("b") is not None


def test_every_changed_byte_of_an_object_is_noticed() -> None:
    data = pack_object(KERNEL)
    assert unpack_object(data) == KERNEL
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 4
        with pytest.raises(DamagedObject):
            unpack_object(bytes(changed))
        with pytest.raises(DamagedObject):
            unpack_object(data[:position])


def test_a_blob_for_a_better_cpu_is_not_found(folder: Path) -> None:
    from kernel_files import adder, one_part

    from millijoule.runtime.compiler.kernel_file import KernelFileError

    store = KernelCache(folder)
    with pytest.raises(KernelFileError, match="zz9"):
        store.store_blob("b", one_part(adder(1), needing("zz9")))
    assert store.load_blob("b") is None


def test_no_folder_is_memory(tmp_path: Path) -> None:
    with no_warning():
        store = KernelCache(None)
        store.store_object("a", KERNEL)
        assert call(store.store_blob("b", adder_file(5)), "add", 1) == 6
        assert store.load_object("a") == KERNEL and store.load_blob("b") is not None
        assert KernelCache(None).load_object("a") is None


@pytest.mark.parametrize("place", ["file/inside", "file"])
def test_a_folder_that_cannot_be_made_costs_one_warning(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.warns(RuntimeWarning, match="kernel cache .*cannot be used.*MILLIJOULE_CACHE") as caught:
        store = KernelCache(tmp_path / place)
        store.store_object("a", KERNEL)
        assert call(store.store_blob("b", adder_file(5)), "add", 1) == 6
        assert store.load_object("a") == KERNEL
    assert len(caught) == 1


def test_a_full_disk_costs_one_warning_and_leaves_nothing_behind(folder: Path) -> None:
    store = KernelCache(folder)
    store.store_object("before", KERNEL)
    with pytest.warns(RuntimeWarning, match="cannot be written: File too large") as caught, full_disk():
        store.store_object("a", KERNEL)
        code = store.store_blob("b", adder_file(5))
        store.store_object("c", KERNEL)
    assert len(caught) == 1
    assert call(code, "add", 1) == 6 and store.load_object("c") == KERNEL
    # What was there before is still used.
    assert store.load_object("before") == KERNEL
    assert [path.name for path in folder.iterdir()] == ["before" + OBJECT]


def test_a_read_only_folder_is_read() -> None:
    with tempfile.TemporaryDirectory() as base, as_somebody(base):
        folder = Path(base, "cache")
        KernelCache(folder).store_object("a", KERNEL)
        folder.chmod(0o500)
        store = KernelCache(folder)
        with no_warning():
            assert store.load_object("a") == KERNEL
        with pytest.warns(RuntimeWarning, match="cannot be written: Permission denied") as caught:
            store.store_object("b", KERNEL)
            assert store.load_object("b") == KERNEL
        assert len(caught) == 1
        folder.chmod(0o700)


def spoil_link(path: Path) -> None:
    moved = path.with_name(path.name + ".elsewhere")
    path.rename(moved)
    path.symlink_to(moved)


def spoil_group(path: Path) -> None:
    path.chmod(path.stat().st_mode | stat.S_IWGRP)


def spoil_others(path: Path) -> None:
    path.chmod(path.stat().st_mode | stat.S_IWOTH)


SPOILERS = [(spoil_link, "symbolic link"), (spoil_group, "others may write"), (spoil_others, "others may write")]


@pytest.mark.parametrize(("spoil", "reason"), SPOILERS)
def test_a_folder_that_others_may_write_is_ignored(folder: Path, spoil: Callable[[Path], None], reason: str) -> None:
    KernelCache(folder).store_object("a", KERNEL)
    spoil(folder)
    with pytest.warns(RuntimeWarning, match=reason) as caught:
        store = KernelCache(folder)
        assert store.load_object("a") is None
        store.store_object("b", KERNEL)
    assert len(caught) == 1 and len(list(folder.iterdir())) == 1


@pytest.mark.parametrize(("spoil", "reason"), SPOILERS)
def test_an_entry_that_others_may_write_is_ignored_and_replaced(
    folder: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    store = KernelCache(folder)
    store.store_blob("b", adder_file(5))
    spoil(folder / ("b" + BLOB))
    with pytest.warns(RuntimeWarning, match=reason):
        assert store.load_blob("b") is None
    kept = {path: path.read_bytes() for path in folder.glob("*.elsewhere")}
    store.store_blob("b", adder_file(6))
    with no_warning():
        code = KernelCache(folder).load_blob("b")
    assert code is not None and call(code, "add", 1) == 7
    assert kept == {path: path.read_bytes() for path in folder.glob("*.elsewhere")}


def test_what_belongs_to_somebody_else_is_ignored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = KernelCache(folder)
    store.store_object("a", KERNEL)
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.warns(RuntimeWarning, match=f"a.mjo is ignored: it belongs to user {owner}"):
        assert store.load_object("a") is None
    with pytest.warns(RuntimeWarning, match=f"cannot be used: it belongs to user {owner}"):
        assert KernelCache(folder).folder is None


def test_an_entry_that_is_no_file_is_ignored(folder: Path) -> None:
    store = KernelCache(folder)
    os.mkfifo(folder / ("a" + OBJECT), 0o600)
    with pytest.warns(RuntimeWarning, match="not a regular file"):
        assert store.load_object("a") is None


def test_pruned_to_its_bound_oldest_access_first(folder: Path) -> None:
    big = CompiledKernel(bytes(100_000), "k", "")
    store = KernelCache(folder, bound=1_000_000)
    for number in range(8):
        store.store_object(f"{number}", big)
        age(folder / f"{number}{OBJECT}", 86400 * (100 - number))
    (folder / "notes.txt").write_text("not ours")
    assert store.load_object("0") is not None  # used now, so no longer the oldest
    for number in range(8, 14):
        store.store_object(f"{number}", big)
    left = {path.name for path in folder.iterdir()}
    assert store.size() <= 1_000_000
    assert {"notes.txt", "0" + OBJECT, "13" + OBJECT} <= left
    assert not {"1" + OBJECT, "2" + OBJECT, "3" + OBJECT} & left


def test_what_is_larger_than_the_bound_still_serves(folder: Path) -> None:
    store = KernelCache(folder, bound=4096)
    for key in ("a", "b"):
        store.store_object(key, CompiledKernel(bytes(10_000), "k", ""))
        assert store.load_object(key) is not None
    assert len(list(folder.iterdir())) == 1


def test_what_crashed_writers_left_is_removed(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    for name, seconds in {".old.mjo.abc.tmp": 7200, ".new.mjo.abc.tmp": 1}.items():
        (folder / name).write_bytes(b"half")
        age(folder / name, seconds)
    KernelCache(folder).store_object("a", KERNEL)
    assert {path.name for path in folder.iterdir()} == {".new.mjo.abc.tmp", "a" + OBJECT}


def test_access_is_noted_only_now_and_then(folder: Path) -> None:
    store = KernelCache(folder)
    store.store_object("a", KERNEL)
    path = folder / ("a" + OBJECT)
    age(path, 60)
    before = path.stat().st_mtime
    store.load_object("a")
    assert path.stat().st_mtime == before
    age(path, 86400)
    before = path.stat().st_mtime
    store.load_object("a")
    assert path.stat().st_atime > time.time() - 60 and path.stat().st_mtime == before


def test_many_at_once(folder: Path) -> None:
    problems: list[BaseException] = []
    files = [adder_file(number) for number in range(3)]

    def work() -> None:
        try:
            store = KernelCache(folder, bound=40_000)
            for _ in range(15):
                for number, data in enumerate(files):
                    assert call(store.store_blob(f"{number}", data), "add", 1) == number + 1
                    code = store.load_blob(f"{number}")
                    assert code is None or call(code, "add", 1) == number + 1
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work) for _ in range(6)]
    with no_warning():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not problems
    assert not list(folder.glob("*.tmp"))


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"MILLIJOULE_CACHE": "off"}, None),
        ({"MILLIJOULE_CACHE": " OFF"}, None),
        ({"MILLIJOULE_CACHE": "/some/where"}, "/some/where"),
        ({"MILLIJOULE_CACHE": "~/kernels"}, "/home/me/kernels"),
        ({"MILLIJOULE_CACHE": "here"}, os.path.join(os.getcwd(), "here")),
        ({"XDG_CACHE_HOME": "/var/cache/me"}, "/var/cache/me/millijoule"),
        ({"XDG_CACHE_HOME": "relative"}, "/home/me/.cache/millijoule"),
        ({"XDG_CACHE_HOME": ""}, "/home/me/.cache/millijoule"),
        ({}, "/home/me/.cache/millijoule"),
    ],
)
def test_where_it_is(environment: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MILLIJOULE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/me", **environment}.items():
        monkeypatch.setenv(name, value)
    assert default_folder() == (None if expected is None else Path(expected))


def test_one_cache_for_a_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLIJOULE_CACHE", str(folder))
    assert default_cache() is default_cache() and default_cache().folder == folder
    monkeypatch.setenv("MILLIJOULE_CACHE", "off")
    assert default_cache() is default_cache() and default_cache().folder is None
    cache_module._cache_in.cache_clear()


def test_keys_name_kernel_and_target() -> None:
    targets = list(TARGETS.values())
    keys = {kernel_key(name, target) for name in ("a", "b") for target in targets}
    keys |= {blob_key(names, target) for names in (["a", "b"], ["ab"], ["a"], []) for target in targets}
    assert len(keys) == 6 * len(targets)
    assert blob_key(["b", "a", "a"], targets[0]) == blob_key(["a", "b"], targets[0])
    assert all(key.isalnum() for key in keys)


def copy_of_sources(goal: Path) -> Path:
    for name in digest.SOURCES:
        shutil.copytree(Path(digest.__file__).parent.parent / name, goal / name)
    return goal


def test_all_that_kernels_are_made_of_is_in_their_key() -> None:
    """What kernels and their vocabulary import lies in the folders that the digest covers."""
    root = Path(digest.__file__).parent.parent
    for folder in ("kernels", "simd"):
        for path in (root / folder).glob("*.py"):
            imported = re.findall(r"^\s*from \.\.(\w+)", path.read_text(), re.MULTILINE)
            assert set(imported) <= set(digest.SOURCES), path.name


def test_every_source_is_in_the_key(tmp_path: Path) -> None:
    fresh = source_digest.__wrapped__
    root = copy_of_sources(tmp_path / "a")
    assert fresh(root) == fresh(shutil.copytree(root, tmp_path / "b"))
    seen = {fresh(root)}
    for path in sorted(root.rglob("*.py")):
        original = path.read_bytes()
        path.write_bytes(original + b"\n")
        seen.add(fresh(root))
        path.write_bytes(original)
    assert len(seen) == 1 + len(list(root.rglob("*.py")))
    (root / "kernels/new.py").write_text("")
    assert fresh(root) not in seen


def test_results_are_keyed_by_the_whole_runtime(tmp_path: Path) -> None:
    """Not by what compiles alone: operators, lowerings and plans decide results, too."""
    fresh = runtime_digest.__wrapped__
    root = shutil.copytree(
        Path(digest.__file__).parent.parent, tmp_path / "a", ignore=shutil.ignore_patterns("__pycache__")
    )
    seen = {fresh(root)}
    folders = [folder for folder in root.rglob("*") if folder.is_dir()]
    for folder in (root, *folders):
        path = min(folder.glob("*.py"))
        path.write_bytes(path.read_bytes() + b"\n")
        seen.add(fresh(root))
    assert {"ops", "lowering", "planner", "vision"} < {folder.name for folder in folders}
    assert len(seen) == 2 + len(folders)


def test_versions_are_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for fresh in (source_digest.__wrapped__, runtime_digest.__wrapped__):
        before = fresh()
        for name in ("installed_version", "ABI"):
            with monkeypatch.context() as patch:
                patch.setattr(digest, name, (lambda package: "other") if name == "installed_version" else 10_000)
                assert fresh() != before
        assert fresh() == before


def test_versions_are_those_of_the_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in digest.COMPILERS:
        assert metadata.version(package) in installed_version(package)
    assert installed_version("no_such_package") == "no_such_package-absent"
    (tmp_path / "numba-9.9.9.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert installed_version("numba") == "numba-9.9.9.dist-info"


def test_the_key_is_the_same_in_every_process() -> None:
    text = (
        "from millijoule.runtime.compiler import digest; from millijoule.runtime.targets import target; "
        "print(digest.blob_key(['a', 'b'], target.named({!r})))"
    )
    assert python(text.format(least_target().name)).stdout.strip() == blob_key(["b", "a"], least_target())
