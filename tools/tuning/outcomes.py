"""What a cascade of two stages would have answered on labelled data, whatever its threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Outcomes:
    """One element for each sample. score: the first stage's, float. first: whether the first stage is right. asked:
    whether the cascade is where the second stage is asked, after the post-check. second: whether the second one is."""

    score: np.ndarray
    first: np.ndarray
    asked: np.ndarray
    second: np.ndarray

    def __len__(self) -> int:
        return self.score.size

    def right(self, threshold: float) -> np.ndarray:
        """Which samples the cascade answers rightly: the first stage where its score reaches the threshold."""
        return np.where(self.score >= threshold, self.first, self.asked)

    def usage(self, threshold: float) -> float:
        """The share of samples for which the second stage is asked."""
        return float((self.score < threshold).mean())

    def take(self, which: np.ndarray) -> Outcomes:
        return Outcomes(self.score[which], self.first[which], self.asked[which], self.second[which])


def from_records(records: np.ndarray, labels: np.ndarray, post_check: bool) -> Outcomes:
    """records: (samples, 2, 2): score and class of both stages. labels: the classes in truth."""
    (score, label), (other, other_label) = records[:, 0].T, records[:, 1].T
    first, second = label == labels, other_label == labels
    return Outcomes(score, first, np.where(other > score, second, first) if post_check else second, second)
