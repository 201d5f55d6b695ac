from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from millijoule.runtime.errors import InputError
from millijoule.runtime.file.metadata import Interpolation, Metadata, Preprocessing, Resize
from millijoule.runtime.graph import Dim, Graph, Quantization, Value
from millijoule.runtime.model import Model
from millijoule.runtime.ops.registry import Shape
from millijoule.runtime.vision.labels import Ranked, label, read_labels, score_output, top_k
from millijoule.runtime.vision.preprocess import image_input

Image = pytest.importorskip("PIL.Image")

ZOO = Path(os.environ.get("MILLIJOULE_ZOO", Path(__file__).resolve().parents[2] / "shared" / "zoo"))


PIXELS = Preprocessing()


def taking(
    shape: tuple[Dim, ...] | None,
    preprocessing: Preprocessing | None = PIXELS,
    dtype: str = "float32",
    quant: Quantization | None = None,
) -> Model:
    graph = Graph(inputs=["x"], outputs=["x"])
    graph.add_value(Value("x", np.dtype(dtype), shape, quant))
    return Model(graph, Metadata(preprocessing=preprocessing, input_aliases={"image": "x"}))


def photograph(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("declared", "given"),
    [
        (("N", 3, "H", "W"), (1, 3, 5, 7)),
        ((1, "H", "W", 3), (1, 5, 7, 3)),
        ((1, "H", "W", 1), (1, 5, 7, 1)),
        (("N", "C", "H", "W"), (1, 3, 5, 7)),
        (("N", "H", "W"), (1, 5, 7)),
        (None, (3, 5, 7)),
        ((1, 3, 5, 7), (1, 3, 5, 7)),
    ],
)
def test_a_given_shape_says_what_the_image_is_resized_to(declared: tuple[Dim, ...] | None, given: Shape) -> None:
    pixels = photograph(16, 20)
    model = taking(declared)
    assert image_input(model, "x", pixels, given).shape == given
    np.testing.assert_array_equal(image_input(model, "x", pixels, given), image_input(taking(given), "x", pixels))


def test_the_declared_layout_holds_where_a_given_size_looks_like_channels() -> None:
    pixels = photograph(16, 20)
    wanted = np.asarray(Image.fromarray(pixels).resize((3, 5), Image.Resampling.BILINEAR), np.float32)
    np.testing.assert_array_equal(
        image_input(taking(("N", 3, "H", "W")), "x", pixels, (1, 3, 5, 3)), np.moveaxis(wanted, -1, 0)[None]
    )


@pytest.mark.parametrize(
    ("declared", "given"),
    [
        ((1, 3, "H", "W"), (1, 4, 5, 7)),
        ((1, 3, 5, 7), (1, 3, 6, 7)),
        ((1, 3, "H", "W"), (3, 5, 7)),
        (("N", 3, "H", "W"), (2, 3, 5, 7)),
        (None, (5,)),
    ],
)
def test_a_given_shape_that_does_not_fit(declared: tuple[Dim, ...] | None, given: Shape) -> None:
    with pytest.raises(InputError, match=re.escape(str(given))):
        image_input(taking(declared), "x", photograph(16, 20), given)


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        ((1, 6, 8, 3), (1, 6, 8, 3)),
        ((1, 3, 6, 8), (1, 3, 6, 8)),
        (("N", 3, "H", "W"), (1, 3, 6, 8)),
        (("N", "H", "W", 3), (1, 6, 8, 3)),
        ((6, 8, 3), (6, 8, 3)),
        ((3, 6, 8), (3, 6, 8)),
    ],
)
def test_the_layout_follows_from_the_shape(shape: tuple[Dim, ...], wanted: tuple[int, ...]) -> None:
    pixels = photograph(6, 8)
    found = image_input(taking(shape), "image", pixels)
    assert found.shape == wanted and found.dtype == np.float32 and found.flags.c_contiguous
    channels_first = wanted[-1] != 3
    back = np.moveaxis(found, -3, -1) if channels_first else found
    np.testing.assert_array_equal(back.reshape(6, 8, 3), pixels)


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [((1, 6, 8, 1), (1, 6, 8, 1)), ((1, 1, 6, 8), (1, 1, 6, 8)), ((6, 8), (6, 8)), (("N", 6, 8), (1, 6, 8))],
)
def test_one_channel_is_gray(shape: tuple[Dim, ...], wanted: tuple[int, ...]) -> None:
    gray = photograph(6, 8)[..., 0]
    found = image_input(taking(shape), "x", gray)
    assert found.shape == wanted
    np.testing.assert_array_equal(found.reshape(6, 8), gray)
    from_color = image_input(taking(shape), "x", np.repeat(gray[..., None], 3, -1))
    np.testing.assert_array_equal(from_color, found)


