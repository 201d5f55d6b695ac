"""How far a model's outputs are from the float model's, as one number for a sample."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

SUM = 1e-3
"""How near to 1 numbers have to sum up to be probabilities."""
LEAST = 1e-12


def is_scores(output: np.ndarray) -> bool:
    """Whether an output is one list of scores, of which the largest says the class."""
    return output.ndim > 0 and output.size == output.shape[-1] > 1


def loss(wanted: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]) -> float:
    """Summed over the outputs: of scores the Kullback-Leibler divergence of the classes' probabilities, in nats; of
    others the squared error as a share of the squared output."""
    return sum(_divergence(x, found[name]) if is_scores(x) else _share(x, found[name]) for name, x in wanted.items())


def agrees(wanted: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]) -> bool | None:
    """Whether the best class is the same in all outputs that are scores; None where none is."""
    scores = [(x, found[name]) for name, x in wanted.items() if is_scores(x)]
    return all(int(x.argmax()) == int(y.argmax()) for x, y in scores) if scores else None


def _divergence(wanted: np.ndarray, found: np.ndarray) -> float:
    x, y = wanted.astype(np.float64).reshape(-1), found.astype(np.float64).reshape(-1)
    if x.min() >= 0 and abs(x.sum() - 1) < SUM:
        p, log_p, log_q = x, np.log(np.maximum(x, LEAST)), np.log(np.maximum(y, LEAST))
    else:
        log_p, log_q = _log_softmax(x), _log_softmax(y)
        p = np.exp(log_p)
    return float((p * (log_p - log_q)).sum())


def _log_softmax(x: np.ndarray) -> np.ndarray:
    shifted = x - x.max()
    return np.asarray(shifted - np.log(np.exp(shifted).sum()))


def _share(wanted: np.ndarray, found: np.ndarray) -> float:
    if wanted.shape != found.shape:
        return 1.0
    x, y = wanted.astype(np.float64), found.astype(np.float64)
    return float(np.square(x - y).sum()) / max(float(np.square(x).sum()), LEAST)
