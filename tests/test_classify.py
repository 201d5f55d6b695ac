"""Images in, classes out: prepare, classify, labels that fit, and what is said where nothing is known."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from session_models import node_graph

from millijoule import InputError, LabelsWarning, Model, Preprocessing, PreprocessingWarning, Ranked, Session, load
from millijoule.runtime.file.metadata import Metadata
from millijoule.runtime.graph import Graph, Node, Quantization, Value
from millijoule.runtime.vision.labels import check_labels

Image = pytest.importorskip("PIL.Image")

UNIT = Preprocessing(scale=1 / 255)


def classifier(preprocessing: Preprocessing | None = UNIT, labels: tuple[str, ...] = ("red", "green", "blue")) -> Model:
    """image (1, 2, 2, 3), alias "photo" -> scores (1, 3): the mean of each channel."""
    graph = node_graph(Node("ReduceMean", ["image", "axes"], ["scores"], {"keepdims": 0}),
                       inputs={"image": (1, 2, 2, 3)}, outputs=("scores",))  # fmt: skip
    graph.add_constant("axes", np.array([1, 2]))
    graph.values["scores"].shape = (1, 3)
    return Model(graph, Metadata(preprocessing=preprocessing, labels=list(labels), input_aliases={"photo": "image"}))


def session_of(model: Model) -> Session:
    return load(model, threads=1, target="numpy")


GREENISH = np.broadcast_to(np.array([0, 255, 51], np.uint8), (4, 6, 3))


def test_what_is_prepared_can_be_run(tmp_path: Path) -> None:
    path = tmp_path / "green.png"
    Image.fromarray(np.ascontiguousarray(GREENISH)).save(path)
    with session_of(classifier()) as session:
        for image in (GREENISH, path, str(path), Image.open(path)):
            fed = session.prepare(image)
            assert list(fed) == ["image"] and fed["image"].shape == (1, 2, 2, 3)
            np.testing.assert_allclose(session.run(fed)["scores"], [[0, 1, 0.2]], rtol=1e-6)
        np.testing.assert_array_equal(session.prepare(GREENISH, input="photo")["image"], fed["image"])
        for wrong in (5, None, GREENISH.astype(np.float32), tmp_path / "absent.png"):
            with pytest.raises(InputError):
                session.prepare(wrong)  # type: ignore[arg-type]


def test_classes_of_an_image() -> None:
    with session_of(classifier()) as session:
        found = session.classify(GREENISH, top=2)
    assert [one.label for one in found] == ["green", "blue"] and [one.index for one in found] == [1, 2]
    assert found[1].score == pytest.approx(0.2)
    assert repr(Ranked(1, "green", 1.0)) == "Ranked(index=1, label='green', score=1.0)"


def test_which_input_takes_the_image() -> None:
    graph = node_graph(Node("Add", ["left", "right"], ["y"]), inputs={"left": (1, 2, 2, 3), "right": (1, 2, 2, 3)})
    with session_of(Model(graph, Metadata(preprocessing=UNIT))) as session:
        with pytest.raises(InputError, match="2 inputs take an image: say which, as in input='left'"):
            session.prepare(GREENISH)
        both = session.prepare(GREENISH, input="left") | session.prepare(GREENISH, input="right")
        np.testing.assert_allclose(session.run(both)["y"][0, 0, 0], [0, 2, 0.4], rtol=1e-6)
    graph = node_graph(Node("Neg", ["x"], ["y"]), inputs={"x": (1, 10)})
    said = r"no input that takes one image of 1 or 3 channels; .*'x'"
    with session_of(Model(graph)) as session, pytest.raises(InputError, match=said):
        session.prepare(GREENISH)
    graph = node_graph(Node("Add", ["x", "more"], ["y"]), inputs={"x": (1, 2, 2, 3), "more": (1,)})
    with session_of(Model(graph, Metadata(preprocessing=UNIT))) as session:
        assert list(session.prepare(GREENISH)) == ["x"]
        with pytest.raises(InputError, match="missing input 'more'"):
            session.classify(GREENISH)


def test_raw_pixels_for_floats_are_warned_of() -> None:
    said = r"no preprocessing is known for input 'image' .* raw 0\.\.255 pix"
    with session_of(classifier(None)) as session, pytest.warns(PreprocessingWarning, match=said) as warned:
        assert session.classify(GREENISH)[0].score == 255
    assert [one.filename for one in warned] == [__file__], "the caller's line is shown, not millijoule's"
    with session_of(classifier(Preprocessing())) as session, warnings.catch_warnings():
        warnings.simplefilter("error")
        assert session.classify(GREENISH)[0].score == 255


def quantized_image(dtype: type[np.integer], scale: float, zero_point: int) -> Model:
    graph = node_graph(Node("Identity", ["x"], ["y"]), inputs={"x": (1, 2, 2, 3)})
    for name in "xy":
        graph.values[name] = Value(name, np.dtype(dtype), (1, 2, 2, 3), Quantization.per_tensor(scale, zero_point))
    return Model(graph)


@pytest.mark.parametrize(
    ("dtype", "scale", "zero_point", "first"),
    [
        (np.int8, 1 / 128, 0, [-128, 127, -77]),
        (np.int8, 1 / 255, -128, [-128, 127, -77]),
        (np.int8, 1, -128, [-128, 127, -77]),
        (np.uint8, 1 / 128, 128, [0, 255, 51]),
        (np.uint8, 1 / 255, 0, [0, 255, 51]),
    ],
)
def test_pixels_for_8_bits_need_no_warning(
    dtype: type[np.integer], scale: float, zero_point: int, first: list[int]
) -> None:
    with session_of(quantized_image(dtype, scale, zero_point)) as session, warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(session.prepare(GREENISH)["x"][0, 0, 0], first)


@pytest.mark.parametrize(
    ("dtype", "scale", "zero_point", "said"),
    [
        (np.int8, 0.5847, 83, r"pixels less 128 are fed, though its scale and zero point are of no range"),
        (np.int8, 0.01866, -14, r"pixels less 128 are fed, though"),
        (np.uint8, 0.01866, 114, r"raw 0\.\.255 pixels are fed, though"),
        (np.int16, 1 / 32768, 0, r"raw 0\.\.255 pixels are fed; if"),
    ],
)
def test_integers_that_stand_for_other_ranges_are_warned_of(
    dtype: type[np.integer], scale: float, zero_point: int, said: str
) -> None:
    with session_of(quantized_image(dtype, scale, zero_point)) as session:
        with pytest.warns(PreprocessingWarning, match=said):
            session.prepare(GREENISH)
        prepared = session_of(Model(session.model.graph, Metadata(preprocessing=UNIT)))
    with prepared, warnings.catch_warnings():
        warnings.simplefilter("error")
        prepared.prepare(GREENISH)


def labelled(count: int, *shapes: tuple[int | str, ...], first: str = "0") -> Model:
    graph = Graph()
    for i, shape in enumerate(shapes):
        graph.add_value(Value(f"y{i}", np.dtype(np.float32), shape))
        graph.outputs.append(f"y{i}")
    return Model(graph, Metadata(labels=[first, *map(str, range(1, count))][:count]))


@pytest.mark.parametrize(
    "model",
    [
        labelled(0, (1, 5)), labelled(5, (1, 5)), labelled(5, ("N", 5)), labelled(5, (5,)), labelled(5, (1, 4), (1, 5)),
        labelled(80, (1, 8400, 84)), labelled(80, (1, 4), (1, 10, 3)), labelled(80, ("N", "C")), labelled(80),
    ],
)  # fmt: skip
def test_labels_that_fit_or_cannot_be_judged(model: Model) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_labels(model)


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (labelled(5, ("N", 10)), "5 labels for 10 scores"),
        (labelled(1001, (1, 1000)), "1001 labels for 1000 scores"),
        (labelled(9, (1, 10)), "9 labels for 10 scores"),
        (labelled(3, (1, 4), (5,)), "3 labels for 4 scores"),
    ],
)
def test_labels_that_do_not_fit(model: Model, text: str) -> None:
    with pytest.raises(InputError, match=text):
        check_labels(model)


def test_a_background_class_is_mentioned() -> None:
    with pytest.warns(LabelsWarning, match="1001 labels for 1000 scores: the first label is taken for a background"):
        check_labels(labelled(1001, (1, 1000), first="background"))
    with pytest.warns(LabelsWarning, match="1000 labels for 1001 scores: the first score is taken for a background"):
        check_labels(labelled(1000, (1, 1001)))


def test_classify_says_that_labels_do_not_fit() -> None:
    wanted = pytest.warns(LabelsWarning, match="2 labels for 3 scores, which do not belong together")
    with session_of(classifier(labels=("a", "b"))) as session, wanted:
        assert session.classify(GREENISH, top=1) == [Ranked(1, "class 1", 1.0)]
    with session_of(classifier(labels=())) as session, warnings.catch_warnings():
        warnings.simplefilter("error")
        assert session.classify(GREENISH, top=1) == [Ranked(1, "class 1", 1.0)]
