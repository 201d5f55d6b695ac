"""What is computed from constants alone at every run is counted as what it takes."""

from __future__ import annotations

from typing import Any

import pytest
from session_models import node_graph

from millijoule.runtime.errors import ModelError
from millijoule.runtime.evaluate.cost import cost_of
from millijoule.runtime.evaluate.shapes import instantiate
from millijoule.runtime.graph import Node
from millijoule.runtime.planner import limits
from millijoule.runtime.planner.limits import Limits


@pytest.mark.parametrize(
    ("op", "attrs", "less"),
    [
        ("Transpose", {"perm": [0, 3, 1, 2]}, True),
        ("Flatten", {}, True),
        ("MaxPool", {"kernel_shape": [3, 3]}, False),  # which moves data, too, and looks at nine for each
        ("Sigmoid", {}, False),
    ],
)
def test_what_only_rearranges_counts_less(
    op: str, attrs: dict[str, Any], less: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (step,) = instantiate(node_graph(Node(op, ["x"], ["y"], attrs), inputs={"x": (1, 32, 32, 8)}), {}).steps
    work = cost_of(step.op, step.ctx).work
    counted = work // limits.REARRANGED if less else work
    monkeypatch.setattr(limits, "WORK", counted)
    Limits(1 << 60).without_inputs([step], [])
    monkeypatch.setattr(limits, "WORK", counted - 1)
    Limits(1 << 60).without_inputs([step], ["x"])
    with pytest.raises(ModelError, match="constants alone"):
        Limits(1 << 60).without_inputs([step], [])
