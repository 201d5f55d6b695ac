"""One error for all the operators of a source that cannot be converted: which, how many, why and where."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Final

PLACES: Final = 3
"""Nodes named of each kind of refusal."""
GROUPS: Final = 20
MOST_PLACES: Final = 1 << 24
"""For which an importer lists numbers that no file holds, such as where each pixel of an output lies."""
QUOTED: Final = re.compile(r"'[^']*'")
"""A name in a reason."""
MISSING: Final = "there is no such operator in millijoule"

CONTROL = "control flow"
RECURRENCE = "recurrence"
STRINGS = "text"
TABLES = "lookup tables"
RANDOM = "random numbers"


def too_many_places(*sizes: int) -> str:
    """Why an importer does not list places along axes of these sizes; empty where it does."""
    return f"{'x'.join(map(str, sizes))} places are more than {MOST_PLACES}" if prod(sizes) > MOST_PLACES else ""


def _kinds(names: Mapping[str, str]) -> dict[str, str]:
    return {operator: kind for kind, operators in names.items() for operator in operators.split()}


KINDS: Final = _kinds(
    {
        CONTROL: "STABLEHLO_WHILE",
        RECURRENCE: "com.microsoft.AttnLSTM",
        STRINGS: "LSH_PROJECTION SKIP_GRAM",
        TABLES: "ai.onnx.ml.DictVectorizer HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_LOOKUP HASHTABLE_SIZE",
        RANDOM: "RandomNormal RandomNormalLike RandomUniform RandomUniformLike Bernoulli Multinomial MULTINOMIAL "
        "RANDOM_STANDARD_NORMAL RANDOM_UNIFORM",
    }
)
"""What an operator is for that has no counterpart here: by ONNX's name (with its domain) and by TFLite's."""


@dataclass(frozen=True, slots=True)
class Refused:
    """operator: as the source calls it. where: the node, as messages name it. reason: empty where millijoule has no
    such operator."""

    operator: str
    where: str
    reason: str = ""

    @property
    def why(self) -> str:
        if self.reason:
            return self.reason
        kind = KINDS.get(self.operator)
        if kind is not None:
            return f"{kind} cannot be converted yet"
        custom = self.operator.startswith("CUSTOM ") or "." in self.operator
        return f"a custom operator; {MISSING}" if custom else MISSING


def refusal(refused: Iterable[Refused]) -> str:
    """The text of the error: which operators, how many and why, with the first few places of each reason. Reasons that
    differ by the names in them are one, and each place has its own names."""
    distinct = list(dict.fromkeys(refused))
    plural = "operator is" if len(distinct) == 1 else "operators are"
    lines = [f"{len(distinct)} {plural} not supported:"]
    groups: dict[str, list[Refused]] = {}
    for item in distinct:
        groups.setdefault(QUOTED.sub("'...'", item.why), []).append(item)
    for pattern, items in list(groups.items())[:GROUPS]:
        alike = all(item.why == items[0].why for item in items)
        counts = listed_counts(Counter(item.operator for item in items))
        lines.append(f"  {counts}: {items[0].why if alike else pattern}")
        lines += [f"    {text}" for text in _first([_place(item, names=not alike) for item in items], PLACES)]
    if len(groups) > GROUPS:
        lines.append(f"  and {len(groups) - GROUPS} more reasons")
    return "\n".join(lines)


def listed_counts(counts: Mapping[str, int]) -> str:
    """Names with how often they occur, the most frequent first: "If x25, LSTM x4"."""
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(_first([f"{name} x{count}" for name, count in ordered], GROUPS))


def _place(item: Refused, *, names: bool) -> str:
    """names: whether with those of its reason."""
    return f"{item.operator} {item.where}" + (f" ({', '.join(QUOTED.findall(item.why))})" if names else "")


def _first(items: Sequence[str], most: int) -> list[str]:
    return list(items) if len(items) <= most else [*items[:most], f"and {len(items) - most} more"]
