"""What a program may ask for that is in no proportion to its model and inputs: refused before any memory is taken."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ModelError
from ..evaluate.cost import cost_of
from ..graph import Graph, constant_arrays
from ..kernels.pool import pool
from ..ops.inference import Step
from ..ops.registry import Context, Op
from ..program.program import Call, PythonStep

WORK, WORK_OF_AN_ELEMENT = 1 << 31, 1 << 10
"""As Cost.work, of all steps: some two seconds at every run, and for each element of constants and inputs."""
WORK_OF_A_STATE = 1 << 6
"""For each element that the model keeps from one run to the next: a file may claim any number."""
KERNEL = 8
"""Of a kernel's work, as a call says it: what takes as long as one of Cost.work."""
POOLED = 4
"""What takes as long as one of a pool's work in that of other kernels."""
REARRANGED = 8
"""How many times as long a reference is reckoned to take as elements take that only get another shape or order."""
PATIENCE = 256
"""How many times as much may run in NumPy where there are no kernels at all, whose user knows that it takes long."""
SCRATCH, SCRATCH_OF_A_BYTE = 64 << 20, 4
"""Bytes that a step in NumPy may take besides the arena, and for each byte of its inputs and outputs."""
KERNELS, ELEMENTS_OF_A_KERNEL, MOST_KERNELS = 64, 1 << 11, 256
"""Different ones of a program, and one more for so many elements of constants: each is compiled in a fifth of a second
of CPU time or so. Those of real models need 42 at most."""


def most_work(constants: int, inputs: int, states: int = 0, *, kernels: bool) -> int:
    """As Cost.work, of a run of a model of so many elements: each weight may meet each element of the inputs. states:
    of inputs that nobody gives, as the model keeps them itself."""
    most = WORK + WORK_OF_AN_ELEMENT * (constants + inputs) + WORK_OF_A_STATE * states + constants * inputs // KERNEL
    return most if kernels else PATIENCE * most


def most_kernels(constants: int) -> int:
    """Of a model with so many elements of constants."""
    return min(MOST_KERNELS, KERNELS + constants // ELEMENTS_OF_A_KERNEL)


def constant_elements(graph: Graph) -> int:
    """Of all constants, those of graphs within nodes too; an array that several values share counts once."""
    return sum(data.size for data in constant_arrays(graph))


class Limits:
    """What a program's steps take so far. Each method raises ModelError, naming the node, where it is too much.

    most: of `work`, which is as Cost.work. kernels: different ones, at most.
    """

    def __init__(self, most: int, kernels: int = KERNELS) -> None:
        self.work = self._idle = 0
        self._most, self._kernels = most, kernels

    def in_numpy(self, op: Op, ctx: Context) -> None:
        """Adds a step that runs its reference."""
        cost = cost_of(op, ctx)
        tensors = [tensor for tensor in (*ctx.inputs, *ctx.outputs) if tensor is not None]
        if cost.scratch > SCRATCH + SCRATCH_OF_A_BYTE * sum(t.size * t.dtype.itemsize for t in tensors):
            raise ctx.error(f"no kernel serves it, and NumPy would take {_size(cost.scratch)} besides its results")
        self.work += cost.work
        if self.work > self._most:
            raise ctx.error(f"no kernel serves it, and NumPy would take {_time(cost.work)} at every run")

    def by_kernels(self, ctx: Context, steps: Sequence[Call | PythonStep], kernels: int) -> None:
        """Adds what kernels do for a node in its steps. kernels: how many different ones there are by now."""
        work = sum(call.work * (POOLED if call.kernel is pool else 1) for call in steps if isinstance(call, Call))
        self.work += work // KERNEL
        if self.work > self._most:
            raise ctx.error(f"would take {_time(work)} at every run, which this model and its inputs are too small for")
        if kernels > self._kernels:
            raise ctx.error(
                f"asks for more than {self._kernels} different kernels, which this model is too small for; target "
                f"'numpy' runs it without any"
            )

    def memory(self, size: int) -> None:
        """Adds the bytes of all values together, each of which has to be written at least."""
        self.work += size
        if self.work > self._most:
            raise ModelError(
                f"what the model computes takes {_size(size)} of memory at a time, which is too much for a model and "
                f"inputs of this size"
            )

    def without_inputs(self, steps: Sequence[Step], inputs: Sequence[str]) -> None:
        """Looks at the steps that depend on none of the inputs, which are computed at every run as they were too much
        to compute once."""
        varying = set(inputs)
        for step in steps:
            if any(tensor is not None and tensor.name in varying for tensor in step.ctx.inputs):
                varying.update(step.node.outputs)
                continue
            work = cost_of(step.op, step.ctx).work // (REARRANGED if step.op.rearranges else 1)
            self._idle += work
            if self._idle > WORK:
                raise step.ctx.error(f"computes from constants alone, and would take {_time(work)} at every run")


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 1 << 30 else f"{count / 2**20:.0f} MiB"


def _time(work: int) -> str:
    return f"about {work:.0e} operations"
