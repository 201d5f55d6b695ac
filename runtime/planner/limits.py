"""What a program may ask for that is in no proportion to its inputs: refused before any memory is taken."""

from __future__ import annotations

from collections.abc import Sequence

from ..evaluate.cost import cost_of
from ..ops.inference import Step
from ..ops.registry import Context, Cost, Op

WORK = 1 << 32
"""As Cost.work, of all steps in NumPy together, and of all that depend on no input: some seconds at every run."""
PATIENCE = 256
"""How many times as much may run in NumPy where there are no kernels at all, whose user knows that it takes long."""
SCRATCH, SCRATCH_OF_A_BYTE = 64 << 20, 4
"""Bytes that a step in NumPy may take besides the arena, and for each byte of its inputs and outputs."""


RUNS, RUNS_OF_AN_ELEMENT = 1 << 17, 4
"""How often the graphs within nodes may run, together, and for each element of the inputs: each takes some 20 us."""
NODES_OF_A_RUN = 64
"""Of a graph within a node, for each of which a run counts as one more."""


def most_runs(elements: int) -> int:
    """How often the graphs within a model's nodes may run in one run on inputs of so many elements: a Loop need not
    end."""
    return RUNS + RUNS_OF_AN_ELEMENT * elements


class Limits:
    """What a program's steps take so far. Each method raises ModelError, naming the node, where it is too much.

    kernels: whether there are any, else every step runs in NumPy.
    """

    def __init__(self, *, kernels: bool) -> None:
        self._numpy = self._idle = 0
        self._most = WORK if kernels else PATIENCE * WORK

    def in_numpy(self, op: Op, ctx: Context) -> None:
        """Adds a step that runs its reference."""
        cost = cost_of(op, ctx)
        tensors = [tensor for tensor in (*ctx.inputs, *ctx.outputs) if tensor is not None]
        if cost.scratch > SCRATCH + SCRATCH_OF_A_BYTE * sum(t.size * t.dtype.itemsize for t in tensors):
            raise ctx.error(f"no kernel serves it, and NumPy would take {_size(cost.scratch)} besides its results")
        self._numpy += cost.work
        if self._numpy > self._most:
            raise ctx.error(f"no kernel serves it, and NumPy would take {_time(cost)} at every run")

    def without_inputs(self, steps: Sequence[Step], inputs: Sequence[str]) -> None:
        """Adds the steps that depend on none of the inputs, which are computed at every run as they were too much to
        compute once."""
        varying = set(inputs)
        for step in steps:
            if any(tensor is not None and tensor.name in varying for tensor in step.ctx.inputs):
                varying.update(step.node.outputs)
                continue
            cost = cost_of(step.op, step.ctx)
            self._idle += cost.work
            if self._idle > WORK:
                raise step.ctx.error(f"computes from constants alone, and would take {_time(cost)} at every run")


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 1 << 30 else f"{count / 2**20:.0f} MiB"


def _time(cost: Cost) -> str:
    return f"about {cost.work:.0e} operations"
