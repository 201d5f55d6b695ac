"""EmbeddingLookup's kernel against its reference: rows of any length, and indices of which some have no row."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_cases import TARGETS, Output, check_node, const, feed


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize("width", [1, 3, 16, 65])
def test_rows_of_a_table(width: int, dtype: str, target: str) -> None:
    rng = np.random.default_rng(width)
    table = const(rng.normal(size=(12, width)).astype(np.float32))
    indices = rng.integers(-2, 14, (3, 7)).astype(dtype)
    indices[0, :4] = [np.iinfo(dtype).min, np.iinfo(dtype).max, 10, 11]
    check_node("EmbeddingLookup", [feed(indices), table], [Output("float32")], target=target, rtol=0, atol=0)