@pytest.mark.parametrize("shape", [None, (), (1, 10), (8, 6, 8, 3), (1, 5, 6, 8), (1, 2, 6, 8, 3), (1, 6, 8, 4)])
def test_other_shapes_take_no_image(shape: tuple[Dim, ...] | None) -> None:
    with pytest.raises(InputError, match=r"input 'x' of shape .* feed an array instead"):
        image_input(taking(shape), "x", photograph(6, 8))


def test_numbers_as_torchvision_makes_them() -> None:
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    pixels = photograph(6, 8)
    found = image_input(taking((1, 3, 6, 8), Preprocessing(mean=mean, std=std, scale=1 / 255)), "x", pixels)
    wanted = np.moveaxis((pixels / 255 - np.array(mean)) / np.array(std), -1, 0)[None]
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_bgr_turns_the_channels_before_their_means() -> None:
    settings = Preprocessing(mean=(104.0, 117.0, 123.0), color="bgr")
    pixels = photograph(6, 8)
    found = image_input(taking((1, 6, 8, 3), settings), "x", pixels)
    np.testing.assert_array_equal(
        found[0], pixels[..., ::-1].astype(np.float32) - np.array([104, 117, 123], np.float32)
    )


def test_a_gray_preprocessing_fills_every_channel() -> None:
    gray = photograph(6, 8)[..., 0]
    found = image_input(taking((1, 6, 8, 3), Preprocessing(color="gray")), "x", gray)
    np.testing.assert_array_equal(found[0], np.repeat(gray[..., None], 3, -1))


def test_three_means_for_one_channel_are_refused() -> None:
    with pytest.raises(InputError, match="has 1 channels, but its preprocessing is for 3"):
        image_input(taking((1, 6, 8, 1), Preprocessing(mean=(1.0, 2.0, 3.0))), "x", photograph(6, 8))
    with pytest.raises(InputError, match="has 1 channels, but its preprocessing is for 3"):
        image_input(taking((1, 6, 8, 1), Preprocessing(std=(1.0, 2.0, 3.0))), "x", photograph(6, 8))


def test_quantized_inputs_hold_what_the_reals_become() -> None:
    settings = Preprocessing(mean=(127.5,), std=(127.5,))
    quant = Quantization.per_tensor(1 / 128, 0)
    pixels = photograph(6, 8)
    found = image_input(taking((1, 6, 8, 3), settings, "int8", quant), "x", pixels)
    wanted = np.clip(np.rint((pixels.astype(np.float32) - 127.5) / 127.5 * 128), -128, 127)
    assert found.dtype == np.int8
    np.testing.assert_array_equal(found[0], wanted)


@pytest.mark.parametrize(("dtype", "less"), [("uint8", 0), ("int8", 128)])
def test_bytes_without_preprocessing_are_the_pixels(dtype: str, less: int) -> None:
    quant = Quantization.per_tensor(1 / 255, -less)
    pixels = photograph(6, 8)
    found = image_input(taking((1, 6, 8, 3), None, dtype, quant), "x", pixels)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found[0].astype(int), pixels.astype(int) - less)


@pytest.mark.parametrize(("dtype", "limit"), [("uint8", 255), ("int32", 510), ("float16", 510)])
def test_other_dtypes_are_rounded_and_saturated(dtype: str, limit: int) -> None:
    white = np.full((6, 8, 3), 255, np.uint8)
    found = image_input(taking((1, 6, 8, 3), Preprocessing(scale=2.0), dtype), "x", white)
    assert found.dtype == dtype and (found == limit).all()


def test_booleans_are_refused() -> None:
    with pytest.raises(InputError, match="is bool"):
        image_input(taking((1, 6, 8, 3), Preprocessing(), "bool"), "x", photograph(6, 8))


