"""Levels of the layers that lose least for what the user can pay, and what else can be had for less.

Each layer's integers are decided once, with all layers as integers; what a choice of levels gives is then measured
with the model that it makes, as it will run, on samples of the calibration. `evolve` chooses under several limits, each
from the best of the last one, the user's own at the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from ...runtime.errors import Error
from ...runtime.fidelity import Trade
from ...runtime.model import Model
from .budget import Budget
from .evolve import Choice, Costs, evolve, filled
from .gate import quantized_feeds, real_numbers
from .levels import INTEGER, LEVELS, Levels
from .loss import agrees, loss
from .quantizer import Quantizer
from .running import Runner

LOOKED_AT = 96
"""Samples by which levels are chosen, at most."""
LIMITS = 4
"""From what the cheapest choice costs up to the budget."""
MODELS = 64
"""Models of choices that are kept for when they are looked at again."""

Progress = Callable[[int, int, str], None]


class Trader:
    """Chooses levels for a quantizer's layers. Error where the budget is below what the model takes at least."""

    def __init__(self, quantizer: Quantizer, budget: Budget, say: Progress) -> None:
        self._quantizer, self._budget, self._say = quantizer, budget, say
        self._layers = quantizer.products
        # A layer that ends the model in float has no integers to compute on.
        self._levels = [
            LEVELS if name in quantizer.plan.integer else tuple(each for each in LEVELS if each != INTEGER)
            for name in self._layers
        ]
        self._decisions = quantizer.decided()
        self._samples = list(quantizer.tuning(LOOKED_AT))
        with Runner(quantizer.original, list(quantizer.original.graph.outputs)) as runner:
            self._wanted = [runner.run(feeds) for feeds in self._samples]
        self._model = lru_cache(MODELS)(self._drafted)
        self._seen: dict[tuple[Choice, tuple[int, ...]], float] = {}
        self._costs: dict[Choice, float] = {}
        self._met: dict[Choice, Trade] = {}

    def levels(self) -> Levels:
        """Of the best choice within the budget."""
        costs = self._measured_costs()
        best, rng = costs.cheapest, np.random.default_rng(0)
        least = self._cost(best)
        if least > self._budget.limit:
            raise Error(
                f"the budget is below what the model takes at least: a {self._budget.what} of "
                f"{self._budget.text(least)}, and {self._budget.text(self._budget.limit)} are allowed"
            )
        reach = min(self._budget.limit, max(costs.of(costs.dearest), least))
        for part in range(1, LIMITS + 1):
            limit = least + (reach - least) * part / LIMITS
            start = self._affordable(costs, limit, best, rng)
            best = evolve(costs, limit, start, self._loss(limit), len(self._samples), rng, self._progress(part))
        return self._named(best)

    def front(self, chosen: Levels) -> list[Trade]:
        """What was met that nothing cheaper betters, the cheapest first."""
        self._measure(self._choice(chosen))
        front: list[Trade] = []
        for trade in sorted(self._met.values(), key=lambda each: (each.cost, each.loss)):
            if not front or trade.loss < front[-1].loss:
                front.append(trade)
        return front

    def better(self, model: Model, levels: Levels) -> Model:
        """Of the model whose layers were decided anew for these levels, and the one that the choice was made by, what
        loses less and keeps the budget."""
        drafted = self._model(self._choice(levels))
        everything = range(len(self._samples))
        anew, before = (float(np.mean(self._losses(each, everything))) for each in (model, drafted))
        return model if anew <= before and self._budget.cost(model) <= self._budget.limit else drafted

    def _affordable(self, costs: Costs, limit: float, best: Choice, rng: np.random.Generator) -> Choice:
        """The last limit's best with the room that is new used up; as it was where that costs more than estimated."""
        start = filled(costs, limit, best, rng)
        return start if self._cost(start) <= limit else best

    def _loss(self, limit: float) -> Callable[[Choice, Sequence[int]], float]:
        def found(choice: Choice, samples: Sequence[int]) -> float:
            key = (choice, tuple(samples))
            if key not in self._seen:
                if self._cost(choice) > limit:
                    return np.inf
                whole = len(samples) == len(self._samples)
                self._seen[key] = self._measure(choice) if whole else self._mean(choice, samples)
            return self._seen[key]

        return found

    def _mean(self, choice: Choice, samples: Sequence[int]) -> float:
        return float(np.mean(self._losses(self._model(choice), samples)))

    def _measure(self, choice: Choice) -> float:
        """On all samples, to be one of those that the front is made of."""
        if choice in self._met:
            return self._met[choice].loss
        agreed: list[bool | None] = []
        found = float(np.mean(self._losses(self._model(choice), range(len(self._samples)), agreed)))
        share = None if None in agreed else sum(map(bool, agreed)) / len(agreed)
        counts = Counter(self._named(choice).values())
        self._met[choice] = Trade(self._cost(choice), found, share, {each: counts[each] for each in LEVELS})
        return found

    def _losses(self, model: Model, samples: Sequence[int], agreed: list[bool | None] | None = None) -> list[float]:
        with Runner(model, list(model.graph.outputs)) as runner:
            found = []
            for place in samples:
                given, wanted = runner.run(quantized_feeds(model, self._samples[place])), self._wanted[place]
                real = {name: real_numbers(model, name, array) for name, array in given.items()}
                found.append(loss(wanted, real))
                if agreed is not None:
                    agreed.append(agrees(wanted, real))
            return found

    def _measured_costs(self) -> Costs:
        """Of each layer at each level, the others at their lowest."""
        cheapest = (0,) * len(self._layers)
        least = self._cost(cheapest)
        added = []
        for layer, levels in enumerate(self._levels):
            self._say(layer, len(self._layers), f"what {self._layers[layer]} takes")
            alone = [(*cheapest[:layer], level, *cheapest[layer + 1 :]) for level in range(1, len(levels))]
            added.append([0.0, *(self._cost(each) - least for each in alone)])
        return Costs(least, added)

    def _cost(self, choice: Choice) -> float:
        if choice not in self._costs:
            self._costs[choice] = self._budget.cost(self._model(choice))
        return self._costs[choice]

    def _drafted(self, choice: Choice) -> Model:
        return self._quantizer.drafted(self._named(choice), self._decisions)

    def _choice(self, levels: Levels) -> Choice:
        pairs = zip(self._layers, self._levels, strict=True)
        return tuple(known.index(levels[name]) for name, known in pairs)

    def _named(self, choice: Choice) -> dict[str, str]:
        chosen = zip(self._layers, self._levels, choice, strict=True)
        return {name: levels[level] for name, levels, level in chosen}

    def _progress(self, part: int) -> Callable[[int, int], None]:
        return lambda at, total: self._say((part - 1) * total + at, LIMITS * total, "choosing levels")
