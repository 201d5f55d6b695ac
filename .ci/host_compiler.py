"""A pytest plugin for an emulated Python: kernels are compiled by the host's, which needs no emulation.

Usage: MILLIJOULE_COMPILER=/path/to/the/host/python PYTHONPATH=.ci .ci/arm-python -m pytest -p host_compiler TEST.
The host's Python needs a millijoule of its own, installed from the same sources.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from millijoule.runtime.compiler import compile_all
from millijoule.runtime.compiler.compile_worker import Worker

TESTS = Path(__file__).resolve().parent.parent / "tests"


def pytest_configure(config: pytest.Config) -> None:
    # Pytest calls a test's module tests.<name>, and the checkout itself would hide the installed millijoule.
    checkout = tempfile.TemporaryDirectory()
    config.add_cleanup(checkout.cleanup)
    Path(checkout.name, "tests").symlink_to(TESTS)
    worker = Worker(os.environ["MILLIJOULE_COMPILER"], [checkout.name, str(TESTS)])
    config.add_cleanup(worker.close)
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    patch.setattr(compile_all, "compile_one", worker.compile)
    # Workers of this process's own would be emulated.
    patch.setattr(compile_all, "usable_cpus", lambda: 1)
