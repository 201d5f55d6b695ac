"""mj.load: any model file in, a session out."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .runtime.memory.memory import Memory
    from .runtime.model import Model
    from .runtime.session import Session

Path = str | os.PathLike[str]


def load(
    model: Model | Path,
    *,
    threads: int | None = None,
    profile: Path = "host",
    target: str | None = None,
    kernels: Path | None = None,
    verify: bool = True,
    progress: Callable[[int, int, str], None] | bool = True,
    reuse_inputs: bool = False,
    memory: Memory | None = None,
) -> Session:
    """Makes a model ready to run.

    model: the path of a .mj file, or of an .onnx or .tflite file, which is converted on the way; or a Model. threads:
    at most so many (default: the profile's, within the affinity mask and the cgroup's quota). profile: a device
    profile's name or file. target: compile for this target instead of the CPU's own (also MILLIJOULE_TARGET). kernels:
    a file written by `mj compile`, so that nothing is compiled here. verify: check the file's checksum. progress:
    called as progress(done, total, kernel) while kernels are compiled; by default one line on standard error says so,
    where that is a terminal or a notebook, False (or MILLIJOULE_QUIET=1) keeps even that. reuse_inputs: the inputs'
    memory is used for other values once they were read, which takes less memory; `session.inputs` then have to be
    written before every `invoke`. memory: where `run` keeps its answers, to look them up when the same is asked again.

    Kernels that no session before has compiled on this machine are compiled here, 0.1 to 0.5 s each (a softmax 1 s),
    where the model itself says all of its inputs' sizes, else in the first `run` or `resize`.

    Raises ModelError on a bad file, TargetError on a target that this CPU lacks. Without numba, what is first run with
    kernels that are neither in the cache nor given is an Error that names the way out.
    """
    from .runtime import session
    from .runtime.model import Model

    opened = model if isinstance(model, Model) or not is_source(model) else open_model(model)
    return session.load(
        opened, threads=threads, profile=profile, target=target, kernels=kernels, verify=verify, progress=progress,
        reuse_inputs=reuse_inputs, memory=memory,
    )  # fmt: skip


def open_model(path: Path, *, verify: bool = True) -> Model:
    """Reads a .mj file or converts a source; ModelError names what is wrong with it."""
    if is_source(path):
        from .converters import convert  # which a device that only runs models never imports

        return convert(path)
    from .runtime.model import Model

    return Model.load(path, verify=verify)


def is_source(path: Path) -> bool:
    """Whether a file is converted before it is loaded. InputError where it is no path."""
    from .runtime.arguments import check_path
    from .runtime.file.metadata import named_as_source

    check_path(path, "a model is the path of a .mj, .onnx or .tflite file, or what mj.convert gave")
    return named_as_source(path)
