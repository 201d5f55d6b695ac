"""Targets: what they need, what LLVM makes of them, and which one a CPU gets."""

from __future__ import annotations

import platform
import re
import sys
from pathlib import Path

import llvmlite.binding as llvm
import pytest
from kernel_files import REFUSE_EXECUTABLE_MEMORY, python

from millijoule import device_profiles
from millijoule.runtime.errors import TargetError
from millijoule.runtime.targets import cpu, target
from millijoule.runtime.targets.target import ALIASES, BASES, DOTPROD, NEON, TARGETS, V2, V3, V4, choose, named, resolve

VNNI = V4 | {"avx512vnni"}


@pytest.mark.parametrize(
    ("machine", "features", "name"),
    [
        ("x86-64", V2, "x86-64-v2"),
        ("x86-64", V3, "x86-64-v3"),
        ("x86-64", V3 - {"fma"}, "x86-64-v2"),
        ("x86-64", V3 | {"avx512f", "avx512cd"}, "x86-64-v3"),
        ("x86-64", V3 | {"avx512vnni"}, "x86-64-v3"),
        ("x86-64", V3 | {"avxvnni"}, "x86-64-v3-vnni"),
        ("x86-64", V4 | {"avx512vnni", "avxvnni"}, "x86-64-v4-vnni"),
        ("x86-64", V4, "x86-64-v4"),
        ("x86-64", VNNI, "x86-64-v4-vnni"),
        ("x86-64", V4 | {"avx512vbmi"}, "x86-64-v4"),
        ("x86-64", VNNI | {"avx512vbmi"}, "x86-64-v4-vbmi"),
        ("aarch64", NEON, "aarch64-neon"),
        ("aarch64", NEON | {"lse", "rdm"}, "aarch64-neon"),
        ("aarch64", NEON | {"i8mm"}, "aarch64-neon"),
        ("aarch64", DOTPROD, "aarch64-dotprod"),
        ("aarch64", DOTPROD | {"i8mm"}, "aarch64-i8mm"),
    ],
)
def test_a_cpu_gets_the_best_target_it_has_all_features_for(machine: str, features: frozenset[str], name: str) -> None:
    assert choose(machine, frozenset(features)).name == name


def test_the_core_picks_a_variant_but_never_features() -> None:
    assert choose("aarch64", NEON, "cortex-a57").name == "cortex-a57"
    assert choose("aarch64", DOTPROD, "cortex-a55").name == "cortex-a55"
    assert choose("aarch64", NEON, "cortex-a55").name == "aarch64-neon"
    assert choose("aarch64", DOTPROD, "cortex-a57").name == "aarch64-dotprod"
    assert choose("aarch64", DOTPROD, "unheard-of").name == "aarch64-dotprod"


def test_a_cpu_below_the_least_target() -> None:
    with pytest.raises(TargetError, match=r"lacks sse4\.2, which x86-64-v2"):
        choose("x86-64", V2 - {"sse4.2"})


def test_detection_is_consistent() -> None:
    found = target.detect()
    assert found.machine == cpu.host_machine()
    assert found.features <= cpu.host_features()
    assert resolve("host") == found and not target.missing(found)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="CPUID is x86's")
def test_cpuid_says_what_linux_says() -> None:
    assert cpu._cpuid_features() == cpu.decode_proc_flags(Path("/proc/cpuinfo").read_text())


@pytest.mark.skipif(platform.machine() != "x86_64", reason="CPUID is x86's")
def test_without_executable_memory_linux_is_asked() -> None:
    text = REFUSE_EXECUTABLE_MEMORY + (
        "from millijoule.runtime.system import executable\n"
        "from millijoule.runtime.targets import cpu\n"
        "try: executable.map_bytes(b'x')\n"
        "except executable.ExecutableMemoryError: print(','.join(sorted(cpu.host_features())))\n"
    )
    done = python(text)
    if done.returncode == 77:
        pytest.skip("this kernel cannot refuse executable memory (prctl PR_SET_MDWE, Linux 6.3)")
    assert done.stdout.strip() == ",".join(sorted(cpu.host_features())), done.stderr


def fake_cpuid(present: set[str], *, highest: int = 7, subleaves: int = 1, osxsave: bool = True) -> cpu.Cpuid:
    def cpuid(leaf: int, subleaf: int) -> cpu.Registers:
        if leaf in (0, 0x80000000):
            return (highest if leaf == 0 else 0x80000001, 0, 0, 0)
        # What Intel's CPUs answer above the highest leaf is that leaf's data, here all ones.
        if leaf <= 0x7FFFFFFF and (leaf > highest or subleaf > subleaves):
            return (0xFFFFFFFF,) * 4
        most = subleaves if (leaf, subleaf) == (7, 0) else 0
        registers = [most, 0, cpu.OSXSAVE if leaf == 1 and osxsave else 0, 0]
        for feature in present:
            where = cpu.CPUID_BITS[feature]
            if where[:2] == (leaf, subleaf):
                registers[where[2]] |= 1 << where[3]
        eax, ebx, ecx, edx = registers
        return eax, ebx, ecx, edx

    return cpuid


