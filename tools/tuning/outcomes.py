"""What a cascade would have answered on labelled data, whatever its thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .scores import confidence

if TYPE_CHECKING:
    from ...runtime.cascade.gate import Gate

NEVER = 2.0
"""A threshold that no score reaches: the next stage is always asked."""


class Setting(NamedTuple):
    """What a gate can be set to. thresholds: of every stage but the last. abstain: as Gate's."""

    thresholds: tuple[float, ...]
    abstain: float | None = None


@dataclass(frozen=True, slots=True)
class Outcomes:
    """A row for each sample, a column for each stage. score: the stage's own, float32. best: the score of the answer
    where the cascade ends with that stage, after the post-check; right: whether that answer is. alone: whether the
    stage's own answer is right."""

    score: np.ndarray
    best: np.ndarray
    right: np.ndarray
    alone: np.ndarray

    def __len__(self) -> int:
        return len(self.score)

    @property
    def stages(self) -> int:
        return int(self.score.shape[1])

    def ends(self, setting: Setting) -> np.ndarray:
        """The stage that each sample ends with: the first whose score reaches its threshold, or the last."""
        sure = self.score[:, :-1] >= np.array(setting.thresholds, np.float32)
        return np.where(sure.any(axis=1), sure.argmax(axis=1), self.stages - 1)

    def answered(self, setting: Setting) -> np.ndarray:
        """Which samples get a label."""
        if setting.abstain is None:
            return np.ones(len(self), bool)
        return (self.ends(setting) < self.stages - 1) | (self.best[:, -1] >= np.float32(setting.abstain))

    def right_of(self, setting: Setting) -> np.ndarray:
        """Which samples are answered, and rightly."""
        right: np.ndarray = np.take_along_axis(self.right, self.ends(setting)[:, None], axis=1)[:, 0]
        return right & self.answered(setting)

    def counts(self, settings: Sequence[Setting]) -> tuple[np.ndarray, np.ndarray]:
        """How many samples are answered rightly, and how many at all, of each setting. Without going over all samples
        for each where there are two stages that always answer, or all stages answer from one score on."""
        whole = np.full(len(settings), len(self))
        if self.stages == 2 and all(setting.abstain is None for setting in settings):
            return self._of_two(np.array([setting.thresholds[0] for setting in settings], np.float32)), whole
        if all(set(setting.thresholds) == {setting.abstain} for setting in settings):
            return self._from_levels(np.array([setting.abstain for setting in settings], np.float32))
        right = [int(self.right_of(setting).sum()) for setting in settings]
        return np.array(right), np.array([int(self.answered(setting).sum()) for setting in settings])

    def _of_two(self, thresholds: np.ndarray) -> np.ndarray:
        order = np.argsort(self.score[:, 0], kind="stable")
        first, second = (np.concatenate([[0], np.cumsum(self.right[order, at])]) for at in (0, 1))
        below = np.searchsorted(self.score[order, 0], thresholds, side="left")
        found: np.ndarray = second[below] + first[-1] - first[below]
        return found

    def _from_levels(self, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A sample ends with a stage from its score down to the highest score of those before it."""
        right, before = np.zeros(levels.size, np.int64), np.full(len(self), -np.inf, np.float32)
        for stage in range(self.stages):
            score = self.score[:, stage]
            counted = self.right[:, stage] & (score > before)
            right += _reaching(score[counted], levels) - _reaching(before[counted], levels)
            before = np.maximum(before, score)
        return right, _reaching(before, levels)

    def asked(self, setting: Setting) -> np.ndarray:
        """The share of samples for which each stage is asked."""
        return (self.ends(setting)[:, None] >= np.arange(self.stages)).mean(axis=0)

    def take(self, which: np.ndarray) -> Outcomes:
        return Outcomes(self.score[which], self.best[which], self.right[which], self.alone[which])


def outcomes(logits: Sequence[np.ndarray], labels: np.ndarray, gate: Gate) -> Outcomes:
    """logits: of every stage, (samples, classes) float32. labels: the classes in truth. Of the gate, the score, the
    temperatures and the post-check count."""
    temperatures = gate.temperatures(len(logits))
    said = [confidence(z, t, gate.score) for z, t in zip(logits, temperatures, strict=True)]
    return from_answers([score for score, _ in said], [label for _, label in said], labels, gate.post_check)


def from_answers(
    scores: Sequence[np.ndarray], answers: Sequence[np.ndarray], labels: np.ndarray, post_check: bool
) -> Outcomes:
    """scores, answers: of every stage, one element for each sample."""
    best, chosen = [scores[0]], [answers[0]]
    for score, answer in zip(scores[1:], answers[1:], strict=True):
        better = score > best[-1] if post_check else np.ones(len(score), bool)
        best.append(np.where(better, score, best[-1]))
        chosen.append(np.where(better, answer, chosen[-1]))
    truth = labels[:, None]
    return Outcomes(
        np.stack(scores, axis=1), np.stack(best, axis=1), np.stack(chosen, axis=1) == truth,
        np.stack(answers, axis=1) == truth,
    )  # fmt: skip


def _reaching(scores: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """How many scores reach each level."""
    return scores.size - np.searchsorted(np.sort(scores), levels, side="left")
