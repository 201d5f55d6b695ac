"""LSTM, GRU and RNN of float32 with constant weights: the products of all inputs at once as a matrix product, then
kernels/recurrent.py."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np

from ..errors import ModelError
from ..kernels.recurrent import GATES, recurrent
from ..ops.recurrence import DIRECTIONS, KINDS, check_lengths
from ..ops.registry import Context, Tensor
from ..program.builder import Builder
from ..program.view import Place, View
from .product import Geometry, emit_f32
from .registry import lowers
from .tile_choice import WIDEST, WIDEST_OF_SEVERAL_ROWS, tile_cost

MOST = float(np.finfo(np.float32).max)
FUNCTIONS = {name.lower(): name for name in ("Relu", "Tanh", "Sigmoid", "Softsign", "Softplus")}
"""Those without parameters."""


LIMITS = (
    "float32, constant weights; not activations with parameters or others than "
    + ", ".join(FUNCTIONS.values())
    + ", input_forget, rounded"
)


@lowers("LSTM", "GRU", "RNN", limits=LIMITS)
def recurrence(ctx: Context, b: Builder) -> bool:
    functions = _functions(ctx)
    parameters = [tensor for tensor in map(ctx.optional, (1, 2, 3, 7)) if tensor is not None]
    lengths = ctx.optional(4)
    attrs = ctx.attrs
    if (
        functions is None
        or any(tensor.data is None or tensor.dtype != np.float32 for tensor in parameters)
        or attrs.get("rounded")
        or attrs.get("input_forget")
        or (lengths is not None and lengths.dtype != np.int32)
    ):
        return False
    _Layer(ctx, b).emit(functions)
    return True


def _functions(ctx: Context) -> list[str] | None:
    """The cell's activations where there are kernels of them and both directions have the same."""
    defaults, directions = KINDS[ctx.node.op].defaults, DIRECTIONS[ctx.attrs["direction"]]
    named = [FUNCTIONS.get(name.lower()) for name in ctx.attrs["activations"]] or [*defaults] * directions
    own = named[: len(defaults)]
    return [name for name in own if name] if None not in named and named == own * directions else None