def quarters() -> np.ndarray:
    """40 high and 80 wide: black, then 20, 40, 60 and so on in columns 10 wide."""
    return np.broadcast_to((np.arange(80, dtype=np.uint8) // 10 * 20)[None, :, None], (40, 80, 3)).copy()


def test_stretch_keeps_the_edges() -> None:
    found = image_input(taking((1, 8, 8, 1), Preprocessing(interpolation="nearest")), "x", quarters())
    np.testing.assert_array_equal(found[0, 0, :, 0], np.arange(8) * 20)


def test_crop_takes_the_middle() -> None:
    settings = Preprocessing(resize="crop", interpolation="nearest")
    found = image_input(taking((1, 4, 4, 1), settings), "x", quarters())
    np.testing.assert_array_equal(found[0, 0, :, 0], [40, 60, 80, 100])
    half = Preprocessing(resize="crop", crop_fraction=0.5, interpolation="nearest")
    found = image_input(taking((1, 2, 2, 1), half), "x", quarters())
    np.testing.assert_array_equal(found[0, 0, :, 0], [60, 80])


def test_crop_without_scaling_is_exact() -> None:
    pixels = photograph(8, 8)
    settings = Preprocessing(resize="crop", crop_fraction=0.5)
    found = image_input(taking((1, 4, 4, 3), settings), "x", pixels)
    np.testing.assert_array_equal(found[0], pixels[2:6, 2:6])


def test_pad_keeps_everything() -> None:
    settings = Preprocessing(resize="pad", pad_value=114.0, interpolation="nearest")
    found = image_input(taking((1, 8, 8, 3), settings), "x", quarters())
    assert (found[0, :2] == 114).all() and (found[0, 6:] == 114).all()
    np.testing.assert_array_equal(found[0, 2:6, :, 0], np.tile(np.arange(8) * 20, (4, 1)))


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 300), (300, 1), (7, 5)])
def test_every_size_becomes_the_input(height: int, width: int, resize: Resize, interpolation: Interpolation) -> None:
    settings = Preprocessing(resize=resize, interpolation=interpolation, pad_value=200.0)
    pixels = np.full((height, width, 3), 200, np.uint8)
    found = image_input(taking((1, 16, 24, 3), settings), "x", pixels)
    assert found.shape == (1, 16, 24, 3) and (found == 200).all()


