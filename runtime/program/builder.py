"""What a lowering writes to: kernel calls over views of inputs, outputs, constants and temporaries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod
from sys import intern
from types import MappingProxyType
from typing import Any, NamedTuple
from weakref import ref

import numpy as np

from ..compiler.abi import SCRATCH, WEIGHTS, Kernel, kernel_name
from ..evaluate.reference import evaluate
from ..graph import Node
from ..kernels.copy import FILL_LEVELS, fill_border, fill_rows
from ..ops.meaning import CONVERSIONS
from ..ops.registry import Context, Op, Tensor
from ..simd.tile_layout import TileLayout
from ..targets.target import Target
from .bounds import LARGEST, OutOfBounds, check_int32
from .copies import move
from .program import Call, Lines, PythonStep, Trap
from .tiles import Tiles
from .view import NO_BORDER, Border, Place, Start, Storage, View, channels_last, dense, levels
from .weights import Weights

SHARED_WORK, LARGE_WORK = 15_000, 500_000
"""Multiply-adds, or bytes that are moved, below which a step is run by one thread; and from which on each thread's part
is cut finer, so that one that was held up leaves less to wait for."""
CHUNKS_PER_THREAD = 4
PACKED_AGAIN = 512 << 20
"""Bytes of constants that one node after another may pack for itself though an earlier one had read them: some seconds.
Nodes beyond read them as they are, in NumPy."""
NOTHING: Mapping[str, int] = MappingProxyType({})
SOFTMAX_BYTES = 16 << 20
"""Bytes of a row's input and output from which on a softmax of two passes reads it again, where no device says more."""


def _any(op: Op, ctx: Context) -> None:
    """Refuses nothing."""


class _Alike(NamedTuple):
    """Numbers and sizes as they were given, and both merged. Holding the sizes keeps their id from being reused."""

    constants: Mapping[str, Any]
    numbers: Mapping[str, int | float]
    sizes: Mapping[str, int]
    merged: Mapping[str, int | float]


