"""The block of packed constants: equal bytes once, others apart, also those that a checksum takes for equal."""

from __future__ import annotations

from itertools import pairwise
from zlib import crc32

import numpy as np
import pytest

from millijoule.runtime.program import weights as module
from millijoule.runtime.program.weights import Weights

ALIKE = [np.frombuffer(letter * 60 + bytes.fromhex(end), np.uint8) for letter, end in
         ((b"a", "eaabd45e"), (b"b", "4b8fe5e0"), (b"c", "d46cf58a"))]  # fmt: skip
"""Of one size and one CRC-32."""


@pytest.mark.parametrize("pace", [16, 1 << 20])
def test_equal_bytes_are_kept_once_and_others_apart(pace: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PACE", pace)
    assert len({(array.size, crc32(array.data)) for array in ALIKE}) == 1
    weights = Weights(1 << 16)
    arrays = [*ALIKE, ALIKE[0][:-1], np.zeros(0, np.uint8), np.arange(16, dtype=np.float32).reshape(4, 4).T]
    places = [weights.add(array) for array in arrays]
    used = weights.used
    assert [weights.add(array.copy()) for array in arrays] == places
    assert weights.used == used
    kept = sorted((place, array.nbytes) for place, array in zip(places, arrays, strict=True) if array.size)
    assert all(at + size <= after for (at, size), (after, _) in pairwise(kept))
    for place, array in zip(places, arrays, strict=True):
        assert weights.memory[place : place + array.nbytes].tobytes() == array.tobytes()