def test_files_modes_and_the_camera_s_turn(tmp_path: Path) -> None:
    pixels = photograph(6, 8)
    image = Image.fromarray(pixels)
    model = taking((1, "H", "W", 3))
    for suffix in ("png", "bmp"):
        image.save(tmp_path / f"a.{suffix}")
        np.testing.assert_array_equal(image_input(model, "x", tmp_path / f"a.{suffix}")[0], pixels)
    for mode in ("L", "P", "RGBA", "CMYK", "1"):
        image.convert(mode).save(tmp_path / "m.tiff")
        assert image_input(model, "x", tmp_path / "m.tiff").shape == (1, 6, 8, 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(image_input(model, "x", tmp_path / "turned.png")[0], np.rot90(pixels, -1))


def test_what_is_no_image_is_one_clear_line(tmp_path: Path) -> None:
    model = taking((1, 6, 8, 3))
    (tmp_path / "text.png").write_text("no image")
    Image.fromarray(photograph(60, 80)).save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:2000])
    for name in ("text.png", "half.png", "absent.png", "."):
        with pytest.raises(InputError, match=r"cannot read .* as an image: ") as caught:
            image_input(model, "x", tmp_path / name)
        assert len(str(caught.value).splitlines()) == 1
    Image.fromarray(np.zeros((6, 8), np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(InputError, match="more than 8 bits"):
        image_input(model, "x", tmp_path / "deep.png")
    with pytest.raises(InputError, match="no input 'y'"):
        image_input(model, "y", tmp_path / "whole.png")


@pytest.mark.parametrize("pixels", [np.zeros((6, 8, 3)), np.zeros((6, 8, 2), "u1"), np.zeros((0, 8, 3), "u1")])
def test_pixels_must_be_bytes(pixels: np.ndarray) -> None:
    with pytest.raises(InputError, match="pixels must be uint8"):
        image_input(taking((1, 6, 8, 3)), "x", pixels)


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(photograph(60, 80)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(InputError, match=r"cannot read .*bomb"):
        image_input(taking((1, 6, 8, 3)), "x", tmp_path / "a.png")


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_a_size_out_of_proportion_is_refused(resize: Resize) -> None:
    model = taking((1, 1 << 20, 100, 3), Preprocessing(resize=resize))
    with pytest.raises(InputError, match="images of 1048576x100, out of all proportion to one of 6x8"):
        image_input(model, "x", photograph(6, 8))


def test_pillow_is_imported_only_for_images(tmp_path: Path) -> None:
    code = """
import sys
from millijoule.runtime import errors
from millijoule.runtime.vision import preprocess
from millijoule.runtime.graph import Graph, Value
from millijoule.runtime.model import Model
import numpy as np
assert "PIL" not in sys.modules
sys.modules["PIL"] = None
graph = Graph(inputs=["x"], outputs=["x"])
graph.add_value(Value("x", np.dtype("float32"), (1, 4, 4, 3)))
try:
    preprocess.image_input(Model(graph), "x", np.zeros((4, 4, 3), np.uint8))
except errors.Error as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "reading images takes Pillow: pip install 'millijoule[image]'"


def test_labels_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_text("cat\n dog \n\nbird\n\n\n", encoding="utf-8-sig")
    assert read_labels(file) == ["cat", "dog", "", "bird"]
    file.write_text("0 cat\n1: dog\n2,bird")
    assert read_labels(file) == ["cat", "dog", "bird"]
    file.write_text("7 samurai\n12 monkeys")
    assert read_labels(file) == ["7 samurai", "12 monkeys"]
    for content in (b"", b"\n\n", b"\xff\xfe"):
        file.write_bytes(content)
        with pytest.raises(InputError, match=r"labels\.txt"):
            read_labels(file)
    with pytest.raises(InputError, match="No such file"):
        read_labels(tmp_path / "absent.txt")


def test_top_k_ranks_reals() -> None:
    scores = np.array([[0.1, 0.7, 0.1, np.nan, 0.2]], np.float32)
    found = top_k(scores, 3, list("abcde"))
    assert [(one.index, one.label) for one in found] == [(1, "b"), (4, "e"), (0, "a")]
    assert found[0].score == pytest.approx(0.7)
    assert [one.index for one in top_k(scores, 99)] == [1, 4, 0, 2, 3]
    assert top_k(np.array([0.5]), 5) == [Ranked(0, "class 0", 0.5)]
    assert top_k(scores, 0) == []


def test_top_k_reads_quantized_scores() -> None:
    found = top_k(np.array([[-128, 127, 0]], np.int8), 1, "abc", Quantization.per_tensor(1 / 256, -128))
    assert found == [Ranked(1, "b", 255 / 256)]
    assert top_k(np.array([0, 255, 7], np.uint8), 2)[1] == Ranked(2, "class 2", 7.0)


@pytest.mark.parametrize("shape", [(), (0,), (2, 5), (1, 0)])
def test_only_one_input_s_scores_can_be_ranked(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="scores of shape"):
        top_k(np.zeros(shape, np.float32), 1)


def test_a_background_class_moves_the_labels() -> None:
    names = [f"name {index}" for index in range(1000)]
    assert label(5, 1000, names) == "name 5"
    assert (label(0, 1001, names), label(5, 1001, names)) == ("background", "name 4")
    assert label(5, 1000, ["background", *names]) == "name 5"
    assert label(5, 900, names) == "class 5"


def test_the_output_with_a_score_for_each_label() -> None:
    graph = Graph(inputs=["x"], outputs=["boxes", "scores"])
    graph.add_value(Value("boxes", np.dtype("float32"), (1, 4)))
    graph.add_value(Value("scores", np.dtype("float32"), ("N", 10)))
    assert score_output(Model(graph, Metadata(labels=list("0123456789")))) == "scores"
    assert score_output(Model(graph)) == "boxes"
    with pytest.raises(InputError, match="no outputs"):
        score_output(Model(Graph()))


TORCHVISION = Preprocessing(
    mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), scale=1 / 255, resize="crop", crop_fraction=0.875
)


@pytest.mark.parametrize(
    ("source", "preprocessing", "picture", "wanted"),
    [
        ("mobilenet_v2_224_int8.tflite", None, "cat.bmp", "cat"),
        ("mobilenet_v2_224_int8.tflite", None, "sunflower.bmp", "daisy"),
        ("efficientnet_lite0.onnx", TORCHVISION, "grace_hopper.bmp", "uniform|mortarboard|tie|suit"),
    ],
)
def test_photographs_are_recognised(
    source: str, preprocessing: Preprocessing | None, picture: str, wanted: str
) -> None:
    if not (ZOO / source).exists():
        pytest.skip(f"{ZOO} is absent")
    from millijoule.converters.convert import convert
    from millijoule.runtime.evaluate import reference

    model = convert(ZOO / source, preprocessing=preprocessing)
    (name,) = model.inputs
    array = image_input(model, name, ZOO / "images" / picture)
    output = score_output(model)
    scores = reference.run(model.graph, {name: array})[output]
    found = top_k(scores, 5, read_labels(ZOO / "images" / "imagenet_labels.txt"), model.outputs[output].quant)
    assert re.search(wanted, found[0].label), found