class Builder:
    """Collects the steps of one program. `ctx` is the node being lowered."""

    def __init__(
        self, target: Target | None, weights: Weights, threads: int, in_numpy: Callable[[Op, Context], None] = _any,
        tiles: Tiles | None = None,
    ) -> None:  # fmt: skip
        """in_numpy: called for a step that runs its reference, before its memory is laid out; may refuse it. tiles:
        what there are kernels for, to which those of this program are added."""
        self._target = target
        self._flipping = target is not None and target.family == "x86"
        self._in_numpy = in_numpy
        self.threads = threads
        self.weights = weights
        self.steps: list[Call | PythonStep] = []
        self.traps: list[Trap] = []
        self.storages: list[Storage] = []
        self.scratch_bytes = 0
        self.kernels: set[str] = set()
        self.borders: dict[str, tuple[Border, float]] = {}
        self.softmax_bytes = SOFTMAX_BYTES
        self.tiles = tiles or Tiles()
        self.ctx = Context(Node("Identity", [], []), [])
        self._name = ""
        self._views: dict[str, View] = {}
        self._derived: dict[tuple[int, Any], tuple[Any, View]] = {}
        self._pending: list[tuple[View, View]] = []
        self._calls: dict[tuple[Any, ...], _Alike] = {}
        self._packed: dict[int, ref[np.ndarray]] = {}
        self._packed_again = 0

    @property
    def target(self) -> Target:
        """What kernels are compiled for; only lowerings ask, and without a target there are none."""
        assert self._target is not None
        return self._target

    def tile_layout(self, element: str) -> TileLayout:
        """Format of packed weights for "f32" or "i8" products on this target."""
        return TileLayout.of(self.target, element)

    def input(self, index: int, *, contiguous: bool = False, border: Border | None = None, fill: float = 0) -> View:
        """The view of an input in its canonical form (quantized int8 as q + 128 on x86); a constant input is
        materialised among the weights. Copied where it must be contiguous or lacks the border asked for."""
        return self._demand(self._canonical(self.ctx.input(index)), contiguous, border, fill)

    def stored(self, index: int) -> View:
        """The view of an input in whatever form it lies in memory, for copies, which flip bytes on their way."""
        tensor = self.ctx.input(index)
        return self._views.get(tensor.name) or self._canonical(tensor)

    def output(self, index: int = 0, *, contiguous: bool = False) -> View:
        """A new view for an output. Unless contiguous is asked for, it may have a border and so gaps between rows."""
        tensor = self.ctx.outputs[index]
        flips = self._flips(tensor)
        border, fill = self.borders.get(tensor.name, (NO_BORDER, 0))
        if not border or contiguous:
            view = final = self.temporary(tensor.shape, tensor.dtype, flips)
        if border:
            final = self.bordered(tensor.shape, tensor.dtype, border, fill, flips)
            if contiguous:
                self._pending.append((view, final))
            else:
                view = final
        self._views[tensor.name] = final
        return view

    def contiguous(self, view: View) -> View:
        """The view, or a contiguous copy of it."""
        return self._demand(view, True, None, 0)

    def alias(self, view: View, index: int = 0) -> None:
        """Declares that an output is this view of memory that exists already."""
        self._views[self.ctx.outputs[index].name] = view

    def temporary(self, shape: tuple[int, ...], dtype: Any, flipped: bool = False) -> View:
        """A contiguous view of new memory."""
        dtype, shape = np.dtype(dtype), tuple(shape)
        size = prod(shape) * dtype.itemsize
        return View(self._storage(size), 0, shape, dense(shape, dtype.itemsize), dtype, flipped=flipped)

    def bordered(self, shape: tuple[int, ...], dtype: Any, border: Border, fill: float, flipped: bool) -> View:
        """A channels-last view of new memory inside a border that a step of its own fills.

        Without elements there is no border, either: no kernel is given such a view.
        """
        if 0 in shape:
            return self.temporary(shape, dtype, flipped)
        view = self.surrounded(shape, dtype, border, fill, flipped)
        around = Start(view.storage, 0).touching(0, view.storage.size)
        self.call(fill_border, {}, 1, y=around, value=_fill_byte(view.dtype, fill, flipped), **view.surroundings())
        return view

    def surrounded(self, shape: tuple[int, ...], dtype: Any, border: Border, fill: float, flipped: bool) -> View:
        """A channels-last view of new memory inside a border that the caller fills.

        Rows share their padding: what lies right of a row is what lies left of the next.
        """
        dtype = np.dtype(dtype)
        n, h, w, c = channels_last(shape)
        pixel = c * dtype.itemsize
        row = (w + max(border.left, border.right)) * pixel
        start = border.top * row + border.left * pixel
        image = start + h * row + border.bottom * row + border.right * pixel
        strides = (image, row, pixel, dtype.itemsize) if len(shape) == 4 else (image, pixel, dtype.itemsize)
        return View(self._storage(n * image), start, tuple(shape), strides, dtype, border, fill, flipped)

    def constant(self, data: np.ndarray) -> Place:
        """Bytes of an array among the weights, 64-byte aligned."""
        return Place(Storage(data.nbytes, WEIGHTS, self.weights.add(data)), 0, 0, data.nbytes)

    def scratch(self, size: int, offset: int = 0) -> Place:
        """Memory private to the thread that runs a chunk: `size` bytes at a fixed offset."""
        self.scratch_bytes = max(self.scratch_bytes, offset + size)
        return Place(Storage(offset + size, SCRATCH, 0), offset, offset, offset + size)

    def call(
        self,
        kernel: Kernel,
        constants: Mapping[str, Any],
        chunks: int,
        sizes: Mapping[str, int] = NOTHING,
        by_lines: Lines | None = None,
        leads: Mapping[str, int | None] = NOTHING,
        /,
        *,
        work: int = 0,
        **arguments: Place | int | float,
    ) -> None:
        """Appends a kernel call. chunks: independent units of work; work: multiply-adds or bytes in all of them. sizes:
        more of its arguments, in a mapping that nobody changes. by_lines: see Call. leads: as well, None where there is
        none.

        OutOfBounds where a number does not fit the table of steps.
        """
        if chunks <= 0:
            return
        check_int32("the number of chunks", chunks)
        grain = 0
        if self.threads > 1 and chunks > 1 and work >= SHARED_WORK:
            parts = CHUNKS_PER_THREAD if work >= LARGE_WORK else CHUNKS_PER_THREAD // 2
            grain = max(1, chunks // (self.threads * parts))
        places: dict[str, Place] = {}
        numbers: dict[str, int | float] = {}
        for name, value in arguments.items():
            if isinstance(value, Place):
                places[name] = value
            else:
                numbers[name] = value
        alike = self._alike(kernel, constants, numbers, sizes)
        known = {name: lead for name, lead in leads.items() if lead is not None}
        self.steps.append(
            Call(
                kernel, alike.constants, chunks, places, alike.merged, self._name, grain, work,
                by_lines=by_lines, leads=known,
            )
        )  # fmt: skip

    def check(self, run: Callable[[Sequence[np.ndarray | None]], None], indices: Sequence[int]) -> None:
        """Appends a step that looks at some of the inputs and raises ModelError where they are not what the kernels
        that follow can be given."""

        def step(arrays: Sequence[np.ndarray | None]) -> Sequence[np.ndarray]:
            run(arrays)
            return ()

        inputs = [self._canonical(self.ctx.input(index)) for index in indices]
        self.steps.append(PythonStep(step, [*inputs], [], self._name))

    def trap(self, problem: str) -> Place:
        """Where a kernel says what it cannot compute with, upon which the run is an error; see Trap. A kernel has no
        business outside its memory all the same."""
        flag = self.temporary((3,), np.dtype(np.int64))
        self.traps.append(Trap(flag, self._name, problem))
        return flag.at()

    def fill(self, view: View, value: np.ndarray) -> None:
        """Writes one element's bytes to every element of a view."""
        raw = value.astype(view.dtype).reshape(1)
        if view.flipped:
            raw = raw ^ np.int8(-128)
        word = np.frombuffer(raw.tobytes() * (8 // view.itemsize), np.int64)
        place, repeated = self.constant(word), (0,) * len(view.shape)
        source = View(place.storage, 0, view.shape, repeated, view.dtype, flipped=view.flipped)
        sizes, (to,) = levels(view.shape, (view.strides,))
        if to[-1] != view.itemsize or sizes[-1] * view.itemsize < 8 or len(sizes) > FILL_LEVELS:
            self.copy(source, view)
            return
        lead = FILL_LEVELS - len(sizes)
        sizes, to = (1,) * lead + sizes, (0,) * lead + to
        self.call(
            fill_rows, {}, sizes[0], work=view.size * view.itemsize // 2, y=view.at(), word=source.at(),
            n1=sizes[1], n2=sizes[2], size=sizes[3] * view.itemsize, y0=to[0], y1=to[1], y2=to[2],
        )  # fmt: skip

    def copy(self, source: View, destination: View) -> None:
        """Copies elements between views of one shape, flipping bytes where the two disagree."""
        found = move(source, destination, self.target)
        if found is None:
            raise self.ctx.error(f"a copy of shape {source.shape} has too many irregular dimensions")
        self.call(found.kernel, found.constants, found.chunks, work=source.size * source.itemsize, **found.arguments)

    def declare(self, tensor: Tensor, view: View) -> None:
        """A public input: its memory, in the form the caller sees."""
        self._views[tensor.name] = view

    def lower(self, op: Op, ctx: Context, lower: Callable[[Context, Builder], bool] | None) -> None:
        """Appends the node's steps; lower: see lowering.registry.Lowering, None where the operator has no kernel.

        A node that takes or gives a tensor without elements runs its reference: kernels have at least one of anything.
        ModelError where the node's memory cannot be addressed, OverflowError where a number has over 64 bits.
        """
        self.ctx, self._name = ctx, intern(str(ctx.node))
        try:
            if lower is None or not self._may_have_kernel(op, ctx) or not self._try(lower, ctx):
                self._python(op, ctx)
            for source, destination in self._pending:
                self.copy(source, destination)
        except OutOfBounds as problem:
            raise ctx.error(f"its memory cannot be addressed: {problem}") from problem
        except OverflowError as problem:
            raise OverflowError(f"{ctx.node}: {problem}") from problem
        self._pending.clear()

    def result(self, tensor: Tensor) -> View:
        """The view of a graph output in whatever form it lies in memory."""
        return self._views[tensor.name] if tensor.name in self._views else self._canonical(tensor)

    def public(self, tensor: Tensor) -> View:
        """The view of a graph output in the form the caller sees."""
        view = self.result(tensor)
        if view.flipped:
            plain = self.temporary(tensor.shape, tensor.dtype)
            self.copy(view, plain)
            return plain
        return view

    def _may_have_kernel(self, op: Op, ctx: Context) -> bool:
        """Not for a tensor without elements, a constant apart, nor to compute with quantized integers of 16 bits or of
        several scales, nor where it would pack what others have packed before, again and again."""
        given = [t for t in ctx.inputs if t is not None and t.data is None]
        if self._target is None or any(0 in t.shape for t in (*given, *ctx.outputs)):
            return False
        if op.macs is not None and not self._may_pack(ctx):
            return False
        return ctx.narrow or (op.moves_data and ctx.uniform) or op.name in CONVERSIONS

    def _may_pack(self, ctx: Context) -> bool:
        """Whether there is time to pack the node's constants for it."""
        for data in (t.data for t in ctx.inputs if t is not None and t.data is not None):
            known = self._packed.get(id(data))
            if known is not None and known() is data:  # else it lies where one lay that nobody needs any more
                self._packed_again += data.nbytes
            self._packed[id(data)] = ref(data)
        return self._packed_again <= PACKED_AGAIN

    def _try(self, lower: Callable[[Context, Builder], bool], ctx: Context) -> bool:
        mark = len(self.steps)
        if lower(ctx, self):
            return True
        if len(self.steps) != mark:
            raise RuntimeError(f"{ctx.node}: lower() returned False after it had emitted steps")
        # Views of outputs that it asked for are made anew by the step in NumPy; those of constants serve as they are.
        self._pending.clear()
        return False

    def _python(self, op: Op, ctx: Context) -> None:
        self._in_numpy(op, ctx)
        inputs = [None if t is None else self._canonical(t) for t in ctx.inputs]
        outputs = [self.output(i) for i in range(len(ctx.outputs))]
        self.steps.append(PythonStep(lambda arrays: evaluate(op, ctx, arrays), inputs, outputs, self._name))

    def _alike(
        self, kernel: Kernel, constants: Mapping[str, Any], numbers: Mapping[str, int | float], sizes: Mapping[str, int]
    ) -> _Alike:
        """What a call shares with earlier ones that differ from it in their places alone."""
        values: Iterable[Any] = numbers.values()
        if not set(map(type, values)) <= {int}:  # equal floats may differ, as zeros of both signs do
            values = map(repr, values)
        name = kernel_name(kernel, constants)
        self.kernels.add(name)
        key = (name, id(sizes), *values)
        found = self._calls.get(key)
        if found is None or found.numbers.keys() != numbers.keys():
            merged = {**numbers, **sizes}
            for name, value in merged.items():
                if not isinstance(value, float):
                    check_int32(name, value)
            self._calls[key] = found = _Alike(constants, numbers, sizes, merged)
        return found

    def _storage(self, size: int) -> Storage:
        if size > LARGEST:
            raise OutOfBounds(f"{size} bytes would be one value's, where {LARGEST} are the most")
        storage = Storage(size)
        self.storages.append(storage)
        return storage

    def _flips(self, tensor: Tensor) -> bool:
        return tensor.quant is not None and self._flipping and tensor.dtype == np.int8

    def _canonical(self, tensor: Tensor) -> View:
        view = self._views.get(tensor.name)
        flips = self._flips(tensor)
        if view is None:
            if tensor.data is None:
                raise RuntimeError(f"{self.ctx.node}: '{tensor.name}' has no memory")
            data = tensor.data ^ np.int8(-128) if flips else tensor.data
            view = View(self.constant(data).storage, 0, tensor.shape, dense(tensor.shape, tensor.dtype.itemsize),
                        tensor.dtype, flipped=flips)  # fmt: skip
            self._views[tensor.name] = view
        elif flips != view.flipped:
            border, fill = self.borders.get(tensor.name, (NO_BORDER, 0))
            canonical = (
                self.bordered(tensor.shape, tensor.dtype, border, fill, flips)
                if border
                else self.temporary(tensor.shape, tensor.dtype, flips)
            )
            self.copy(view, canonical)
            self._views[tensor.name] = view = canonical
        return view

    def _demand(self, view: View, contiguous: bool, border: Border | None, fill: float) -> View:
        if contiguous and not view.contiguous:
            return self._copied(view, "contiguous", lambda: self.temporary(view.shape, view.dtype, view.flipped))
        if border and not (view.border.covers(border) and view.fill == fill):
            return self._copied(
                view, (border, fill), lambda: self.bordered(view.shape, view.dtype, border, fill, view.flipped)
            )
        return view

    def derived(self, view: View, form: Any, make: Callable[[], Any]) -> Any:
        """What `make` appends steps for, of a view's elements, once for all who ask for that form of it."""
        key = (id(view), form)
        if key not in self._derived:
            # Holding the view keeps its id from being reused.
            self._derived[key] = make(), view
        return self._derived[key][0]

    def _copied(self, view: View, form: Any, make: Callable[[], View]) -> View:
        def copy() -> View:
            made = make()
            self.copy(view, made)
            return made

        copied: View = self.derived(view, form, copy)
        return copied


def _fill_byte(dtype: np.dtype, fill: float, flipped: bool) -> int:
    if dtype.itemsize != 1:
        if fill != 0:
            raise ValueError("a border of wide elements is filled with zeros")
        return 0
    return (int(fill) + (128 if flipped else 0)) & 0xFF
