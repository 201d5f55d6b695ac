"""A level for each layer that loses least within a limit of cost, found by evolution: EvoPress (arXiv 2410.14649).

Knows nothing of what a level is but that a higher one mostly costs more and loses less, nor of what cost and loss are.
Each generation's offspring are the parent with levels switched: some layers lower, others higher. Selection takes
several steps: many are looked at on few samples, the few that are left on more, the last beside their parent on all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Choice = tuple[int, ...]
"""A level for each layer."""
Loss = Callable[[Choice, Sequence[int]], float]
"""Of a choice on these samples; infinite where it turns out to cost too much."""

GENERATIONS = 30
"""At most, under one limit."""
PATIENCE = 6
"""Generations without a better one after which a search ends."""
OFFSPRING = 16
STEPS = ((1 / 8, 4), (1 / 3, 1))
"""Of selection: the share of the samples that are looked at, and how many are left then."""
SWITCHES = 3
FILLED = 0.5
"""Share of the offspring that use up the limit."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Estimated as a sum. lowest: with every layer at level 0. added: by layer, what each of its levels adds to that,
    which may be negative."""

    lowest: float
    added: Sequence[Sequence[float]]

    def of(self, choice: Choice) -> float:
        return self.lowest + sum(each[level] for each, level in zip(self.added, choice, strict=True))

    @property
    def cheapest(self) -> Choice:
        return tuple(int(np.argmin(each)) for each in self.added)

    @property
    def dearest(self) -> Choice:
        return tuple(len(each) - 1 for each in self.added)


def evolve(
    costs: Costs,
    limit: float,
    start: Choice,
    loss: Loss,
    samples: int,
    rng: np.random.Generator,
    progress: Callable[[int, int], None],
) -> Choice:
    """The best that was found within the limit. start: a choice that keeps it. samples: how many there are."""
    everything = range(samples)
    parent, least = start, loss(start, everything)
    waited = 0
    for generation in range(GENERATIONS):
        progress(generation, GENERATIONS)
        offspring = list(dict.fromkeys(mutated(costs, limit, parent, rng) for _ in range(OFFSPRING)))
        for share, left in STEPS:
            seen = rng.choice(samples, max(1, round(share * samples)), replace=False)
            losses = {each: loss(each, [int(place) for place in seen]) for each in offspring}
            offspring = sorted(offspring, key=losses.__getitem__)[:left]
        found = loss(offspring[0], everything)
        waited += 1
        if found < least:
            parent, least, waited = offspring[0], found, 0
        if waited >= PATIENCE:
            break
    return parent


def mutated(costs: Costs, limit: float, parent: Choice, rng: np.random.Generator) -> Choice:
    """The parent with up to SWITCHES levels lowered and as many raised, mostly one, within the limit. Half of the time
    what room is left is used up, else a part of it, as costs are estimates, and more may turn out to be too much."""
    found = list(parent)
    for _ in range(min(rng.integers(1, SWITCHES + 1), rng.integers(1, SWITCHES + 1))):
        _step(found, costs, -1, rng)
        _step(found, costs, 1, rng)
    while costs.of(tuple(found)) > limit and _step(found, costs, -1, rng):
        pass
    spent = costs.of(tuple(found))
    room = 1.0 if rng.random() < FILLED else rng.random()
    return filled(costs, spent + room * (limit - spent), tuple(found), rng)


def filled(costs: Costs, limit: float, choice: Choice, rng: np.random.Generator) -> Choice:
    """With layers raised, in random order and level by level, as far as the limit allows."""
    found, spent = list(choice), costs.of(choice)
    raised = True
    while raised:
        raised = False
        for layer in rng.permutation(len(found)):
            added = costs.added[layer]
            if found[layer] + 1 == len(added):
                continue
            more = added[found[layer] + 1] - added[found[layer]]
            if spent + more <= limit:
                found[layer] += 1
                spent += more
                raised = True
    return tuple(found)


def _step(found: list[int], costs: Costs, by: int, rng: np.random.Generator) -> bool:
    """Moves one random layer that can be moved; False where there is none."""
    able = [i for i, level in enumerate(found) if 0 <= level + by < len(costs.added[i])]
    if not able:
        return False
    found[int(rng.choice(able))] += by
    return True
