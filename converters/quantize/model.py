"""A quantized Model: the passes in their order, the search for layers to keep, and the gate."""

from __future__ import annotations

from dataclasses import replace

from ...runtime.errors import Error
from ...runtime.fidelity import Fidelity
from ...runtime.file.metadata import Metadata
from ...runtime.graph import Graph
from ...runtime.model import Model
from .gate import measure
from .halved import halved
from .levels import FLOAT, Levels
from .prepare import prepare
from .quantizer import Quantizer, finished, weights_only
from .samples import read_samples
from .screening import screen
from .search import fewest_in_float
from .settings import Settings
from .trade import Trader

UNJUDGED = "without samples only the weights are int8: the file is smaller, and computes in float as before"
DYNAMIC = "linear layers round what they read row by row, as it comes; other weights are int8 and computed in float"


def quantized_model(imported: Graph, metadata: Metadata, settings: Settings) -> Model:
    """imported: is rewritten in place. InputError where the model or the samples are not fit to be quantized, Error
    where the agreement that is asked for is not reached on the samples that judge."""
    original = Model(prepare(imported), metadata)
    if settings.mode == "float16":
        return finished(
            original,
            halved(original.graph, [node.outputs[0] for node in original.graph.nodes]),
        )
    if settings.mode == "dynamic":
        return _dynamic(original, settings)
    if settings.calibration is None:
        model = weights_only(original, settings)
        model.fidelity = Fidelity(0, False, notes=[UNJUDGED])
        return model
    quantizer = Quantizer(original, settings)
    kept: list[str] = []
    levels: Levels = {}
    trader: Trader | None = None
    if settings.min_agreement is not None:
        kept = fewest_in_float(quantizer, settings.min_agreement, settings.say)
        levels = dict.fromkeys(kept, FLOAT)
    if settings.budget is not None:
        trader = Trader(quantizer, settings.budget, settings.say)
        levels = trader.levels()
    model, plan = quantizer.model(levels)
    if trader is not None:
        model = trader.better(model, levels)
    held_out = settings.validation is None
    found = measure(original, model, plan.rounded, quantizer.judges, held_out, settings.say, quantizer.factors)
    names = {node.outputs[0]: node.name or node.outputs[0] for node in original.graph.nodes}
    model.fidelity = replace(found, kept=[names[name] for name in kept], notes=quantizer.notes)
    if settings.budget is not None and trader is not None:
        model.fidelity = replace(
            model.fidelity,
            levels={names[name]: level for name, level in levels.items()},
            budget=settings.budget.what,
            cost=settings.budget.cost(model),
            front=trader.front(levels),
        )
    if settings.min_agreement is not None and found.agreement < settings.min_agreement:
        raise Error(
            f"agreement {settings.min_agreement:g} is not reached: {found.agreement:.4g} on {found.samples} samples "
            f"that nothing was chosen by, with {len(kept)} layers kept in float. More samples to calibrate and to "
            "judge with may help, or a lower agreement"
        )
    return model


def _dynamic(original: Model, settings: Settings) -> Model:
    """Nothing is fitted, so that all samples judge."""
    model = weights_only(original, settings, dynamic=True)
    samples = settings.calibration if settings.validation is None else settings.validation
    if samples is None:
        model.fidelity = Fidelity(0, False, notes=[DYNAMIC])
        return model
    judges = read_samples(original, samples)
    screen(original, judges, 1)
    found = measure(original, model, (), judges, True, settings.say, {})
    model.fidelity = replace(found, notes=[DYNAMIC])
    return model
