"""What a session keeps from one run to the next: outputs that the next run finds in its inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from ..boxed import is_boxed
from ..errors import InputError
from ..model import Model, TensorInfo
from .feeds import check_array
from .workspace import Plan, Workspace

if TYPE_CHECKING:
    from .staging import Staged

Shapes = dict[str, tuple[int, ...]]


class Link(msgspec.Struct, frozen=True, eq=False):
    """output: whose elements the input has in the next run. first: those that it has in the first one, or the number
    that they all are. hidden: whether neither is public."""

    output: str
    first: np.ndarray | float
    hidden: bool = False


class Stream:
    """links: by the input's name. The state is in the workspace that was run last, or else is held here."""

    def __init__(self, links: Mapping[str, Link]) -> None:
        self.links = dict(links)
        self._held: dict[str, np.ndarray] = {}
        self._sizes: Shapes = {}
        self._moves: tuple[Mapping[str, np.ndarray], list[tuple[np.ndarray, np.ndarray]]] | None = None
        self._before: tuple[Shapes, tuple[str, ...], Plan | Staged, tuple[str, ...]] | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what is carried on."""
        return tuple(dict.fromkeys(link.output for link in self.links.values()))

    def hidden(self) -> set[str]:
        """Inputs and outputs that are not public."""
        linked = [(name, link.output) for name, link in self.links.items() if link.hidden]
        return {name for pair in linked for name in pair}

    def shapes(self, model: Model, given: Shapes) -> Shapes:
        """given: those of what is fed. With those of the state; InputError where nobody knows them yet."""
        found = dict(given)
        declared = model.input_shapes(given) | model.state_shapes
        for name, link in self.links.items():
            if name in given:
                continue
            held = self._held.get(name, link.first)
            shape = self._sizes.get(name, held.shape if isinstance(held, np.ndarray) else declared[name])
            if shape is None or any(isinstance(size, str) for size in shape):
                raise InputError(f"the first run has to be given input '{name}', as nothing says its size")
            found[name] = tuple(int(size) for size in shape)
        return found

    def remember(
        self, arrays: Mapping[str, np.ndarray], names: tuple[str, ...], plan: Plan | Staged, asked: tuple[str, ...]
    ) -> None:
        """What a run was planned as, for the next one."""
        self._before = {name: array.shape for name, array in arrays.items()}, names, plan, asked

    def same(
        self, arrays: Mapping[str, np.ndarray], names: tuple[str, ...]
    ) -> tuple[Plan | Staged, tuple[str, ...]] | None:
        """The plan of the run before and what it gives, where this one is no other."""
        before = self._before
        if before is None or self._held or before[1] != names or len(before[0]) != len(arrays):
            return None
        same = all(before[0].get(name) == array.shape for name, array in arrays.items())
        return before[2:] if same else None

    def pour(self, workspace: Workspace) -> None:
        """Puts the state into the workspace's inputs."""
        for name, link in self.links.items():
            place, held = workspace.inputs[name], self._held.pop(name, link.first)
            if not isinstance(held, np.ndarray) or held.shape == place.shape:
                place[...] = held

    def carry(self, workspace: Workspace) -> None:
        """After a run: the next one's inputs. One of another shape is held until the workspace is planned for it."""
        # A workspace of one program has the same arrays until it is bound anew.
        if self._moves is not None and self._moves[0] is workspace.inputs:
            for place, after in self._moves[1]:
                place[...] = after
            return
        pairs = [(name, workspace.inputs[name], workspace.outputs[link.output]) for name, link in self.links.items()]
        places = [place for _, place, _ in pairs]
        # An output may be another state as it was, in the very memory that is about to be written.
        mixed = any(not _same(place, after) and _within(after, places) for _, place, after in pairs)
        if mixed:
            pairs = [(name, place, after.copy()) for name, place, after in pairs]
        for name, place, after in pairs:
            self._sizes[name] = after.shape
            if place.shape == after.shape:
                if not _same(place, after):
                    place[...] = after
                self._held.pop(name, None)
            else:
                self._held[name] = after.copy()
        if isinstance(workspace.plan, Plan) and not self._held and not mixed:
            self._moves = workspace.inputs, [(place, after) for _, place, after in pairs if not _same(place, after)]

    def take(self, workspace: Workspace) -> None:
        """Holds the state, as the workspace is about to become another program's."""
        for name in self.links:
            if name not in self._held and name in workspace.inputs:
                self._held[name] = workspace.inputs[name].copy()

    def reset(self) -> None:
        """Forgets the state, but for what a workspace holds, which the caller pours anew."""
        self._held.clear()
        self._sizes.clear()


def link(
    model: Model, taken: Iterable[str], output: str, input: str, first: np.ndarray | float | None
) -> tuple[str, Link]:
    """The input's name and what is linked to it. InputError where the two are not of one dtype, meaning and shape."""
    source, target = model.output_name(output), model.input_name(input)
    if target in taken:
        raise InputError(f"input '{target}' is bound already")
    ours, theirs = model.inputs[target], model.outputs[source]
    if is_boxed(ours.dtype) or ours.dtype != theirs.dtype or ours.quant != theirs.quant or not _fits(ours, theirs):
        raise InputError(f"output {theirs} cannot be what input {ours} gets")
    if first is None:
        zero = 0 if ours.quant is None else int(ours.quant.zero_point[0])
        return target, Link(source, zero)
    return target, Link(source, np.array(check_array(ours, first)))


def _same(place: np.ndarray, after: np.ndarray) -> bool:
    """Whether the program has left an output where the next run reads it."""
    return place.ctypes.data == after.ctypes.data and place.strides == after.strides


def _within(array: np.ndarray, places: Iterable[np.ndarray]) -> bool:
    return any(np.may_share_memory(array, place) for place in places)


def _fits(a: TensorInfo, b: TensorInfo) -> bool:
    if a.shape is None or b.shape is None:
        return True
    return len(a.shape) == len(b.shape) and all(
        isinstance(m, str) or isinstance(n, str) or m == n for m, n in zip(a.shape, b.shape, strict=True)
    )
