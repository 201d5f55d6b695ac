"""What prepares features in ai.onnx.ml: scaling, missing values, encodings, choice of columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ....runtime.boxed import TEXT, name_of
from .. import texts
from ..call import Call
from ..generic import known_attributes
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
    """A new last dimension with a 1 at the place of the category; all 0 for an unknown one, or an error."""
    x, names, strict = call.input(0), call.attrs.get("cats_strings"), not call.integer("zeros", 1)
    if names:
        x = looked_up(call, names, strict=strict)
        categories = call.add_constant(range(len(names)), "categories", np.int64)
    else:
        known = call.integers("cats_int64s")
        categories = call.add_constant(known, "categories", call.dtype())
        if strict:
            x = call.make("Lookup", [x, categories], {"strict": 1})
            categories = call.add_constant(range(len(known)), "categories", np.int64)
    x = call.make("Unsqueeze", [x, call.add_constant([-1], "axes", np.int64)])
    call.finish("Cast", [call.make("Equal", [x, categories])], {"to": "float32"})


def looked_up(call: Call, keys: Sequence[str], strict: bool = False) -> str:
    """Where the text that the node reads is among the keys."""
    if call.dtype() != TEXT:
        raise Unsupported(f"its keys are text and its input is {name_of(call.dtype())}")
    attrs = {"strict": 1} if strict else {}
    return call.make("Lookup", [call.input(0), texts.constant(call.scope, f"{call.name}.keys", keys)], attrs)


@handles("TfIdfVectorizer")
def tf_idf_vectorizer(call: Call) -> None:
    """Words are numbers by their places in the pool."""
    attrs, x = known_attributes(call, "TfIdfVectorizer", skip=("pool_strings",)), call.input(0)
    pool = call.attrs.get("pool_strings")
    if pool:
        places, words = texts.coded(pool)
        x = looked_up(call, words)
        attrs["pool_int64s"] = places.tolist()
    call.finish("TfIdfVectorizer", [x], attrs)


@handles("LabelEncoder", domain=LEARNED)
def label_encoder(call: Call) -> None:
    """Each key becomes its value, what is no key the default."""
    keys, column = (_column(call, name) for name in ("keys", "values"))
    mapped(call, keys, column, _default(call, column))


@handles("CategoryMapper", domain=LEARNED)
def category_mapper(call: Call) -> None:
    """Texts become their numbers, or numbers their texts, by what the node reads."""
    names, ids = call.attrs.get("cats_strings", []), np.array(call.integers("cats_int64s", []), np.int64)
    if call.dtype() == TEXT:
        mapped(call, list(names), ids, call.integer("default_int64", -1))
    else:
        mapped(call, ids, list(names), call.text("default_string", "_Unused"))


def mapped(call: Call, keys: np.ndarray | list[str], column: np.ndarray | list[str], default: Any) -> None:
    """Each key's value, the first where one key is there twice."""
    if len(keys) != len(column) or not len(keys):
        raise Unsupported(f"{len(keys)} keys do not fit {len(column)} values")
    if isinstance(column, list):
        places, names = texts.coded([*column, default])
        values, default = places[:-1], places[-1]
        texts.note(call, 0, names)
    else:
        values = column
    known = texts.of(call, call.input(0))
    if isinstance(keys, list):
        if known is not None:
            table = dict(zip(keys[::-1], values[::-1], strict=True))
            row, place = np.array([table.get(name, default) for name in known], values.dtype), call.input(0)
        else:
            row, place = np.array([*values, default], values.dtype), looked_up(call, keys)
        call.finish("Gather", [call.add_constant(row, "values"), place], {"axis": 0})
        return
    if known is not None or call.dtype() == TEXT:
        raise Unsupported("its keys are numbers and its input is text")
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
    for text in (f"{name}_strings", "classes_strings"):
        found = call.attrs.get(text)
        if isinstance(found, list) and found:
            return found
    tensor = call.attrs.get(f"{name}_tensor")
    if isinstance(tensor, np.ndarray):
        if tensor.dtype == TEXT:
            return [str(text) for text in tensor.reshape(-1)]
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
        if isinstance(tensor, np.ndarray) and tensor.dtype == TEXT and tensor.size == 1:
            return str(tensor.reshape(-1)[0])
        return call.text("default_string", "_Unused")
    if isinstance(tensor, np.ndarray) and tensor.dtype != TEXT and tensor.size == 1:
        return float(tensor.reshape(-1)[0])
    return call.integer("default_int64", -1) if values.dtype.kind == "i" else call.number("default_float", -0.0)


@handles("ZipMap", domain=LEARNED)
def zip_map(call: Call) -> None:
    """Maps of names to probabilities are the rows of a matrix here, in the order of the classes."""
    call.finish("Identity", [call.input(0)])
