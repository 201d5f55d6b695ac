"""Targets: what instruction set code is compiled for, and which of them this CPU runs.

A target is a set of features; the CPU's name only steers LLVM's scheduling. Features bear LLVM's names.
"""

from __future__ import annotations

import os
from typing import Final, Literal

import msgspec

from ... import device_profiles
from ..errors import TargetError
from .cpu import arm_core, host_features, host_machine

Machine = Literal["x86-64", "aarch64"]

V2: Final = frozenset({"cx16", "popcnt", "sahf", "sse3", "ssse3", "sse4.1", "sse4.2"})
V3: Final = V2 | {"avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"}
V4: Final = V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
NEON: Final = frozenset({"neon"})
DOTPROD: Final = NEON | {"dotprod", "fullfp16", "lse", "rcpc", "rdm"}

# The kernels use no cryptography, and not every such core has it (the Raspberry Pi's do not).
PLAIN_V8: Final = ("-aes", "-sha2", "-crc")


class Target(msgspec.Struct, frozen=True):
    """One instruction set to compile for.

    name: what `--target` takes and `session.target` shows. base: the untuned target with the same features.
    cpu, flags: what LLVM's target machine is created with. features: what the CPU must have to run the code.
    vector_bytes, vector_registers: size and number of the widest vector registers.
    """

    name: str
    base: str
    machine: Machine
    cpu: str
    flags: tuple[str, ...]
    features: frozenset[str]
    vector_bytes: int
    vector_registers: int

    @property
    def family(self) -> Literal["x86", "arm"]:
        return "x86" if self.machine == "x86-64" else "arm"

    @property
    def triple(self) -> str:
        return "x86_64-unknown-linux-gnu" if self.machine == "x86-64" else "aarch64-unknown-linux-gnu"

    @property
    def llvm_features(self) -> str:
        """The comma-separated feature string of LLVM's target machine."""
        return ",".join(self.flags)

    @property
    def fingerprint(self) -> str:
        """Everything about the target that changes the code, as one line for cache keys."""
        return "|".join((self.name, self.triple, self.cpu, self.llvm_features))

    @property
    def avx2(self) -> bool:
        return "avx2" in self.features

    @property
    def avx512(self) -> bool:
        return "avx512bw" in self.features

    @property
    def vnni(self) -> bool:
        """vpdpbusd on the widest registers: four products of unsigned and signed bytes added to each int32."""
        return "avx512vnni" in self.features or "avxvnni" in self.features

    @property
    def vbmi(self) -> bool:
        """vpermb: bytes permuted across a whole 512-bit register."""
        return "avx512vbmi" in self.features

    @property
    def fma(self) -> bool:
        """Fused multiply-add on vectors: everywhere but x86-64-v2."""
        return self.family == "arm" or "fma" in self.features

    @property
    def in_order(self) -> bool:
        """Cores that begin instructions in the order of the code, so that neighbours had better not depend on one
        another."""
        return self.cpu in ("cortex-a53", "cortex-a55")

    @property
    def dotprod(self) -> bool:
        """sdot and udot."""
        return "dotprod" in self.features

    @property
    def i8mm(self) -> bool:
        """smmla and ummla."""
        return "i8mm" in self.features

    def __str__(self) -> str:
        return self.name


def _x86(name: str, cpu: str, features: frozenset[str], vector_bytes: int, *extra: str) -> Target:
    # LLVM's x86-64-v4 would rather split 512-bit operations; the kernels ask for them on purpose.
    flags = tuple(f"+{f}" for f in extra) + (("-prefer-256-bit",) if vector_bytes == 64 else ())
    registers = 32 if vector_bytes == 64 else 16
    return Target(name, name, "x86-64", cpu, flags, features | set(extra), vector_bytes, registers)


def _arm(name: str, base: str, cpu: str, flags: tuple[str, ...], features: frozenset[str]) -> Target:
    return Target(name, base, "aarch64", cpu, flags, features, 16, 32)


