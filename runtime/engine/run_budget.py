"""What one run of a model may take whose shapes depend on data, or whose nodes run graphs: neither how often these run
nor how large what they hand over becomes is known before."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..boxed import TEXT
from ..errors import ModelError
from ..graph import Graph, Node
from ..planner.limits import most_work

RUNS, RUNS_OF_AN_ELEMENT = 1 << 16, 1
"""How often the graphs within nodes may run, together, and for each element of the inputs: each takes some 15 us."""
NODES_OF_A_RUN = 64
"""Of a graph within a node, for each of which a run counts as one more."""
PLAN, PLAN_OF_A_NODE = 3 << 19, 3 << 15
"""As Cost.work: of planning for sizes that have not been met lately, and of each node that is planned."""
BYTES, BYTES_OF_A_BYTE = 256 << 20, 16
"""Of what a run holds whose size no shape told before, and for each byte of the inputs."""
MOST_CHARACTERS = 1 << 27
"""Of all text that one run makes."""
CHARACTER = 8
"""Cost.work of each character of text that a node reads; many elements may be one long text."""


class RunBudget:
    """Each method adds to what the run has taken, and raises ModelError, naming the node, where it is too much.

    constants, inputs, states: how many elements there are. given: bytes of the inputs. held: bytes of the arrays that
    programs and nodes have left for each other so far.
    """

    def __init__(self, constants: int, inputs: int, given: int, states: int = 0, *, kernels: bool) -> None:
        self._most_runs = RUNS + RUNS_OF_AN_ELEMENT * inputs
        self.most_work = most_work(constants, inputs, states, kernels=kernels)
        self._most_bytes = BYTES + BYTES_OF_A_BYTE * given
        self.start()

    def start(self) -> None:
        """Of a new run, nothing has been taken."""
        self._runs = self._spent = self._work = self._kept = self._characters = 0
        self.held = 0

    def run(self, node: Node, graph: Graph) -> None:
        """A graph within the node runs."""
        self._spent += 1 + len(graph.nodes) // NODES_OF_A_RUN
        if self._spent > self._most_runs:
            raise ModelError(f"{node}: the graphs within nodes have run {self._runs} times, and it asks for more")
        self._runs += 1

    def work(self, node: Node, work: int) -> None:
        """work: as Cost.work."""
        self._work += work
        if self._work > self.most_work:
            raise ModelError(
                f"{node}: a run would take {self._work:.0e} operations until here, which is too much for a model and "
                f"inputs of this size"
            )

    def hold(self, node: Node, size: int) -> None:
        """Bytes of arrays that are about to be made, until who runs a graph within a node sets `held` back."""
        self.held += size
        self._check(node)

    def keep(self, node: Node, size: int) -> None:
        """Bytes of memory for a program within a node, until the run ends."""
        self._kept += size
        self._check(node)

    def _check(self, node: Node) -> None:
        held = self.held + self._kept
        if held > self._most_bytes:
            raise ModelError(
                f"{node}: what the run makes would take {held >> 20} MiB by then, and {self._most_bytes >> 20} MiB are "
                f"the most for inputs of this size"
            )

    def reads(self, node: Node, arrays: Iterable[np.ndarray | None]) -> None:
        """The node is about to look at all text in these arrays."""
        texts = [array.reshape(-1) for array in arrays if array is not None and array.dtype == TEXT]
        self.work(node, CHARACTER * sum(sum(map(len, array)) for array in texts))

    def text(self, node: Node, array: np.ndarray) -> None:
        """An array that the node has made, of which no shape told how much text it is."""
        if array.dtype == TEXT:
            self._characters += sum(map(len, array.reshape(-1)))
            if self._characters > MOST_CHARACTERS:
                raise ModelError(f"{node}: a run makes more than {MOST_CHARACTERS} characters of text")