EVERYTHING = set(cpu.CPUID_BITS)
STATES = {"none": 0b11, "avx": 0b111, "avx512": 0b11100111}


@pytest.mark.parametrize(
    ("state", "osxsave", "best"),
    [
        ("avx512", True, "x86-64-v4-vbmi"),
        ("avx", True, "x86-64-v3-vnni"),
        ("none", True, "x86-64-v2"),
        ("avx512", False, "x86-64-v2"),
    ],
)
def test_registers_that_the_system_does_not_save_do_not_count(state: str, osxsave: bool, best: str) -> None:
    found = cpu.decode_cpuid(fake_cpuid(EVERYTHING, osxsave=osxsave), lambda: STATES[state])
    assert choose("x86-64", found).name == best


def test_leaves_that_do_not_exist_are_not_read() -> None:
    found = cpu.decode_cpuid(fake_cpuid(EVERYTHING, highest=1), lambda: STATES["avx512"])
    assert "avx" in found and "avx2" not in found
    found = cpu.decode_cpuid(fake_cpuid(EVERYTHING, subleaves=0), lambda: STATES["avx512"])
    assert "avx2" in found and "avxvnni" not in found


@pytest.mark.parametrize("feature", sorted(cpu.CPUID_BITS))
def test_each_bit_is_one_feature(feature: str) -> None:
    assert cpu.decode_cpuid(fake_cpuid({feature}), lambda: STATES["avx512"]) == {feature}


@pytest.mark.parametrize(
    ("hwcap", "hwcap2", "features", "best"),
    [
        (0x000000FF, 0, {"neon"}, "aarch64-neon"),  # Cortex-A57, A72 with cryptography
        (0x00000887, 0, {"neon"}, "aarch64-neon"),  # Raspberry Pi 4
        (0x0010FFFF, 0, DOTPROD, "aarch64-dotprod"),  # Cortex-A76 and later without SVE
        (0x0010FFFF, 1 << 13, DOTPROD | {"i8mm"}, "aarch64-i8mm"),
        (1 << 1 | 1 << 20, 0, {"neon", "dotprod"}, "aarch64-neon"),
        (1 << 1 | 1 << 9, 0, {"neon"}, "aarch64-neon"),
    ],
)
def test_hwcap(hwcap: int, hwcap2: int, features: set[str], best: str) -> None:
    found = cpu.decode_hwcap(hwcap, hwcap2)
    assert found == features and choose("aarch64", found).name == best


def midr_tree(root: Path, *values: str) -> Path:
    for number, value in enumerate(values):
        folder = root / f"cpu{number}/regs/identification"
        folder.mkdir(parents=True)
        (folder / "midr_el1").write_text(value + "\n")
    return root


@pytest.mark.parametrize(
    ("values", "core"),
    [
        (["0x00000000411fd071"] * 4, "cortex-a57"),
        (["0x00000000410fd034"] * 4, "cortex-a53"),
        (["0x00000000410fd034", "0x00000000410fd083"], None),  # big.LITTLE
        (["0x00000000511f8002"], None),
        (["0x00000000414fd0b1"], None),
        (["garbage"], None),
        ([], None),
    ],
)
def test_arm_core(tmp_path: Path, values: list[str], core: str | None) -> None:
    assert cpu.arm_core(midr_tree(tmp_path, *values)) == core


def test_names() -> None:
    assert named(" Cortex-A76 ").name == "aarch64-dotprod"
    assert {named(alias).name for alias in ALIASES} <= set(TARGETS)
    assert not set(ALIASES) & set(TARGETS)
    with pytest.raises(TargetError, match=r"no target 'pentium'; known are host, x86-64-v2"):
        resolve("pentium")
    with pytest.raises(TargetError, match="no target"):
        resolve("pentium", compile_only=True)


@pytest.mark.parametrize("name", device_profiles.names())
def test_a_device_is_a_target(name: str) -> None:
    wanted = TARGETS.get(device_profiles.load(name).target)
    if wanted is None:
        with pytest.raises(TargetError, match="NumPy runs every operator there"):
            named(name)
        return
    assert named(name) == named(f" {name.title()} ") == resolve(name, compile_only=True) == wanted
    if target.missing(wanted):
        with pytest.raises(TargetError, match=f"target {wanted.name} cannot run here"):
            resolve(name)


