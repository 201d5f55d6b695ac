"""A float model and its samples, from which quantized models are made: with all layers as integers, or some kept."""

from __future__ import annotations

import numpy as np

from ...runtime.errors import InputError
from ...runtime.evaluate.shapes import instantiate
from ...runtime.graph import Graph
from ...runtime.model import Model
from ...runtime.ops.meaning import check as check_meanings
from ..rewrites.pipeline import rewrite
from .decisions import Decisions
from .emit import emit
from .equalize import Equalized, equalize
from .halved import halved
from .levels import Levels
from .links import links
from .observe import observe, spread_over
from .plan import Plan, make_plan
from .products import is_product, takes_rows
from .running import Runner, as_model
from .samples import HELD_OUT, Samples, held_out, kept, read_samples
from .screening import screen
from .settings import Settings
from .simple import decide_simply
from .walk import Walk

WALKED = 64
"""Samples that the walk through the layers sees, at most."""
EVENED = 4
"""Samples on which it is tried whether channels that are evened out lose less."""
SPACE = 768 << 20
"""Bytes that its tensors may take, mostly in a temporary file, which may make the samples fewer."""
FEW = 32
"""Samples below which the user is told."""


class Quantizer:
    """original: the float model, as `prepare` makes its graph. factors: by tensor, what its channels are multiplied by
    in the quantized model, and divided by where they are read. judges: samples that the result is measured on, and
    nothing is chosen by. notes: what a user should know of the samples. InputError where they are of no use."""

    def __init__(self, original: Model, settings: Settings) -> None:
        assert settings.calibration is not None
        self.original, self._settings = original, settings
        samples = read_samples(original, settings.calibration)
        if settings.validation is None:
            self.count = screen(original, samples, HELD_OUT)
            self.samples, self.judges = held_out(samples)
            self.count -= self.count // HELD_OUT
        else:
            self.samples, self.count = samples, screen(original, samples)
            self.judges = read_samples(original, settings.validation)
            screen(original, self.judges, 1)
        few = f"only {self.count} samples to calibrate with; a hundred are a good number"
        self.notes = [few] if self.count < FEW else []
        self._shapes = {name: array.shape for name, array in next(iter(self.samples)).items()}
        found = Equalized(original.graph) if settings.fast else self._equalized()
        self.factors = found.factors
        self._float = as_model(found.graph, original)
        self.plan = self._planned({})
        self._histograms = observe(self._float, self.plan.rounded, self.samples, self.count, settings.say)
        self._walked = None if settings.fast else self.tuning(self._affordable())

    @property
    def products(self) -> list[str]:
        """The layers that are integers, or whose weights are, unless they are given another level; by first output."""
        return [name for name in self.plan.macs if name in self.plan.integer | self.plan.weights_only]

    def model(self, levels: Levels) -> tuple[Model, Plan]:
        """Quantized, each layer decided for what those before it give."""
        plan = self._planned(levels)
        return self._made(plan, self._decided(plan)), plan

    def decided(self) -> Decisions:
        """With every layer as integers."""
        return self._decided(self.plan)

    def drafted(self, levels: Levels, decisions: Decisions) -> Model:
        """Quantized by decisions that were made with every layer as integers."""
        plan = self._planned(levels)
        roots, quants = self._roots(plan), decisions.quants
        products = plan.integer | plan.weights_only
        return self._made(
            plan,
            Decisions(
                quants={name: quants[name if name in quants else roots[name]] for name in plan.rounded},
                weights={name: each for name, each in decisions.weights.items() if name in products},
                biases={name: each for name, each in decisions.biases.items() if name in products},
                constants=decisions.constants,
            ),
        )

    def _decided(self, plan: Plan) -> Decisions:
        graph, method, roots = self._float.graph, self._settings.method, self._roots(plan)
        histograms = {
            name: self._histograms[name if name in self._histograms else roots[name]] for name in plan.rounded
        }
        if self._walked is None:
            return decide_simply(graph, plan, histograms, method)
        return Walk(graph, plan, histograms, self._walked, method).decide(self._settings.say)

    def _made(self, plan: Plan, decisions: Decisions) -> Model:
        graph = halved(self._float.graph, plan.halved) if plan.halved else self._float.graph
        return finished(self.original, emit(graph, plan, decisions))

    def _roots(self, plan: Plan) -> dict[str, str]:
        """What a mover makes of a tensor that was integers is rounded by itself where that one stays in float."""
        return {**self.plan.carried, **plan.carried}

    def tuning(self, most: int) -> Samples:
        """At most so many of the samples that may be chosen by."""
        return kept(spread_over(self.samples, self.count, most))

    def _planned(self, levels: Levels) -> Plan:
        settings = self._settings
        return make_plan(self._float.graph, self._shapes, settings.keep_float, settings.integer_io, levels)

    def _equalized(self) -> Equalized:
        """With the channels of tensors evened out where that helps."""
        names = [link.tensor for link in links(self.original.graph)]
        tensors: dict[str, list[np.ndarray]] = {name: [] for name in names}
        with Runner(self.original, names) as runner:
            for feeds in spread_over(self.samples, self.count, min(EVENED, self._affordable())):
                for name, array in runner.run(feeds).items():
                    tensors[name].append(array)
        return equalize(self.original.graph, tensors)

    def _affordable(self) -> int:
        """How many samples the walk may hold at once: both lanes of what is alive together, estimated by the largest
        node's tensors twice over, as a shortcut may hold another such tensor."""
        steps = instantiate(self.original.graph, self._shapes).steps
        tensors = [[t for t in (*s.ctx.inputs, *s.ctx.outputs) if t is not None and t.data is None] for s in steps]
        largest = max(sum(t.size for t in each) for each in tensors)
        return int(min(WALKED, max(2, SPACE // (4 * 2 * 2 * largest))))


def weights_only(original: Model, settings: Settings, dynamic: bool = False) -> Model:
    """Without samples nothing is known of activations, so they stay in float. dynamic: but for the rows of linear
    layers, which are rounded as they come."""
    shapes = {
        name: tuple(size if isinstance(size, int) else 1 for size in shape or ())
        for name, shape in original.input_shapes({}).items()
    }
    plan = make_plan(original.graph, shapes, settings.keep_float)
    plan.weights_only |= plan.integer & plan.macs.keys()
    plan.integer, plan.rounded, plan.carried = set(), {}, {}
    if dynamic:
        products = (node for node in original.graph.nodes if is_product(original.graph, node))
        plan.dynamic = {
            node.outputs[0]
            for node in products
            if node.outputs[0] in plan.weights_only and takes_rows(original.graph, node)
        }
        if not plan.dynamic:
            raise InputError("the model has no linear layer to quantize dynamically; int8 with samples is for others")
    decisions: Decisions = decide_simply(original.graph, plan, {}, settings.method)
    return finished(original, emit(original.graph, plan, decisions))


def finished(original: Model, graph: Graph) -> Model:
    """What is saved and runs."""
    rewrite(graph)
    check_meanings(graph)
    return Model(graph, original.metadata)
