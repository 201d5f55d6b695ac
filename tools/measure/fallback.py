"""Steps that run in NumPy for want of a kernel, and how much of the work they hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...runtime.engine.staging import Staged
    from ...runtime.engine.workspace import Plan
    from ...runtime.model import Model
    from ...runtime.program.program import Program

NAMED = 4
"""Operators that the sentence names."""


def describe_fallback(program: Program) -> dict[str, Any]:
    """steps: that run in NumPy, of so many. operators: theirs, the most frequent first. macs_share, elements_share:
    what their nodes hold of all multiply-adds and of all elements that nodes compute; None where there are none."""
    from ...runtime.program.program import PythonStep

    steps = [step.node for step in program.steps if isinstance(step, PythonStep)]
    nodes = set(steps)
    return {
        "steps": len(steps),
        "of": len(program.steps),
        "operators": dict(Counter(node.partition(" ")[0] for node in steps).most_common()),
        "macs_share": _share(program.node_macs, nodes),
        "elements_share": _share(program.node_elements, nodes),
    }


def fallback_of(plan: Plan | Staged) -> dict[str, Any] | None:
    """Of a session's plan; None where its steps depend on the data that it is given."""
    from ...runtime.engine.staging import Staged

    return None if isinstance(plan, Staged) else describe_fallback(plan.program)


def host_fallback(model: Model) -> dict[str, Any] | None:
    """For this CPU and the model's own shapes; None where one of them is symbolic, or cannot be planned for."""
    from ...device_profiles import usable_cpus
    from ...runtime.errors import Error
    from ..models.plans import any_target, plan_program
    from ..models.sources import concrete_shapes

    try:
        program, _ = plan_program(model, concrete_shapes(model, {}), any_target(None), usable_cpus())
    except Error:
        return None
    return describe_fallback(program)


def sentence(found: Mapping[str, Any] | None) -> str:
    """One line for people; empty where every step has a kernel, or nothing is known."""
    if not found or not found["steps"]:
        return ""
    operators = [f"{name} x{count}" for name, count in found["operators"].items()]
    more = [f"and {len(operators) - NAMED} more"] if len(operators) > NAMED else []
    share, what = found["macs_share"], "multiply-adds"
    if not share:
        share, what = found["elements_share"], "elements computed, no multiply-adds"
    held = "" if share is None else f" ({_percent(share)} of the {what})"
    return f"{found['steps']} of {found['of']} steps run in NumPy{held}: {', '.join([*operators[:NAMED], *more])}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 or share == 0 else "less than 1 %"


def _share(work: Mapping[str, int], nodes: set[str]) -> float | None:
    total = sum(work.values())
    return sum(count for node, count in work.items() if node in nodes) / total if total else None
