"""A pytest plugin that keeps every Nth test of the kernels' files, of copies and of softmax; all would take hours.

Usage: MILLIJOULE_SAMPLE=8 PYTHONPATH=.ci pytest -p sampling tests/test_kernels_pool.py. Other files run whole.
MILLIJOULE_FULL=1 keeps every test.
"""

from __future__ import annotations

import os

import pytest

SAMPLED = ("test_kernels_", "test_planner_copies", "test_softmax")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("MILLIJOULE_FULL") == "1":
        return
    step = int(os.environ["MILLIJOULE_SAMPLE"])
    sampled = [item for item in items if item.path.name.startswith(SAMPLED)]
    left_out = {item for index, item in enumerate(sampled) if index % step}
    if left_out:
        config.hook.pytest_deselected(items=[item for item in items if item in left_out])
        items[:] = [item for item in items if item not in left_out]