class _Layer:
    """One node. The axes of Y are (time, direction, batch, units), those of a state (direction, batch, units)."""

    def __init__(self, ctx: Context, b: Builder) -> None:
        self.ctx, self.b = ctx, b
        x, r = ctx.input(0), ctx.input(2)
        self.first = bool(ctx.attrs["layout"])
        self.steps, self.batch = x.shape[1::-1] if self.first else x.shape[:2]
        self.directions, _, self.units = r.shape
        op = ctx.node.op
        reset_first = op == "GRU" and not ctx.attrs["linear_before_reset"]
        self.cell = "GRU, reset first" if reset_first else op
        self.gates = GATES[self.cell]
        self.lanes = b.target.vector_bytes // 4
        self.rows, self.groups = self._tile()
        self.blocks = -(-self.units // (self.groups * self.lanes))

    def emit(self, functions: Sequence[str]) -> None:
        ctx, b = self.ctx, self.b
        products, peepholes = self._products(), ctx.optional(7)
        weights, constants = self._weights(), self._constants(peepholes)
        y, state = self._turned(self._output(0)), self._state_view
        h, h_last = state(5), self._turned(self._output(1))
        lstm = self.cell == "LSTM"
        c, c_last = (state(6), self._turned(self._output(2))) if lstm else (h, h_last)
        parts, pitch = -(-self.batch // self.rows), 4 * self.blocks * self.groups * self.lanes
        clip, cell_clip = (float(ctx.attrs.get(name) or inf) for name in ("clip", "cell_clip"))
        x_step, x_direction, x_batch = (products.strides[axis] for axis in ((1, 2, 0) if self.first else (0, 2, 1)))
        b.call(
            recurrent,
            {
                "cell": self.cell, "rows": self.rows, "groups": self.groups, "activations": [*functions],
                "clipped": min(clip, cell_clip) < inf, "peepholes": peepholes is not None,
            },
            self.directions * parts,
            work=self.steps * self.batch * ctx.input(2).size,
            x=products.at(), w=b.constant(weights), constants=b.constant(constants), h=h.at(), c=c.at(), y=y.at(),
            h_last=h_last.at(), c_last=c_last.at(), lengths=self._lengths(), memory=b.scratch(4 * self.rows * pitch),
            steps=self.steps, batch=self.batch, parts=parts, units=self.units, blocks=self.blocks,
            turned={"forward": -1, "reverse": 0, "bidirectional": 1}[ctx.attrs["direction"]],
            x_step=x_step, x_batch=x_batch, x_direction=x_direction,
            y_step=y.strides[0], y_direction=y.strides[1], y_batch=y.strides[2],
            h_direction=h.strides[0], h_batch=h.strides[1], c_direction=c.strides[0], c_batch=c.strides[1],
            last_direction=h_last.strides[0], last_batch=h_last.strides[1],
            w_direction=weights[0].nbytes, constants_direction=constants[0].nbytes,
            clip=min(clip, MOST), cell_clip=min(cell_clip, MOST),
        )  # fmt: skip

    def _tile(self) -> tuple[int, int]:
        """Sequences of a tile, and vectors of units of each gate, with the least estimated cycles for a step."""
        cost, best, least = tile_cost(self.b.target, "f32"), (1, 1), float("inf")
        most = 1 if self.ctx.optional(4) is not None else self.batch
        for groups in range(1, max(1, WIDEST // self.gates) + 1):
            columns, blocks = self.gates * groups, -(-self.units // (groups * self.lanes))
            for rows in range(1, most + 1):
                fits = cost.fits(rows, columns) and (rows == 1 or columns <= WIDEST_OF_SEVERAL_ROWS)
                if rows > 1 and not fits:
                    break
                total = -(-self.batch // rows) * blocks * cost.cycles(rows, columns, self.units)
                if total < least * 0.999:
                    best, least = (rows, groups), total
        return best

    def _products(self) -> View:
        """Of the inputs with their weights, with all biases but one of GRU's: (time, batch, direction, units of all
        gates, block by block), or the batch first."""
        ctx, b = self.ctx, self.b
        w, bias = ctx.input(1).data, ctx.optional(3)
        assert w is not None
        summed = np.zeros((self.directions, self.gates * self.units), np.float32)
        if bias is not None and bias.data is not None:
            of_input, of_state = np.split(bias.data, 2, 1)
            kept = self.units * (2 if self.cell == "GRU" else self.gates)
            summed = of_input.copy()
            summed[:, :kept] += of_state[:, :kept]
        weights, starts = self._blocked(w), self._blocked(summed[..., None])
        x, count = b.input(0, contiguous=True), self.steps * self.batch
        inner, channels = x.shape[-1], weights.size // w.shape[-1]
        products = b.temporary((*x.shape[:2], self.directions, channels // self.directions), np.float32)
        pixel = 4 * channels
        geometry = Geometry(
            lines=1, pixels=count, x=x.start(), x_row=count * 4 * inner, x_pixel=4 * inner,
            y=products.start(), y_row=count * pixel, y_pixel=pixel,
            kernel_rows=1, kernel_row=0, taps=1, kernel_tap=0, run=inner,
        )  # fmt: skip
        emit_f32(b, geometry, weights.reshape(channels, 1, inner), starts.reshape(-1), None, ())
        return products

    def _blocked(self, rows: np.ndarray) -> np.ndarray:
        """Rows of the weights (directions, gates * units, n) -> (directions, blocks, gates, units of a block, n)."""
        n, width = rows.shape[-1], self.groups * self.lanes
        padded = np.zeros((self.directions, rows.shape[1] // self.units, self.blocks * width, n), np.float32)
        padded[:, :, : self.units] = rows.reshape(self.directions, -1, self.units, n)
        split = padded.reshape(self.directions, -1, self.blocks, width, n)
        return np.ascontiguousarray(split.transpose(0, 2, 1, 3, 4))

    def _weights(self) -> np.ndarray:
        """Those of the states (directions, ...), in the order in which the kernel passes over them."""
        r = self.ctx.input(2).data
        assert r is not None
        units_last = self._blocked(r).transpose(0, 1, 4, 2, 3)
        if self.cell != "GRU, reset first":
            return np.ascontiguousarray(units_last)
        parts = [part.reshape(self.directions, -1) for part in (units_last[..., :2, :], units_last[..., 2:, :])]
        return np.ascontiguousarray(np.concatenate(parts, 1))

    def _constants(self, peepholes: Tensor | None) -> np.ndarray:
        bias = self.ctx.optional(3)
        if peepholes is not None and peepholes.data is not None:
            return self._blocked(peepholes.data[..., None])
        if self.cell == "GRU" and bias is not None and bias.data is not None:
            return self._blocked(bias.data[:, 5 * self.units :, None])
        return np.zeros((self.directions, self.blocks * self.groups * self.lanes), np.float32)

    def _lengths(self) -> Place:
        lengths = self.ctx.optional(4)
        if lengths is None:
            return self.b.constant(np.full(self.batch, self.steps, np.int32))
        steps = self.steps
        if lengths.data is None:
            self.b.check(lambda arrays: check_lengths(arrays[0], steps), [4])
        else:
            try:
                check_lengths(lengths.data, steps)
            except ModelError as problem:
                raise self.ctx.error(str(problem)) from None
        return self.b.input(4, contiguous=True).at()

    def _state_view(self, index: int) -> View:
        """A state before the first step; zeros where none is given."""
        if self.ctx.optional(index) is not None:
            return self._turned(self.b.input(index, contiguous=True))
        storage = self.b.constant(np.zeros(self.units, np.float32)).storage
        return View(storage, 0, (self.directions, self.batch, self.units), (0, 0, 4), np.dtype(np.float32))

    def _output(self, index: int) -> View:
        """Memory for Y or a last state, also where the node does not give it."""
        outputs = self.ctx.outputs
        if index < len(outputs) and outputs[index].name:
            return self.b.output(index, contiguous=True)
        shape = (self.directions, self.batch, self.units)
        whole = (self.steps, *shape) if index == 0 else shape
        made = self.b.temporary(whole, np.float32)
        return self._turned(made, back=True)

    def _turned(self, view: View, back: bool = False) -> View:
        """A view in the node's layout, with its axes as this class has them; or `back`."""
        if not self.first:
            return view
        order = {4: (1, 2, 0, 3), 3: (1, 0, 2)}[len(view.shape)]
        order = tuple(np.argsort(order)) if back else order
        return view.part(tuple(view.shape[axis] for axis in order), tuple(view.strides[axis] for axis in order))