@pytest.mark.parametrize(
    ("typed", "meant"), [("raspbery-pi5", "raspberry-pi-5"), ("cortex_a72", "cortex-a72"), ("x86-64-v5", "x86-64-v")]
)
def test_a_name_that_is_nearly_one_is_suggested(typed: str, meant: str) -> None:
    with pytest.raises(TargetError, match=f"did you mean {meant}.*Known are host, .* and the devices armv8.0, "):
        named(typed)


def test_the_environment_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    least = next(t for t in BASES if t.machine == cpu.host_machine())
    monkeypatch.setenv("MILLIJOULE_TARGET", least.name)
    assert resolve() == least
    assert resolve("host") == target.detect()
    monkeypatch.setenv("MILLIJOULE_TARGET", "")
    assert resolve() == target.detect()
    monkeypatch.setenv("MILLIJOULE_TARGET", "nonsense")
    with pytest.raises(TargetError, match="nonsense"):
        resolve()


def test_what_cannot_run_here_is_refused_but_can_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    other = {"x86-64": "cortex-a72", "aarch64": "x86-64-v3"}[cpu.host_machine()]
    with pytest.raises(TargetError, match=f"{other} cannot run here.*mj compile --target"):
        resolve(other)
    assert resolve(other, compile_only=True).name == other
    monkeypatch.setattr(target, "host_features", lambda: V3)
    monkeypatch.setattr(target, "host_machine", lambda: "x86-64")
    with pytest.raises(TargetError, match="lacks avx512vnni"):
        monkeypatch.setattr(target, "host_features", lambda: V4)
        resolve("x86-64-v4-vnni")


def test_other_systems_run_no_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(TargetError, match="need Linux, this is darwin"):
        cpu.host_machine.__wrapped__()
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(TargetError, match="64-bit process on riscv64"):
        cpu.host_machine.__wrapped__()


VECTORS = """
define void @k(i64 %a) {
  %p = inttoptr i64 %a to {pointer}
  %x = load <16 x float>, {pointer} %p, align 1
  %y = fmul <16 x float> %x, %x
  store <16 x float> %y, {pointer} %p, align 1
  ret void
}
"""
WIDEST = {16: r"%xmm|\bv\d+\.4s", 32: r"%ymm", 64: r"%zmm"}


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_llvm_knows_the_target_and_uses_its_widest_vectors(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    chosen = TARGETS[name]
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(chosen.triple).create_target_machine(
        cpu=chosen.cpu, features=chosen.llvm_features, opt=3
    )
    pointer = "ptr" if llvm.llvm_version_info[0] >= 17 else "<16 x float>*"
    module = llvm.parse_assembly(VECTORS.replace("{pointer}", pointer))
    module.triple = chosen.triple
    text = machine.emit_assembly(module)
    assert "not a recognized" not in capfd.readouterr().err
    assert re.search(WIDEST[chosen.vector_bytes], text)
    assert chosen.vector_bytes == 64 or "%zmm" not in text


def test_llvm_agrees_on_what_a_target_needs(capfd: pytest.CaptureFixture[str]) -> None:
    """Every feature name is one that LLVM knows, so that descriptions of kernel files mean something."""
    llvm.initialize_all_targets()
    for chosen in BASES:
        flags = ",".join("+" + feature for feature in sorted(chosen.features))
        llvm.Target.from_triple(chosen.triple).create_target_machine(features=flags)
    assert "not a recognized" not in capfd.readouterr().err


def test_what_kernels_ask_of_a_target() -> None:
    def facts(name: str) -> tuple[object, ...]:
        t = TARGETS[name]
        return t.family, t.vector_bytes, t.vector_registers, t.fma, t.avx2, t.avx512, t.vnni, t.vbmi, t.dotprod, t.i8mm

    yes, no = True, False
    assert facts("x86-64-v2") == ("x86", 16, 16, no, no, no, no, no, no, no)
    assert facts("x86-64-v3") == ("x86", 32, 16, yes, yes, no, no, no, no, no)
    assert facts("x86-64-v3-vnni") == ("x86", 32, 16, yes, yes, no, yes, no, no, no)
    assert facts("x86-64-v4") == ("x86", 64, 32, yes, yes, yes, no, no, no, no)
    assert facts("x86-64-v4-vnni") == ("x86", 64, 32, yes, yes, yes, yes, no, no, no)
    assert facts("x86-64-v4-vbmi") == ("x86", 64, 32, yes, yes, yes, yes, yes, no, no)
    assert facts("cortex-a53") == facts("aarch64-neon") == ("arm", 16, 32, yes, no, no, no, no, no, no)
    assert facts("aarch64-dotprod") == ("arm", 16, 32, yes, no, no, no, no, yes, no)
    assert facts("aarch64-i8mm") == ("arm", 16, 32, yes, no, no, no, no, yes, yes)
    assert len({t.fingerprint for t in TARGETS.values()}) == len(TARGETS)
