"""What prepares features in ai.onnx.ml: scaling, missing values, encodings, choice of columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import texts
from ..call import Call
from ..handlers import LEARNED, handles
from ..job import Unsupported
from .learned import floats, numbers, scalar


@handles("Scaler", domain=LEARNED)
def scaler(call: Call) -> None:
    """(x - offset) * scale."""
    x = floats(call)
    for op, name in (("Sub", "offset"), ("Mul", "scale")):
        x = call.make(op, [x, call.add_constant(numbers(call, name), name, np.float32)])
    call.finish("Identity", [x])


@handles("Normalizer", domain=LEARNED)
def normalizer(call: Call) -> None:
    """Rows divided by their norm, where that is not 0."""
    x, kind = floats(call), call.text("norm", "MAX")
    reductions = {"MAX": "ReduceMax", "L1": "ReduceL1", "L2": "ReduceL2"}
    if kind not in reductions:
        raise Unsupported(f"norm '{kind}' is none of {', '.join(reductions)}")
    norm = call.make(reductions[kind], [x, call.add_constant([-1], "axis", np.int64)])
    divisor = call.make("Where", [call.make("Equal", [norm, scalar(call, 0)]), scalar(call, 1), norm])
    call.finish("Div", [x, divisor])


@handles("Binarizer", domain=LEARNED)
def binarizer(call: Call) -> None:
    threshold = call.add_constant(call.number("threshold", 0.0), "threshold", call.dtype())
    call.finish("Cast", [call.make("Greater", [call.input(0), threshold])], {"to": call.dtype().name})


@handles("Imputer", domain=LEARNED)
def imputer(call: Call) -> None:
    """What has the value to replace (or is not a number, where that is it) becomes the imputed one of its column."""
    x = call.input(0)
    dtype = call.dtype()
    if dtype.kind == "f":
        imputed, replaced = numbers(call, "imputed_value_floats"), call.number("replaced_value_float", 0.0)
    else:
        imputed = [float(item) for item in call.integers("imputed_value_int64s", [])]
        replaced = call.integer("replaced_value_int64", 0)
    if not imputed:
        raise Unsupported("it names no values to impute")
    if replaced != replaced:
        missing = call.make("IsNaN", [x])
    else:
        missing = call.make("Equal", [x, call.add_constant(replaced, "replaced", dtype)])
    call.finish("Where", [missing, call.add_constant(imputed, "imputed", dtype), x])


@handles("ArrayFeatureExtractor", domain=LEARNED)
def array_feature_extractor(call: Call) -> None:
    """Columns by their numbers; of a vector, a row of its elements."""
    places = call.make("Reshape", [call.input(1), call.add_constant([-1], "flat", np.int64)])
    if call.known_rank() == 1:
        found = call.make("Gather", [call.input(0), places], {"axis": 0})
        call.finish("Unsqueeze", [found, call.add_constant([0], "axes", np.int64)])
        return
    call.finish("Gather", [call.input(0), places], {"axis": -1})


@handles("FeatureVectorizer", domain=LEARNED)
def feature_vectorizer(call: Call) -> None:
    """All inputs as float32, side by side."""
    parts = [floats(call, index) for index in range(len(call.inputs))]
    call.finish("Concat", parts, {"axis": 1})


@handles("OneHotEncoder", domain=LEARNED)
def one_hot_encoder(call: Call) -> None:
    """A new last dimension with a 1 at the place of the category; all 0 for an unknown one."""
    if call.attrs.get("cats_strings"):
        raise Unsupported("its categories are text")
    if not call.integer("zeros", 1):
        raise Unsupported("to stop at an unknown category is not supported")
    dtype = call.dtype()
    categories = call.add_constant(call.integers("cats_int64s"), "categories", dtype)
    x = call.make("Unsqueeze", [call.input(0), call.add_constant([-1], "axes", np.int64)])
    call.finish("Cast", [call.make("Equal", [x, categories])], {"to": "float32"})


@handles("LabelEncoder", domain=LEARNED)
def label_encoder(call: Call) -> None:
    """Each key becomes its value, what is no key the default."""
    keys, column = (_column(call, name) for name in ("keys", "values"))
    if len(keys) != len(column) or not len(keys):
        raise Unsupported(f"{len(keys)} keys do not fit {len(column)} values")
    default = _default(call, column)
    if isinstance(column, list):
        places, names = texts.coded([*column, default])
        values, default = places[:-1], places[-1]
        texts.note(call, 0, names)
    else:
        values = column
    known = texts.of(call, call.input(0))
    if (known is not None) != isinstance(keys, list):
        raise Unsupported("its keys are text and its input is not, or the other way round")
    if known is not None:
        table = dict(zip(keys, values, strict=True))
        looked_up = np.array([table.get(name, default) for name in known], values.dtype)
        call.finish("Gather", [call.add_constant(looked_up, "values"), call.input(0)], {"axis": 0})
        return
    x = call.make("Unsqueeze", [call.input(0), call.add_constant([-1], "axes", np.int64)])
    same = call.make("Equal", [x, call.add_constant(keys, "keys", call.dtype())])
    numbers_of = call.make("Cast", [same], {"to": "int32"})
    place = call.make("ArgMax", [numbers_of], {"axis": -1, "keepdims": 0})
    found = call.make("Gather", [call.add_constant(values, "values"), place], {"axis": 0})
    axes = call.add_constant([-1], "axes", np.int64)
    count = call.make("ReduceMax", [numbers_of, axes], {"keepdims": 0})
    is_key = call.make("Cast", [count], {"to": "bool"})
    call.finish("Where", [is_key, found, call.add_constant(default, "default", values.dtype)])


def _column(call: Call, name: str) -> np.ndarray | list[str]:
    """Keys or values, as the attribute of any of ONNX's forms says them."""
    for text in (f"{name}_strings", f"{name}_tensor", "classes_strings"):
        found = call.attrs.get(text)
        if isinstance(found, list) and found:
            return found
    tensor = call.attrs.get(f"{name}_tensor")
    if isinstance(tensor, np.ndarray):
        if tensor.dtype.kind not in "fiu":
            raise Unsupported(f"its {name} are {tensor.dtype}")
        return tensor.reshape(-1)
    for kind, dtype in (("int64s", np.int64), ("floats", np.float32)):
        if call.attrs.get(f"{name}_{kind}"):
            return np.array(call.attrs[f"{name}_{kind}"], dtype)
    return np.zeros(0, np.float32)


def _default(call: Call, values: np.ndarray | list[str]) -> Any:
    tensor = call.attrs.get("default_tensor")
    if isinstance(values, list):
        return tensor[0] if isinstance(tensor, list) and tensor else call.text("default_string", "_Unused")
    if isinstance(tensor, np.ndarray) and tensor.size == 1:
        return float(tensor.reshape(-1)[0])
    return call.integer("default_int64", -1) if values.dtype.kind == "i" else call.number("default_float", -0.0)


@handles("ZipMap", domain=LEARNED)
def zip_map(call: Call) -> None:
    """Maps of names to probabilities are the rows of a matrix here, in the order of the classes."""
    call.finish("Identity", [call.input(0)])
