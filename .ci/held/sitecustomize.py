"""How processes begin that a test starts under the plugin held_cpu: there, too, millijoule sees the smaller CPU."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

NAME = "millijoule.runtime.targets.cpu"
FEATURES = frozenset(os.environ.get("MILLIJOULE_CPU_FEATURES", "").split())


class Smaller:
    """Finds one module as ever; once it is executed, its CPU has no other features than these."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name == NAME else None
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_smaller(module: ModuleType) -> None:
            execute(module)
            found = module.host_features
            module.host_features = lambda: found() & FEATURES  # type: ignore[attr-defined]

        spec.loader.exec_module = execute_smaller  # type: ignore[method-assign]
        return spec


if FEATURES and os.uname().machine == "x86_64":  # not on an emulated CPU of another kind
    sys.meta_path.insert(0, Smaller)
