"""Which part of a kernel file a CPU runs."""

from __future__ import annotations

from ..errors import TargetError
from ..targets.cpu import arm_core, host_features, host_machine
from ..targets.target import detect, named, rank
from .kernel_file import KernelFile, KernelFileError, Part


def choose_part(file: KernelFile, name: str, asked: str | None = None) -> Part:
    """The part that serves this CPU best, or the one for the target asked for; name is what errors call the file.

    asked: a target, an alias or a device's name; None and "host" leave it to the CPU. Raises KernelFileError where the
    file has no such part or this CPU runs none; TargetError where there is no such target, or no kernels run here.
    """
    machine, features = host_machine(), host_features()
    wanted = None if asked is None or asked.strip().lower() == "host" else named(asked).name
    parts = [part for part in file.parts if wanted in (None, part.target)]
    if not parts:
        raise KernelFileError(
            f"{name} holds no code for target {wanted}, only for {', '.join(file.targets)}; compile it with `mj "
            f"compile MODEL --target {wanted}`, or leave the target out"
        )
    fitting = [part for part in parts if part.machine == machine and features.issuperset(part.features)]
    if not fitting:
        lacking = "; ".join(f"for {part.target} it lacks {_lacking(part, machine, features)}" for part in parts)
        raise KernelFileError(f"{name} holds nothing that this CPU runs: {lacking}. {_way_out()}")
    core = arm_core() if machine == "aarch64" else None
    return max(fitting, key=lambda part: rank(part.target, core))


def _lacking(part: Part, machine: str, features: frozenset[str]) -> str:
    if part.machine != machine:
        return f"being {part.machine} (it is {machine})"
    return ", ".join(sorted(set(part.features) - features))


def _way_out() -> str:
    try:
        return f"Compile for it with `mj compile MODEL --target {detect().name}`"
    except TargetError as problem:
        return f"Kernels cannot be compiled for it either: {problem}"
