"""What calibrates: files, folders, Python objects, each in constant memory; one clear line for what is of no use."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from full_disk import PAGE, full_disk

from millijoule import Error, InputError, Preprocessing, PreprocessingWarning
from millijoule.converters.quantize.histogram import HALF, Histogram
from millijoule.converters.quantize.ranges import METHODS, candidates, quantization, rounded
from millijoule.converters.quantize.samples import held_out, read_samples
from millijoule.converters.quantize.screening import screen
from millijoule.runtime.file.metadata import Metadata
from millijoule.runtime.graph import Graph, Value
from millijoule.runtime.model import Model

IMAGE = (1, 3, 4, 4)


def model_with(preprocessing: Preprocessing | None = None, **shapes: tuple[int | str, ...]) -> Model:
    shapes = shapes or {"x": IMAGE}
    values = {name: Value(name, np.dtype(np.float32), shape) for name, shape in shapes.items()}
    return Model(Graph(values, inputs=list(shapes)), Metadata(preprocessing=preprocessing))


def numbers(count: int = 6, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, *(shape or IMAGE[1:]))).astype(np.float32)


def saved(path: Path, **arrays: Any) -> str:
    np.savez(path, **arrays)
    return str(path)


def as_generator(x: np.ndarray, path: Path) -> Any:
    return ({"x": each} for each in x)


@pytest.mark.parametrize(
    "source",
    [
        lambda x, path: saved(path / "a.npz", x=x),
        lambda x, path: saved(path / "b.npz", x=x.astype(np.float64), other=x),
        lambda x, path: {"x": x},
        lambda x, path: [{"x": each[None]} for each in x],
        lambda x, path: lambda: ({"x": each} for each in x),
        as_generator,
    ],
    ids=["npz", "float64 npz", "dict", "list", "callable", "generator"],
)
def test_every_source_gives_the_same_samples_as_often_as_asked(source: Callable[..., Any], tmp_path: Path) -> None:
    x = numbers()
    samples = read_samples(model_with(), source(x, tmp_path))
    for _ in range(2):
        found = list(samples)
        assert [feeds["x"].shape for feeds in found] == [IMAGE] * 6
        np.testing.assert_array_equal(np.concatenate([feeds["x"] for feeds in found]), x)
    kept, judges = held_out(samples)
    assert (len(list(kept)), [feeds["x"].tolist() for feeds in judges]) == (5, [x[4:5].tolist()])


def test_a_folder_of_images(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    for index in range(3):
        image.new("RGB", (9, 7), (index, 2, 3)).save(tmp_path / f"{index}.png")
    (tmp_path / "readme.txt").write_text("no image")
    prepared = Preprocessing(scale=0.5)
    found = [feeds["x"] for feeds in read_samples(model_with(prepared), str(tmp_path))]
    assert [(array.shape, array[0, :, 0, 0].tolist()) for array in found] == [
        (IMAGE, [index / 2, 1.0, 1.5]) for index in range(3)
    ]


def test_a_generator_that_no_disk_can_keep() -> None:
    said = r"cannot be kept in .*TMPDIR names another folder; or give a callable"
    with full_disk(PAGE), pytest.raises(Error, match=said) as caught:
        read_samples(model_with(), ({"x": each} for each in numbers(100)))
    assert "\n" not in str(caught.value)


def test_a_file_is_read_sample_by_sample(tmp_path: Path) -> None:
    """A thousand take the memory of a few."""
    path = saved(tmp_path / "many.npz", x=np.zeros((1000, *IMAGE[1:]), np.float32) + numbers(1))
    samples = read_samples(model_with(), path)
    list(samples.where(lambda place: place < 2))
    tracemalloc.start()
    for _ in samples:
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1000 * 4 * np.prod(IMAGE) / 2


NOTHING = np.zeros((6, *IMAGE[1:]), np.float32)
BROKEN = numbers()
BROKEN[3, 0, 0, 0] = np.nan
ENDLESS = numbers()
ENDLESS[5, 0, 0, 0] = np.inf


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ({"y": numbers()}, "no array for input 'x'; there are 'y'"),
        ({"x": numbers(6, 3, 5, 4)}, r"input 'x' float32 \(1, 3, 4, 4\) expected, got shape \(3, 5, 4\)"),
        ({"x": numbers().astype(np.uint8)}, "got uint8; prepare the pixels"),
        ({"x": numbers().astype(np.int32)}, r"got int32; convert it with \.astype\('float32'\)"),
        ({"x": np.float32(1)}, "single number"),
        ({"x": BROKEN}, "sample 3: input 'x' holds NaN"),
        ({"x": ENDLESS}, "sample 5: input 'x' holds infinity"),
        ({"x": numbers(1)}, "1 sample, and at least 2 are needed"),
        ({"x": NOTHING}, "'x' is 0 throughout"),
        ([numbers()], "sample 0 is ndarray; a dict"),
        (3, "not int"),
        ("nothing.npz", "nothing.npz: no such file or folder"),
    ],
)
def test_samples_of_no_use(source: Any, problem: str) -> None:
    model = model_with()
    with pytest.raises(InputError, match=problem) as caught:
        screen(model, read_samples(model, source))
    assert "\n" not in str(caught.value)


def test_inputs_with_different_numbers_of_samples() -> None:
    with pytest.raises(InputError, match="6 of 'a', 5 of 'b'"):
        read_samples(model_with(a=IMAGE, b=IMAGE), {"a": numbers(6), "b": numbers(5)})


@pytest.mark.parametrize("keep", [0, 30, 200, -40])
def test_a_damaged_file(keep: int, tmp_path: Path) -> None:
    path = Path(saved(tmp_path / "a.npz", x=numbers()))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="not a sound"):
        list(read_samples(model_with(), str(path)))


@pytest.mark.parametrize(
    ("preprocessing", "factor"), [(None, 255), (Preprocessing(scale=1 / 255), 255), (Preprocessing(), 3000)]
)
def test_numbers_that_nobody_prepared(preprocessing: Preprocessing | None, factor: float) -> None:
    x = np.rint(np.random.default_rng(0).uniform(0, 1, (6, *IMAGE[1:])) * factor).astype(np.float32)
    model = model_with(preprocessing)
    with pytest.warns(PreprocessingWarning):
        screen(model, read_samples(model, {"x": x}))


def test_a_histogram_counts_everything_however_it_grows() -> None:
    rng = np.random.default_rng(0)
    parts = [rng.standard_normal(500).astype(np.float32) * scale for scale in (1e-3, 1, 50, 0.1)]
    found, whole = Histogram(), np.concatenate(parts)
    for part in parts:
        assert found.add(part)
    assert not found.add(np.array([1, np.nan], np.float32))
    middles, counts = found.filled()
    assert counts.sum() == found.count == whole.size
    assert (found.low, found.high) == (whole.min(), whole.max())
    assert found.reach < 2 * np.abs(whole).max()
    edges = np.concatenate([[-np.inf], middles + found.width])
    assert np.abs(np.cumsum(counts) - [np.sum(whole <= edge) for edge in edges[1:]]).max() <= counts.max()
    assert np.average(middles, weights=counts) == pytest.approx(whole.mean(), abs=found.width)


def test_methods_find_ranges_between_nothing_and_everything() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.standard_normal(200_000), [40.0]]).astype(np.float32)
    histogram = Histogram()
    histogram.add(x)
    found = {name: method(histogram) for name, method in METHODS.items()}
    assert found["minmax"] == (x.min(), 40.0)
    assert found["percentile"][1] == pytest.approx(np.quantile(x, 0.99995), rel=0.05)
    assert all(1 < found[name][1] < 39 for name in ("percentile", "mse", "entropy"))
    losses = {name: float(np.square(rounded(x, quantization(r)) - x).sum()) for name, r in found.items()}
    assert losses["mse"] <= 1.02 * min(losses.values())
    assert 2 <= len(candidates(histogram, "auto")) <= 5


@pytest.mark.parametrize("limits", [(0.0, 0.0), (-1.0, 3.0), (2.0, 5.0), (-7.0, -6.0), (0.0, 1e-38), (-1e30, 1e30)])
def test_zero_is_exact_and_ends_are_near(limits: tuple[float, float]) -> None:
    quant = quantization(limits)
    assert quant.scale[0] > 0 and -128 <= quant.zero_point[0] <= 127
    ends = np.array([0.0, *limits], np.float32)
    found = rounded(ends, quant)
    assert found[0] == 0 and np.abs(found - ends).max() <= 0.51 * quant.scale[0]


@pytest.mark.parametrize("numbers", [[0.0, 0.0], [1e-44, -1e-44], [0.0, 1e-38]])
@pytest.mark.filterwarnings("error")
def test_numbers_that_are_nearly_nothing_are_counted_at_the_middle(numbers: list[float]) -> None:
    histogram = Histogram()
    assert histogram.add(np.array(numbers, np.float32))
    assert histogram.counts[HALF - 1 : HALF + 1].sum() == 2
