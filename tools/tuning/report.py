"""What `mj tune` found, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .claims import Claim
from .outcomes import NEVER, Outcomes, Setting
from .search import best, cost_of, curve, frontier

SHOWN, DRAWN = 12, 200
"""Points of a curve that a table shows and that a picture has, at most."""


def on_samples(
    found: Outcomes, costs: Sequence[float], accuracy: float | None, abstain: float | None, budget: float | None
) -> tuple[Setting | None, str, str]:
    """The best setting on these samples, what was looked for, and what that is worth. budget: multiply-adds."""
    setting = best(found, costs, accuracy, abstain, budget)
    wanted = "the best accuracy" if accuracy is None else f"accuracy >= {accuracy:g} at the least cost"
    if budget is not None:
        wanted += f" for {budget:,.0f} multiply-adds at most"
    if setting is not None:
        return setting, wanted, "on these samples; on new ones it may be less (--guarantee)"
    if budget is not None:
        return None, wanted, f"no threshold does: the first stage alone takes {costs[0]:,.0f}"
    most = best(found, costs, None, abstain)
    assert most is not None
    return None, wanted, f"no threshold reaches it: the best is {found.right_of(most).mean():.2%}"


def answered_on_samples(found: Outcomes, claim: Claim, least: float) -> tuple[Setting | None, str, str]:
    """The setting that answers most while so large a share of the answers is right on these samples."""
    settings = [Setting((level,) * (found.stages - 1), level) for level in np.unique(found.score).tolist()]
    right, answered = found.counts(settings)
    enough = np.flatnonzero(right >= least * np.maximum(answered, 1))
    if not enough.size:
        return None, claim.text, "no threshold reaches it"
    return settings[enough[0]], claim.text, "on these samples; on new ones it may be less (--guarantee)"


def numbers(found: Outcomes, setting: Setting | None, costs: Sequence[float]) -> dict[str, Any]:
    """Of these samples: what the setting does, what each stage does alone, and the better of all for each sample."""
    report: dict[str, Any] = {
        "alone": found.alone.mean(axis=0).tolist(),
        "oracle": float(found.alone.any(axis=1).mean()),
        "thresholds": None, "abstain": None, "accuracy": None, "answered": None, "asked": None, "macs": None,
    }  # fmt: skip
    if setting is None:
        return report
    answered = found.answered(setting)
    right = found.right_of(setting)
    return report | {
        "thresholds": list(setting.thresholds),
        "abstain": setting.abstain,
        "accuracy": float(right[answered].mean()) if answered.any() else None,
        "answered": float(answered.mean()),
        "asked": found.asked(setting).tolist(),
        "macs": cost_of(found, costs, setting),
    }


def points(
    found: Outcomes, costs: Sequence[float], abstain: float | None, answering: bool, most: int
) -> list[dict[str, Any]]:
    """What so many other settings do on these samples, at most. answering: of a cascade that abstains, levels from
    which on every stage answers; else from the last stage always asked down to the first alone."""
    if answering:
        levels = np.unique(np.quantile(found.best, np.linspace(0, 1, most)))[::-1].tolist()
        settings = [Setting((level,) * (found.stages - 1), level) for level in levels]
    elif found.stages == 2:
        whole = curve(found, costs, setting=Setting((NEVER,), abstain))
        settings = [Setting((float(t),), abstain) for t in whole.thresholds]
    else:
        settings = frontier(found, costs, abstain)
    places = np.unique(np.linspace(0, len(settings) - 1, most).round().astype(int))
    keys = ("thresholds", "abstain", "accuracy", "answered", "asked", "macs")
    shown = [numbers(found, settings[place], costs) for place in places]
    return [{key: point[key] for key in keys} for point in shown]
