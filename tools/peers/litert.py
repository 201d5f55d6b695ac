"""The interpreter of LiteRT, formerly TensorFlow Lite, from whichever of its packages is installed.

Both have the same interface in what is used here. tflite-runtime, the older, ended with 2.14, Python 3.11 and NumPy 1.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import Any

from .registry import PEERS, installed_package

_found = installed_package(PEERS["litert"])
if _found is None:
    raise ImportError("neither ai-edge-litert nor tflite-runtime is installed")
_module, _distribution = _found
_interpreter: Any = import_module(f"{_module}.interpreter")

Interpreter = _interpreter.Interpreter
OpResolverType = _interpreter.OpResolverType
PACKAGE = f"{_distribution} {version(_distribution)}"
"""The package that was found, with its version."""
