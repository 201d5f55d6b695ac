"""What the quantizer holds of the samples: the same memory however many there are, the rest in a temporary file."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from full_disk import PAGE, full_disk

from millijoule.converters.quantize.spool import HELD, SMALL, Batch, DiskFull, Spool

LARGE = (3, SMALL // 16)


def arrays(count: int, *shape: int) -> list[np.ndarray]:
    return [np.full(shape or (2, 3), place, np.float32) for place in range(count)]


@pytest.mark.parametrize("shape", [(), (4,), (0, 3), LARGE])
def test_what_was_added_comes_back_as_often_as_asked(shape: tuple[int, ...]) -> None:
    added = arrays(HELD + 4, *shape)
    batch, spool = Batch(), Spool("an array")
    for array in added:
        batch.add(array)
        spool.add(array)
    for kept in (batch, spool):
        assert len(kept) == len(added)
        # Two at once, one of which began earlier.
        first = iter(kept)
        np.testing.assert_array_equal(next(first), added[0])
        for found, wanted in zip(kept, added, strict=True):
            assert found.dtype == wanted.dtype
            np.testing.assert_array_equal(found, wanted)
        for found, wanted in zip(first, added[1:], strict=True):
            np.testing.assert_array_equal(found, wanted)
        kept.add(added[1])
        np.testing.assert_array_equal(list(kept)[-1], added[1])


def test_many_take_the_memory_of_a_few() -> None:
    def held(count: int) -> int:
        tracemalloc.start()
        batch = Batch()
        for place in range(count):
            batch.add(np.full(LARGE, place, np.float32))
        found = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return found

    held(HELD + 1)
    assert held(10 * HELD) < 1.05 * held(HELD)


def test_no_disk_to_keep_them() -> None:
    spool = Spool("a sample")
    with full_disk(PAGE), pytest.raises(DiskFull, match=r"^a sample cannot be kept in .*TMPDIR names another folder$"):
        for array in arrays(100, 100):
            spool.add(array)


def test_quantizing_takes_the_same_memory_for_any_number_of_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx")
    from quantized_models import convolutional, save

    import millijoule as mj

    monkeypatch.setenv("MILLIJOULE_TARGET", "numpy")
    monkeypatch.setattr("millijoule.converters.quantize.spool.SMALL", 0)
    shape = (1, 3, 24, 24)
    source = save(tmp_path / "float.onnx", *convolutional(), shape=shape)

    def peak(count: int) -> int:
        def samples() -> Iterator[dict[str, np.ndarray]]:
            rng = np.random.default_rng(0)
            for _ in range(count):
                yield {"x": rng.standard_normal(shape).astype(np.float32)}

        tracemalloc.start()
        mj.convert(source, quantize="int8", calibration=samples)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(5)  # what is imported and kept once
    few = peak(10)
    assert peak(50) < 1.25 * few
