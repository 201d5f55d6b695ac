"""Kernel files: read only when whole and for this CPU, mapped and never writable."""

from __future__ import annotations

import ctypes
import errno
import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from kernel_files import REFUSE_EXECUTABLE_MEMORY, adder, adder_file, call, least_target, needing, one_part, python

from millijoule.runtime.compiler import loader, part_choice
from millijoule.runtime.compiler.abi import ABI
from millijoule.runtime.compiler.build import compile_file
from millijoule.runtime.compiler.cache import KernelCache
from millijoule.runtime.compiler.kernel_file import (
    ALIGNMENT,
    DESCRIPTION,
    Compiled,
    KernelFileError,
    decode,
    encode,
    write,
)
from millijoule.runtime.compiler.linker import Blob
from millijoule.runtime.compiler.part_choice import choose_part
from millijoule.runtime.errors import Error, TargetError
from millijoule.runtime.kernels.copy import copy
from millijoule.runtime.system import executable
from millijoule.runtime.targets.cpu import host_machine
from millijoule.runtime.targets.target import DOTPROD, NEON, TARGETS, V3, V4, named, resolve


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "k.mjk", adder_file(7))
    return tmp_path / "k.mjk"


def protections(address: int) -> tuple[str, str]:
    """Rights and file of the mapping that holds an address."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        low, high = (int(part, 16) for part in fields[0].split("-"))
        if low <= address < high:
            return fields[1], fields[5] if len(fields) > 5 else ""
    raise AssertionError(f"{address:#x} is not mapped")


def test_a_file_is_mapped_read_and_execute(path: Path) -> None:
    with loader.load(path) as code:
        assert call(code, "add", 5) == 12 and call(code, "triple", 5) == 15
        assert code.shared and code.target == least_target().name
        assert code.kernels["add"].signature == "x:i" and code.kernels["triple"].signature == ""
        assert protections(code.base) == ("r-xp", str(path))


def test_the_mapping_outlives_the_file(path: Path) -> None:
    code = loader.load(path)
    write(path, adder_file(100))
    assert call(code, "add", 1) == 8
    path.unlink()
    assert call(code, "add", 1) == 8
    code.close()


def test_bytes_are_copied_to_memory_that_is_not_writable() -> None:
    code = loader.load_bytes(adder_file(9))
    assert call(code, "add", 1) == 10 and not code.shared
    assert protections(code.base)[0] == "r-xp"


def test_close_unmaps(path: Path) -> None:
    code = loader.load(path)
    code.close()
    code.close()
    with pytest.raises(ValueError, match="closed"):
        code.address("add")


def test_large_code_is_mapped_whole() -> None:
    blob = adder(1)
    padded = type(blob)(blob.machine, blob.code.ljust(300_001, b"\xcc"), blob.symbols)
    code = loader.load_bytes(one_part(padded, least_target()))
    assert code.size == 300_001 and ctypes.string_at(code.base + 300_000, 1) == b"\xcc"


def test_a_real_kernel_runs_from_a_file(tmp_path: Path) -> None:
    """Compiled by numba, linked, saved, mapped: void kernel(bases, params, start, stop) copies bytes."""
    constants = {"itemsize": 1, "rows": True, "flip": False}
    data = compile_file({"copy": (copy, constants)}, resolve("host"), KernelCache(None))
    write(tmp_path / "copy.mjk", data)
    code = loader.load(tmp_path / "copy.mjk")
    names = [item.split(":")[0] for item in code.kernels["copy"].signature.split()]
    assert names[:3] == ["x", "y", "n0"] and len(names) == 20
    source, goal = ctypes.create_string_buffer(bytes(range(200)), 200), ctypes.create_string_buffer(200)
    bases = (ctypes.c_uint64 * 2)(ctypes.addressof(source), ctypes.addressof(goal))
    sizes, x_pitch, y_pitch = [1, 3, 1, 1, 1, 10], [0, 50, 0, 0, 0, 1], [0, 20, 0, 0, 0, 1]
    params = (ctypes.c_int32 * 22)(0, 0, 1, 0, *sizes, *x_pitch, *y_pitch)
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    prototype(code.address("copy"))(bases, params, 0, 3)
    expected = bytearray(200)
    for row in range(3):
        expected[20 * row : 20 * row + 10] = source.raw[50 * row : 50 * row + 10]
    assert goal.raw == expected


@pytest.mark.parametrize("name", ["x86-64-v2", "x86-64-v4-vnni", "cortex-a53", "aarch64-i8mm"])
def test_code_for_any_target_begins_at_a_page(name: str) -> None:
    data = compile_file({"copy": (copy, {"itemsize": 4, "rows": False, "flip": True})}, named(name), KernelCache(None))
    contents = decode(data, "k")
    assert contents.code_offset % ALIGNMENT[named(name).machine] == 0
    (part,) = contents.parts
    assert part.target == name and set(part.features) == named(name).features


def test_a_noexec_mount_costs_the_sharing_only(path: Path, tmp_path: Path) -> None:
    inside = 'mount -t tmpfs -o noexec tmpfs "$2" && cp "$1" "$2/k.mjk" && exec "$3" -c "$4" "$2/k.mjk"'
    text = (
        "import mmap, sys\n"
        "from millijoule.runtime.compiler import loader\n"
        "print(loader.load(sys.argv[1]).shared)\n"
        "file = open(sys.argv[1], 'rb')\n"
        "mmap.mmap(file.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)\n"
    )
    folder = tmp_path / "noexec"
    folder.mkdir()
    unshare = ["unshare", "--mount", "--map-root-user"]
    try:
        subprocess.run([*unshare, "mount", "-t", "tmpfs", "tmpfs", folder], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no mount namespaces here (unshare --mount --map-root-user)")
    command: list[str | Path] = [*unshare, "sh", "-ec", inside, "sh", path, folder, sys.executable, text]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/")
    if done.returncode == 0:
        pytest.skip("noexec is not enforced here, as under QEMU")
    assert done.stdout.strip() == "False" and "Operation not permitted" in done.stderr, done.stderr


def test_refusing_to_map_the_file_costs_the_sharing_only(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = executable._mmap

    def refuse_files(size: int, protection: int, flags: int, descriptor: int, offset: int) -> int:
        if descriptor >= 0:
            raise executable._refused(errno.EPERM)
        return real(size, protection, flags, descriptor, offset)

    monkeypatch.setattr(executable, "_mmap", refuse_files)
    code = loader.load(path)
    assert call(code, "add", 5) == 12 and not code.shared


def test_no_executable_memory_at_all_is_an_error_of_its_own(path: Path) -> None:
    text = REFUSE_EXECUTABLE_MEMORY + (
        "from millijoule.runtime.compiler import loader\n"
        "from millijoule.runtime.system import executable\n"
        "data = open(sys.argv[1], 'rb').read()\n"
        "try: loader.load_bytes(data)\n"
        "except loader.ExecutableMemoryError as error: print(error)\n"
    )
    done = python(text, path)
    if done.returncode == 77:
        pytest.skip("this kernel cannot refuse executable memory (prctl PR_SET_MDWE, Linux 6.3)")
    assert done.returncode == 0, done.stderr
    assert "refuses executable memory" in done.stdout


def test_neither_numba_nor_llvmlite_is_imported(path: Path) -> None:
    text = (
        "import sys\n"
        "from millijoule.runtime.compiler import cache, digest, loader\n"
        "from millijoule.runtime.targets import target\n"
        "loader.load(sys.argv[1])\n"
        "cache.KernelCache(None).load_blob(digest.blob_key(['a'], target.resolve()))\n"
        "print(sorted({'numba', 'llvmlite', 'importlib.metadata'} & set(sys.modules)))\n"
    )
    done = python(text, path)
    assert done.stdout.strip() == "[]", done.stderr


def test_every_change_of_a_file_is_noticed() -> None:
    data = adder_file(3)
    generator = random.Random(1)
    interesting = [*range(DESCRIPTION + 200), *generator.sample(range(len(data)), 500), len(data) - 1]
    for position in interesting:
        changed = bytearray(data)
        changed[position] ^= 1 << generator.randrange(8)
        with pytest.raises(KernelFileError):
            decode(bytes(changed), "k")
    for size in (*range(DESCRIPTION + 10), len(data) // 2, len(data) - 1):
        with pytest.raises(KernelFileError):
            decode(data[:size], "k")
    with pytest.raises(KernelFileError, match="truncated"):
        decode(data + b"\0", "k")


def test_a_pipe_is_no_kernel_file_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(KernelFileError, match="is not a kernel file"):
        loader.load(tmp_path / "pipe")


def test_not_a_kernel_file(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"PK" + bytes(5000))
    for name in ("other", "missing", "."):
        with pytest.raises(KernelFileError, match=r"kernel file"):
            loader.load(tmp_path / name)


def two_parts(name: str) -> bytes:
    """For another machine, whose `add` adds 1, and for a target of this one, whose `add` adds 2."""
    other = {"x86-64": "aarch64", "aarch64": "x86-64"}[host_machine()]
    parts = [(adder(1, other), least_target(other)), (adder(2), named(name))]
    return encode([Compiled(blob, target, {}) for blob, target in parts])


@pytest.mark.parametrize("asked", [None, "host", least_target().name])
def test_of_several_parts_the_one_for_this_cpu_is_mapped(asked: str | None, tmp_path: Path) -> None:
    write(tmp_path / "k.mjk", two_parts(least_target().name))
    with loader.load(tmp_path / "k.mjk", asked) as code:
        assert call(code, "add", 5) == 7 and code.shared and code.target == least_target().name
    assert call(loader.load_bytes(two_parts(least_target().name)), "add", 5) == 7


def test_a_target_that_a_file_does_not_hold(tmp_path: Path) -> None:
    write(tmp_path / "k.mjk", two_parts(least_target().name))
    missing = next(name for name in ("cortex-a53", "x86-64-v3") if named(name).machine == host_machine())
    with pytest.raises(KernelFileError, match=f"no code for target {missing}, only for .*{least_target().name}"):
        loader.load(tmp_path / "k.mjk", missing)
    other = next(name for name in ("x86-64-v2", "aarch64-neon") if named(name).machine != host_machine())
    with pytest.raises(KernelFileError, match=f"nothing that this CPU runs: for {other} it lacks being "):
        loader.load(tmp_path / "k.mjk", other)
    with pytest.raises(TargetError, match="no target 'z80'"):
        loader.load(tmp_path / "k.mjk", "z80")


@pytest.mark.parametrize(
    ("machine", "features", "core", "held", "chosen"),
    [
        ("x86-64", V4, None, ["x86-64-v3", "x86-64-v2", "x86-64-v4-vnni"], "x86-64-v3"),
        ("x86-64", V3 | {"avxvnni"}, None, ["x86-64-v3", "x86-64-v3-vnni", "x86-64-v2"], "x86-64-v3-vnni"),
        ("x86-64", V4 | {"avx512vnni"}, None, ["x86-64-v4-vnni", "x86-64-v4"], "x86-64-v4-vnni"),
        ("aarch64", NEON, "cortex-a72", ["cortex-a53", "cortex-a72", "aarch64-neon"], "cortex-a72"),
        ("aarch64", NEON, "cortex-a72", ["cortex-a53", "aarch64-neon"], "aarch64-neon"),
        ("aarch64", NEON, None, ["cortex-a53", "aarch64-dotprod"], "cortex-a53"),
        ("aarch64", DOTPROD, "cortex-a55", ["aarch64-dotprod", "cortex-a55", "cortex-a53"], "cortex-a55"),
        ("aarch64", DOTPROD, None, ["cortex-a55", "aarch64-dotprod", "aarch64-i8mm"], "aarch64-dotprod"),
        ("aarch64", DOTPROD | {"i8mm"}, None, ["x86-64-v2", "aarch64-i8mm", "cortex-a72"], "aarch64-i8mm"),
    ],
)
def test_the_best_part_that_a_cpu_runs(
    machine: str,
    features: frozenset[str],
    core: str | None,
    held: list[str],
    chosen: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(part_choice, "host_machine", lambda: machine)
    monkeypatch.setattr(part_choice, "host_features", lambda: frozenset(features))
    monkeypatch.setattr(part_choice, "arm_core", lambda: core)
    targets = [TARGETS[name] for name in held]
    file = decode(encode([Compiled(Blob(t.machine, b"code", {"k": 0}), t, {}) for t in targets]), "k")
    assert file.targets == held
    assert choose_part(file, "k").target == chosen
    assert choose_part(file, "k", chosen).target == chosen


def test_what_a_description_must_not_say() -> None:
    """With a checksum that is right: whoever writes files by other means is told, too."""
    blob = adder(1)
    for message, parts in {
        "same target twice": [Compiled(blob, least_target(), {})] * 2,
        "lies outside the file's": [Compiled(Blob(blob.machine, b"", {}), least_target(), {})],
    }.items():
        data = encode([*parts, Compiled(blob, needing("zz9"), {})])
        with pytest.raises(KernelFileError, match=message):
            decode(data, "k")


def test_of_an_older_version() -> None:
    data = bytearray(adder_file(3))
    data[7] = 0
    with pytest.raises(KernelFileError, match=r"old\.mjk is a kernel file of version 0, .*compile it again"):
        decode(bytes(data), "old.mjk")


def test_of_another_abi() -> None:
    data = bytearray(adder_file(3))
    struct.pack_into("<I", data, 8, ABI + 1)
    with pytest.raises(KernelFileError, match=f"ABI {ABI + 1}.*ABI {ABI}.*compile it again"):
        decode(bytes(data), "old.mjk")


def test_for_another_machine() -> None:
    other = {"x86-64": "aarch64", "aarch64": "x86-64"}[host_machine()]
    data = one_part(adder(1, other), least_target(other))
    with pytest.raises(
        KernelFileError, match=f"a.mjk holds nothing .* being {other} .it is {host_machine()}.*mj compile"
    ):
        loader.load_bytes(data, "a.mjk")


def test_for_a_cpu_with_more_features() -> None:
    with pytest.raises(KernelFileError, match="for strange it lacks zz9"):
        loader.load_bytes(one_part(adder(1), needing("zz9")), "a.mjk")


def test_kernels_outside_the_code() -> None:
    blob = adder(1)
    with pytest.raises(KernelFileError, match="kernel add lies outside"):
        decode(one_part(type(blob)(blob.machine, blob.code, {"add": len(blob.code)}), least_target()), "k")


def test_errors_can_be_caught_as_one(tmp_path: Path) -> None:
    assert issubclass(KernelFileError, Error) and issubclass(loader.ExecutableMemoryError, Error)


@pytest.mark.skipif(host_machine() != "aarch64", reason="needs an aarch64 process (.ci/arm-python runs one)")
def test_own_flush_of_the_instruction_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where libgcc_s is absent; new code in place of old code at the same address must be what runs."""
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: (_ for _ in ()).throw(OSError("absent")))
    flush = executable._aarch64_flush.__wrapped__()
    monkeypatch.undo()
    monkeypatch.setattr(executable, "_aarch64_flush", lambda: flush)
    for amount in range(20):
        code = loader.load_bytes(adder_file(amount))
        assert call(code, "add", 1) == 1 + amount
        code.close()
