"""millijoule: converts a trained model into one compact file and runs it on a small device's CPU.

    import millijoule as mj

    mj.convert("model.onnx").save("model.mj")
    with mj.load("model.mj") as session:
        outputs = session.run({"input": x})

The public names are loaded when they are first used: a device that only runs models never imports a converter.
"""

from __future__ import annotations

from os.path import dirname, isdir, join

# Type checkers take this name for true. To import typing takes ten times as long as all of this file.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from .converters.convert import convert
    from .converters.export.export import export
    from .loading import load
    from .runtime.cascade.answer import Answer
    from .runtime.cascade.cascade import Cascade
    from .runtime.cascade.gate import Gate
    from .runtime.errors import (
        CompilerError,
        Error,
        InputError,
        LabelsWarning,
        ModelError,
        PreprocessingWarning,
        TargetError,
    )
    from .runtime.fidelity import Fidelity
    from .runtime.file.metadata import Preprocessing
    from .runtime.graph import Quantization
    from .runtime.memory.memory import FalseHits, Memory
    from .runtime.memory.similar import Similar
    from .runtime.memory.store import MemoryCounts
    from .runtime.model import Model, TensorInfo
    from .runtime.session import Session
    from .runtime.softmax.softmax import softmax
    from .runtime.softmax.statistics import SoftmaxStatistics, softmax_statistics
    from .runtime.vision.labels import Ranked
    from .tools.estimate.budget import budget

    __version__: str

__all__ = [
    "Answer", "Cascade", "CompilerError", "Error", "FalseHits", "Fidelity", "Gate", "InputError", "LabelsWarning",
    "Memory", "MemoryCounts", "Model", "ModelError", "Preprocessing", "PreprocessingWarning", "Quantization", "Ranked",
    "Session", "Similar", "SoftmaxStatistics", "TargetError", "TensorInfo", "__version__", "budget", "convert",
    "export", "load", "softmax", "softmax_statistics",
]  # fmt: skip

_HOME = {
    "Answer": ".runtime.cascade.answer",
    "Cascade": ".runtime.cascade.cascade",
    "CompilerError": ".runtime.errors",
    "Error": ".runtime.errors",
    "FalseHits": ".runtime.memory.memory",
    "Fidelity": ".runtime.fidelity",
    "Gate": ".runtime.cascade.gate",
    "InputError": ".runtime.errors",
    "LabelsWarning": ".runtime.errors",
    "Memory": ".runtime.memory.memory",
    "MemoryCounts": ".runtime.memory.store",
    "Model": ".runtime.model",
    "ModelError": ".runtime.errors",
    "Preprocessing": ".runtime.file.metadata",
    "PreprocessingWarning": ".runtime.errors",
    "Quantization": ".runtime.graph",
    "Ranked": ".runtime.vision.labels",
    "Session": ".runtime.session",
    "Similar": ".runtime.memory.similar",
    "SoftmaxStatistics": ".runtime.softmax.statistics",
    "TargetError": ".runtime.errors",
    "TensorInfo": ".runtime.model",
    "budget": ".tools.estimate.budget",
    "convert": ".converters",
    "export": ".converters.export",
    "load": ".loading",
    "softmax": ".runtime.softmax.softmax",
    "softmax_statistics": ".runtime.softmax.statistics",
}

# setup.cfg maps the folders beside this one to subpackages, which an installation has in here. Python that runs in the
# checkout finds this folder before any installation.
if not isdir(join(__path__[0], "runtime")):
    __path__.append(dirname(__path__[0]))
    if not isdir(join(__path__[1], "runtime")):
        raise ImportError(
            f"'{__path__[0]}' is a part of millijoule without its others, which are not beside it: install millijoule "
            "(in a checkout: pip install -e .), or run from another folder.",
            name=__name__,
            path=__file__,
        )


# Hidden from static checkers, which would take every name for a public one.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib.metadata import version

            value: object = version("millijoule")
        elif name in _HOME:
            from importlib import import_module

            value = getattr(import_module(_HOME[name], __name__), name)
        else:
            raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
