"""A pytest plugin that keeps every Nth test of the kernels' files, of copies and of softmax; all would take hours.

Usage: MILLIJOULE_SAMPLE=8 PYTHONPATH=.ci pytest -p sampling tests/test_kernels_pool.py. Of the cases of THIRD, which
compile a kernel each for nothing but to look at it, every third is kept; all other files run whole.
MILLIJOULE_FULL=1 keeps every test.
"""

from __future__ import annotations

import os

import pytest

SAMPLED = ("test_kernels_", "test_planner_copies", "test_softmax")
THIRD = ("test_assembly", "test_compile_budget")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("MILLIJOULE_FULL") == "1":
        return
    sampled = [item for item in items if item.path.name.startswith(SAMPLED)]
    alike = [item for item in items if item.path.name.startswith(THIRD) and hasattr(item, "callspec")]
    left_out = {item for index, item in enumerate(sampled) if index % int(os.environ["MILLIJOULE_SAMPLE"])}
    left_out |= {item for index, item in enumerate(alike) if index % 3}
    if left_out:
        config.hook.pytest_deselected(items=[item for item in items if item in left_out])
        items[:] = [item for item in items if item not in left_out]