def _targets() -> dict[str, Target]:
    # Erratum 835769 of the A53 gives wrong products, and plain NEON code may land on one (843419: see the linker).
    a53 = (*PLAIN_V8, "+fix-cortex-a53-835769")
    n1 = (*PLAIN_V8, "-spe", "-ssbs")
    targets = (
        _x86("x86-64-v2", "x86-64-v2", V2, 16),
        _x86("x86-64-v3", "x86-64-v3", V3, 32),
        _x86("x86-64-v3-vnni", "x86-64-v3", V3, 32, "avxvnni"),
        _x86("x86-64-v4", "x86-64-v4", V4, 64),
        _x86("x86-64-v4-vnni", "x86-64-v4", V4, 64, "avx512vnni"),
        _x86("x86-64-v4-vbmi", "x86-64-v4", V4, 64, "avx512vnni", "avx512vbmi"),
        _arm("aarch64-neon", "aarch64-neon", "generic", ("+fix-cortex-a53-835769",), NEON),
        _arm("cortex-a53", "aarch64-neon", "cortex-a53", a53, NEON),
        _arm("cortex-a57", "aarch64-neon", "cortex-a57", PLAIN_V8, NEON),
        _arm("cortex-a72", "aarch64-neon", "cortex-a72", PLAIN_V8, NEON),
        # LLVM schedules the Cortex-A76 as an A57; the Neoverse N1 is the same core with a model of its own.
        _arm("aarch64-dotprod", "aarch64-dotprod", "neoverse-n1", n1, DOTPROD),
        _arm("cortex-a55", "aarch64-dotprod", "cortex-a55", PLAIN_V8, DOTPROD),
        _arm("aarch64-i8mm", "aarch64-i8mm", "neoverse-n1", (*n1, "+i8mm"), DOTPROD | {"i8mm"}),
    )
    return {target.name: target for target in targets}


TARGETS: Final = _targets()

ALIASES: Final = {
    "cortex-a76": "aarch64-dotprod",
    "cortex-a78": "aarch64-dotprod",
    "cortex-a78ae": "aarch64-dotprod",
    "neoverse-n1": "aarch64-dotprod",
}

# Best last: detection takes the last one whose features the CPU has.
BASES: Final = tuple(target for target in TARGETS.values() if target.name == target.base)


def choose(machine: str, features: frozenset[str], core: str | None = None) -> Target:
    """The best target for a CPU of that machine with these features; core: its name, which picks a tuned variant.

    Raises TargetError where the CPU lacks even the least target of its machine.
    """
    fitting = [t for t in BASES if t.machine == machine and t.features <= features]
    if not fitting:
        least = next(t for t in BASES if t.machine == machine)
        lacking = ", ".join(sorted(least.features - features))
        raise TargetError(f"this CPU lacks {lacking}, which {least.name}, the least target, needs; run without kernels")
    best = fitting[-1]
    tuned = TARGETS.get(core) if core else None
    return tuned if tuned is not None and tuned.base == best.name else best


def rank(name: str, core: str | None = None) -> tuple[int, int]:
    """How well code for the target of that name serves a CPU that runs it, greatest best: the most features, and of
    equals first what is tuned for this core, then what is tuned for none. A target that is not known comes last."""
    target = TARGETS.get(name)
    if target is None:
        return -1, 0
    return [base.name for base in BASES].index(target.base), 2 if name == core else int(name == target.base)


def detect() -> Target:
    """The best target that this CPU and its operating system run.

    Raises TargetError on other systems than 64-bit Linux on x86-64 or aarch64, and on a CPU below the least target.
    """
    machine = host_machine()
    return choose(machine, host_features(), arm_core() if machine == "aarch64" else None)


def named(name: str) -> Target:
    """The target of that name, alias or device profile, whether or not this CPU runs it; TargetError where there is
    none, and of a device that has no kernels."""
    key = name.strip().lower()
    target = TARGETS.get(ALIASES.get(key, key))
    if target is None:
        devices = device_profiles.names()
        if key in devices:
            target = TARGETS.get(device_profiles.load(key).target)
            if target is None:
                raise TargetError(f"there are no kernels for {key}: NumPy runs every operator there (target numpy)")
    if target is None:
        from difflib import get_close_matches  # which a right name does not need

        known, devices = ("host", *TARGETS, *ALIASES), [device for device in devices if device not in TARGETS]
        close = get_close_matches(key, (*known, *devices), n=1)
        meant = f"did you mean {close[0]}? Known" if close else "known"
        raise TargetError(
            f"there is no target '{name}'; {meant} are {', '.join(known)}, and the devices {', '.join(devices)}"
        )
    return target


def missing(target: Target) -> list[str]:
    """What this computer lacks to run code for the target: features, or its machine; empty where nothing."""
    try:
        machine = host_machine()
    except TargetError as error:
        return [str(error)]
    if machine != target.machine:
        return [f"a CPU of the {target.machine} kind (this one is {machine})"]
    return sorted(target.features - host_features())


def resolve(name: str | None = None, *, compile_only: bool = False) -> Target:
    """The target asked for: name, else MILLIJOULE_TARGET, else the detected one ("host" asks for that too).

    compile_only: the code is not to run here, so any target will do. Otherwise a target that this CPU cannot run
    raises TargetError, as an unknown name always does.
    """
    asked = name or os.environ.get("MILLIJOULE_TARGET") or "host"
    if asked.strip().lower() == "host":
        return detect()
    target = named(asked)
    if not compile_only and (lacking := missing(target)):
        raise TargetError(
            f"target {target.name} cannot run here: this computer lacks {', '.join(lacking)}; "
            "choose another target, or compile for it with `mj compile --target` and run the file on the device"
        )
    return target
