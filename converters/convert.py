"""From a source file to a Model: read, import, rewrite."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from reprlib import repr as short
from typing import TYPE_CHECKING, Any

from ..runtime.arguments import check_path
from ..runtime.boxed import is_boxed
from ..runtime.errors import InputError, LabelsWarning, ModelError
from ..runtime.file.metadata import Metadata, Preprocessing, Source
from ..runtime.graph import Graph
from ..runtime.model import Model
from ..runtime.ops.meaning import check as check_meanings
from ..runtime.vision.labels import check_labels, given_labels
from .fused import fused, links
from .imported import Imported
from .preprocessing import from_quantizer
from .quantize.settings import Settings
from .rewrites.pipeline import rewrite

if TYPE_CHECKING:
    import onnx

    from .quantize.budget import Budget
    from .quantize.samples import Source as Samples

IN_MEMORY = "ONNX model"
"""What messages call a model that is no file."""
FORMATS = {".onnx": "onnx", ".tflite": "tflite", ".lite": "tflite"}


def convert(
    source: str | os.PathLike[str] | onnx.ModelProto,
    *,
    signature: str | None = None,
    labels: str | os.PathLike[str] | Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
    self_test: int | Sequence[Mapping[str, Any]] = 0,
    quantize: str | None = None,
    calibration: Samples | None = None,
    validation: Samples | None = None,
    method: str = "auto",
    keep_float: Sequence[str] = (),
    fast: bool = False,
    io: str = "float32",
    min_agreement: float | None = None,
    budget: str | Budget | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Model:
    """Converts an .onnx or .tflite file, or an onnx.ModelProto.

    signature: of a TFLite file that has several, the one to convert, with the names that it gives to inputs and
    outputs; without it, the file's first graph with its tensors' names.
    labels: class names in the order of the scores, or the path of a text file with one a line; preprocessing: how an
    image becomes the input. Both travel with the model, and stand in for what the source itself says.
    self_test: so many random inputs, or these (arrays by name), are saved with their outputs, for `mj verify` on the
    device.

    quantize: "float16" stores a float model's weights in half the bytes. "dynamic" makes linear layers compute on
    integers, each row of what they read rounded over its own range as it comes; samples, if given, only judge. "int8"
    makes it compute on integers, calibrated with samples: an .npz file with an array for each input, first axis the
    samples; the same as a dict; a folder of images, prepared as the model says; an iterable of dicts by input name,
    each one sample, or a callable that gives one. Without calibration only the weights become int8. validation:
    samples that judge the result, which `Model.fidelity` says; without it every fifth of the others does that and
    nothing else. method: of calibration ("minmax", "percentile", "mse", "entropy"), by default for each tensor the one
    that loses least. keep_float: layers that stay in float. fast: least and largest numbers and nearest rounding
    alone. io: "int8" makes inputs and outputs integers, too. min_agreement: the share of samples with the same best
    class as the float model that has to be reached, by keeping as few layers in float as that takes (of a model
    without scores, the cosine). budget: "size=200KB", or what `mj.budget` gives for the latency or energy on a device:
    each layer is int8, int8 weights, float16 or float32 so that least is lost within it. progress: called as
    progress(done, total, what) while that takes time.

    Raises ModelError where the file is damaged, of an unknown kind, or needs operators that are not supported; one
    error tells which, how many, why and where. Error where the converter's library is not installed. InputError where
    the labels are no such thing, or not as many as the scores (LabelsWarning where but a background class is missing);
    where the self-test's inputs are not the model's, or too large; where a model or samples are unfit to be quantized,
    or it is said how, but not to what.
    """
    opened: Any = source
    if isinstance(source, (str, os.PathLike)):
        opened = name = os.fspath(source)
        kind = _kind(name)
    else:
        if type(source).__name__ != "ModelProto":  # whose library only this needs
            check_path(source, "a source is the path of an .onnx or .tflite file, or an onnx.ModelProto")
        name, kind = IN_MEMORY, "onnx"
    if signature is not None and kind != "tflite":
        raise InputError(f"{name}: signature={signature!r} is for TFLite files, and this is none")
    if preprocessing is not None and not isinstance(preprocessing, Preprocessing):
        raise InputError(f"preprocessing={short(preprocessing)}: an mj.Preprocessing is wanted")
    names = None if labels is None else given_labels(labels)
    settings = Settings.checked(
        quantize, calibration, validation, method, keep_float, fast, io, min_agreement, budget, progress
    )
    imported = _import(kind, opened, signature)
    if settings is not None and imported.states:
        raise InputError(f"{name}: it keeps state from one run to the next, and such a model cannot be quantized")
    if settings is not None and _reads_boxed(imported.graph):
        raise InputError(f"{name}: it computes with text or sequences, and such a model cannot be quantized")
    prepared = preprocessing or imported.preprocessing or from_quantizer(imported.graph)
    before = links(imported.graph)
    metadata = _metadata(imported, kind, Path(name).name, names, prepared)
    if settings is None:
        rewrite(imported.graph)
        check_meanings(imported.graph)
        model = Model(imported.graph, metadata)
    else:
        from .quantize.model import quantized_model

        model = quantized_model(imported.graph, metadata, settings)
    model.fused = fused(before, model.graph)
    try:
        check_labels(model)
    except InputError as problem:
        if names is not None:
            raise
        # The source's own mistake does not keep anybody from running it.
        warnings.warn(f"{name}: {problem}", LabelsWarning, stacklevel=2)
    if self_test:
        from .self_test import make_self_test

        model.self_test = make_self_test(model, self_test)
    return model


def float_original(source: str | os.PathLike[str], quantized: Model) -> Model:
    """The source as the quantizer sees it, with its tensors apart, to hold a model that was quantized from it against.

    ModelError as `convert` raises it; InputError where the source is quantized itself, or its inputs are others.
    """
    from .quantize.prepare import prepare

    name = os.fspath(source)
    graph = prepare(_import(_kind(name), name).graph)
    original = Model(graph, quantized.metadata)
    for info in original.inputs.values():
        known = quantized.inputs.get(info.name)
        if known is None or known.shape != info.shape:
            raise InputError(f"{name} has an input {info}, and the quantized model {known or 'has none of that name'}")
    return original


def _reads_boxed(graph: Graph) -> bool:
    return any(is_boxed(value.dtype) for value in graph.values.values())


def _kind(name: str) -> str:
    """Of the source; ModelError where it is none, or not there."""
    kind = FORMATS.get(Path(name).suffix.lower())
    if kind is None:
        raise ModelError(f"{name}: not a source that can be converted; known are {', '.join(FORMATS)} (and .mj to run)")
    if not os.path.isfile(name):
        raise ModelError(f"{name}: no such file")
    return kind


def _import(kind: str, source: Any, signature: str | None = None) -> Imported:
    """source: a path, or a model in memory."""
    if kind == "onnx":
        from .onnx.convert import convert as convert_onnx

        return convert_onnx(source)
    from .tflite.convert import convert as convert_tflite

    return convert_tflite(source, signature)


def _metadata(
    imported: Imported, kind: str, name: str, labels: list[str] | None, preprocessing: Preprocessing | None
) -> Metadata:
    graph = imported.graph
    return Metadata(
        source=Source(name, kind, imported.description or ""),
        input_aliases={alias: value for alias, value in imported.aliases.items() if value in graph.inputs},
        output_aliases={alias: value for alias, value in imported.aliases.items() if value in graph.outputs},
        labels=labels if labels is not None else imported.labels or [],
        preprocessing=preprocessing,
        default_sizes=imported.default_sizes,
        states=imported.states,
    )
