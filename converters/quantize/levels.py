"""How a layer may be stored and computed, the coarsest first."""

from __future__ import annotations

from collections.abc import Mapping

INTEGER = "int8"
INTEGER_WEIGHTS = "int8 weights"
"""Weights as integers, computed in float."""
HALF = "float16"
"""Weights stored in 16 bits, computed in float32."""
FLOAT = "float32"
LEVELS = (INTEGER, INTEGER_WEIGHTS, HALF, FLOAT)

Levels = Mapping[str, str]
"""Of LEVELS, by a node's first output; a layer that is not named is INTEGER."""


def at(levels: Levels, *wanted: str) -> set[str]:
    """The layers at any of these levels."""
    return {name for name, level in levels.items() if level in wanted}
