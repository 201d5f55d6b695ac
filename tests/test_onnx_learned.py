"""ai.onnx.ml: linear models, trees, support vector machines and what prepares their features, against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

pytest.importorskip("onnxruntime")

from onnx_models import feeds_for, graph_from, graph_of, onnxruntime_of, run_all

from millijoule.converters.onnx.convert import convert
from millijoule.runtime.errors import ModelError

ML = "ai.onnx.ml"
RNG = np.random.default_rng(3)
X = (6, 4)
TRANSFORMS = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"]


def model_of(op: str, outputs: str = "y", version: int = 3, dtype: str = "float32", x: Any = X, **attrs: Any) -> Any:
    """A model of one node that reads x."""
    made = helper.make_node(op, ["x"], outputs.split(), domain=ML, **attrs)
    graph = graph_of([made], {"x": (x, dtype)}, outputs)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(ML, version)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def agree(model: onnx.ModelProto, x: np.ndarray | None = None, atol: float = 1e-5) -> None:
    kind = model.graph.input[0].type.tensor_type
    name = np.dtype(helper.tensor_dtype_to_np_dtype(kind.elem_type)).name
    shape = tuple(dim.dim_value for dim in kind.shape.dim)
    feeds = feeds_for({"x": (shape, name)}) if x is None else {"x": x}
    found, wanted = run_all(graph_from(model), feeds), onnxruntime_of(model, feeds)
    for name, expected in wanted.items():
        assert (found[name].dtype, found[name].shape) == (expected.dtype, expected.shape), name
        np.testing.assert_allclose(found[name], expected, rtol=1e-5, atol=atol, err_msg=name)


def floats(*shape: int) -> list[float]:
    found: list[float] = RNG.normal(0, 1, int(np.prod(shape))).astype(np.float32).tolist()
    return found


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_linear_regressor(transform: str) -> None:
    attrs: dict[str, Any] = {
        "coefficients": floats(3, 4),
        "intercepts": floats(3),
        "targets": 3,
        "post_transform": transform,
    }
    agree(model_of("LinearRegressor", version=1, **attrs))


def test_probit() -> None:
    attrs: dict[str, Any] = {
        "coefficients": [0.0] * 12,
        "intercepts": [0.2, 0.5, 0.9],
        "targets": 3,
        "post_transform": "PROBIT",
    }
    agree(model_of("LinearRegressor", version=1, **attrs))


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("classes", [1, 2, 3])
def test_linear_classifier(transform: str, classes: int) -> None:
    """One row of coefficients tells two classes apart."""
    attrs: dict[str, Any] = {
        "coefficients": floats(classes, 4),
        "intercepts": floats(classes),
        "post_transform": transform,
    }
    if classes == 1 and transform.startswith("SOFTMAX"):
        pytest.skip("of one score there is nothing to normalize")
    agree(model_of("LinearClassifier", "label scores", 1, classlabels_ints=[5, 7, 9][: max(classes, 2)], **attrs))


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC"])
def test_two_classes_part_where_the_score_is_zero(transform: str) -> None:
    """Which is where the probability is a half."""
    attrs: dict[str, Any] = {"coefficients": [1.0], "intercepts": [0.0], "post_transform": transform}
    x = np.linspace(-1, 1, 41, dtype=np.float32)[:, None]
    agree(model_of("LinearClassifier", "label scores", 1, x=x.shape, classlabels_ints=[5, 7], **attrs), x)


def trees(side: str, targets: list[int], weights: list[float], **more: Any) -> dict[str, Any]:
    """Two trees of three leaves each: 0 -> (1 -> (3, 4), 2)."""
    ids = {"treeids": [0] * 5 + [1] * 5, "nodeids": [0, 1, 2, 3, 4] * 2}
    modes = ["BRANCH_LEQ", "BRANCH_LT", "LEAF", "LEAF", "LEAF", "BRANCH_GT", "BRANCH_GTE", "LEAF", "LEAF", "LEAF"]
    nodes = {
        "featureids": [0, 1, 0, 0, 0, 2, 3, 0, 0, 0],
        "values": [0.1, -0.3, 0, 0, 0, 0.4, -0.2, 0, 0, 0],
        "truenodeids": [1, 3, 0, 0, 0] * 2,
        "falsenodeids": [2, 4, 0, 0, 0] * 2,
        "modes": modes,
    }
    leaves = {"treeids": [0, 0, 0, 1, 1, 1], "nodeids": [2, 3, 4] * 2, "ids": targets, "weights": weights}
    named = {f"nodes_{name}": value for name, value in {**ids, **nodes}.items()}
    return {**named, **{f"{side}_{name}": value for name, value in leaves.items()}, **more}


@pytest.mark.parametrize("aggregate", ["SUM", "AVERAGE", "MIN", "MAX"])
def test_trees_of_one_target(aggregate: str) -> None:
    attrs = trees("target", [0] * 6, floats(6), n_targets=1, base_values=[0.5], aggregate_function=aggregate)
    agree(model_of("TreeEnsembleRegressor", **attrs))


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_trees_of_several_targets(transform: str) -> None:
    attrs = trees("target", [0, 1, 2, 2, 1, 0], floats(6), n_targets=3, post_transform=transform)
    agree(model_of("TreeEnsembleRegressor", **attrs))


def test_missing_features() -> None:
    attrs = trees("target", [0] * 6, floats(6), n_targets=1, nodes_missing_value_tracks_true=[1, 0, 0, 0, 0] * 2)
    x = feeds_for({"x": (X, "float32")})["x"]
    x[::2, ::2] = np.nan
    agree(model_of("TreeEnsembleRegressor", **attrs), x)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_trees_that_classify(transform: str) -> None:
    attrs = trees("class", [0, 1, 2, 2, 1, 0], floats(6), classlabels_int64s=[3, 5, 8], post_transform=transform)
    agree(model_of("TreeEnsembleClassifier", "label scores", **attrs))


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC"])
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize(("only", "base"), [(0, []), (0, [0.3]), (1, [])])
def test_trees_that_tell_two_classes_apart(transform: str, positive: bool, only: int, base: list[float]) -> None:
    weights = np.array([0.3, 0.1, 0.4, 0.2, 0.6, 0.35]) - (0 if positive else 0.3)
    attrs = trees("class", [only] * 6, weights.tolist(), classlabels_int64s=[3, 5], post_transform=transform)
    if base:
        attrs["base_values"] = base
    agree(model_of("TreeEnsembleClassifier", "label scores", **attrs))


@pytest.mark.parametrize("aggregate", [0, 1])
def test_new_trees(aggregate: int) -> None:
    def tensor(values: list[float], dtype: type) -> onnx.TensorProto:
        return onnx.numpy_helper.from_array(np.array(values, dtype))

    attrs: dict[str, Any] = {
        "n_targets": 2,
        "aggregate_function": aggregate,
        "tree_roots": [0, 2],
        "nodes_featureids": [0, 1, 2],
        "nodes_modes": tensor([0, 1, 3], np.uint8),
        "nodes_splits": tensor([0.1, -0.3, 0.4], np.float32),
        "nodes_truenodeids": [1, 0, 3],
        "nodes_trueleafs": [0, 1, 1],
        "nodes_falsenodeids": [2, 1, 4],
        "nodes_falseleafs": [1, 1, 1],
        "leaf_targetids": [0, 1, 1, 0, 1],
        "leaf_weights": tensor(floats(5), np.float32),
    }
    agree(model_of("TreeEnsemble", version=5, **attrs))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"nodes_truenodeids": [0, 3, 0, 0, 0] * 2}, "lead back|one root|reached once"),
        ({"nodes_truenodeids": [9, 3, 0, 0, 0] * 2}, "nodes that are not there"),
        ({"nodes_nodeids": [0, 1, 2, 3, 3] * 2}, "one number"),
        ({"nodes_featureids": [0]}, "not equally long"),
        ({"target_ids": [7] * 6}, "are not 1"),
        ({"target_nodeids": [0] * 6}, "not those of leaves"),
        ({"nodes_modes": ["BRANCH_MEMBER"] * 10}, "mode 'BRANCH_MEMBER'"),
        ({"nodes_featureids": [9] * 10}, "its features lie in"),
    ],
)
def test_trees_that_are_none(change: dict[str, Any], problem: str) -> None:
    attrs: dict[str, Any] = {**trees("target", [0] * 6, floats(6), n_targets=1), **change}
    with pytest.raises(ModelError, match=problem):
        run_all(graph_from(model_of("TreeEnsembleRegressor", **attrs)), feeds_for({"x": (X, "float32")}))


def machine(kernel: str, classes: int, **more: Any) -> dict[str, Any]:
    counts = [3, 2, 4][:classes]
    pairs = classes * (classes - 1) // 2
    return {
        "kernel_type": kernel,
        "kernel_params": [0.4, 0.3, 2.0],
        "support_vectors": floats(sum(counts), 4),
        "coefficients": floats(classes - 1, sum(counts)),
        "vectors_per_class": counts,
        "rho": floats(pairs),
        "classlabels_ints": [4, 6, 9][:classes],
        **more,
    }


@pytest.mark.parametrize("kernel", ["LINEAR", "POLY", "RBF", "SIGMOID"])
@pytest.mark.parametrize("classes", [2, 3])
def test_support_vector_classifier(kernel: str, classes: int) -> None:
    agree(model_of("SVMClassifier", "label scores", 1, **machine(kernel, classes)), atol=1e-4)


@pytest.mark.parametrize("classes", [2, 3])
def test_support_vector_probabilities(classes: int) -> None:
    """Also where the class that wins most decisions is not the most probable one."""
    pairs = classes * (classes - 1) // 2
    more = {"prob_a": [-1.2, -0.7, -2.0][:pairs], "prob_b": [0.1, -0.2, 0.0][:pairs]}
    agree(model_of("SVMClassifier", "label scores", 1, **machine("RBF", classes, **more)), atol=1e-3)


@pytest.mark.parametrize("kernel", ["LINEAR", "RBF"])
@pytest.mark.parametrize("one_class", [0, 1])
def test_support_vector_regressor(kernel: str, one_class: int) -> None:
    attrs: dict[str, Any] = {
        "kernel_type": kernel,
        "kernel_params": [0.4, 0.3, 2.0],
        "support_vectors": floats(5, 4),
        "coefficients": floats(5),
        "n_supports": 5,
        "rho": [0.1],
        "one_class": one_class,
    }
    agree(model_of("SVMRegressor", version=1, **attrs))


@pytest.mark.parametrize("norm", ["MAX", "L1", "L2"])
def test_normalizer(norm: str) -> None:
    x = feeds_for({"x": (X, "float32")})["x"]
    x[2] = 0
    agree(model_of("Normalizer", version=1, norm=norm), x)


def test_scaler() -> None:
    agree(model_of("Scaler", version=1, offset=floats(4), scale=floats(4)))
    agree(model_of("Scaler", version=1, dtype="int64", offset=[0.5], scale=[2.0]))


def test_binarizer() -> None:
    agree(model_of("Binarizer", version=1, threshold=0.2))


@pytest.mark.parametrize("replaced", [float("nan"), 0.0])
def test_imputer(replaced: float) -> None:
    x = feeds_for({"x": (X, "float32")})["x"]
    x[::2, ::3] = replaced
    attrs: dict[str, Any] = {"imputed_value_floats": floats(4), "replaced_value_float": replaced}
    agree(model_of("Imputer", version=1, **attrs), x)


def test_one_hot_encoder() -> None:
    agree(model_of("OneHotEncoder", version=1, dtype="int64", x=(6,), cats_int64s=[0, 2, 3], zeros=1))


@pytest.mark.parametrize(("keys", "values"), [("int64s", "int64s"), ("int64s", "floats"), ("floats", "int64s")])
def test_label_encoder(keys: str, values: str) -> None:
    kinds = {"int64s": ([0, 2, 3], "int64"), "floats": ([0.5, 2.0, 3.25], "float32")}
    default = {"default_int64": -7} if values == "int64s" else {"default_float": -7.5}
    attrs: dict[str, Any] = {f"keys_{keys}": kinds[keys][0], f"values_{values}": kinds[values][0], **default}
    x = np.array([0, 3, 1, 2, 2, 3.25]).astype(kinds[keys][1])
    agree(model_of("LabelEncoder", version=2, dtype=kinds[keys][1], x=(6,), **attrs), x)


def test_columns() -> None:
    made = helper.make_node("ArrayFeatureExtractor", ["x", "i"], ["y"], domain=ML)
    graph = graph_of([made], {"x": (X, "float32")}, "y", {"i": np.array([2, 0])})
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(ML, 1)]
    agree(helper.make_model(graph, opset_imports=opsets, ir_version=8))


NAMES = ["oak", "ash", "elm"]


def named_classes() -> onnx.ModelProto:
    attrs: dict[str, Any] = {"coefficients": floats(3, 4), "intercepts": floats(3), "classlabels_strings": NAMES}
    return model_of("LinearClassifier", "label scores", 1, **attrs)


def test_classes_with_names() -> None:
    """Their numbers come out, and the names are the model's labels."""
    model, feeds = named_classes(), feeds_for({"x": (X, "float32")})
    imported = convert(model)
    found, wanted = run_all(imported.graph, feeds), onnxruntime_of(model, feeds)
    assert imported.labels == NAMES
    assert [NAMES[number] for number in found["label"]] == wanted["label"].tolist()
    assert len(set(wanted["label"])) > 1
    np.testing.assert_allclose(found["scores"], wanted["scores"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("attrs", "dtype"),
    [
        ({"values_int64s": [7, 5], "default_int64": 9}, "int64"),
        ({"values_strings": ["tree", "bush"], "default_string": "none"}, "str"),
    ],
)
def test_names_looked_up(attrs: dict[str, Any], dtype: str) -> None:
    model, feeds = named_classes(), feeds_for({"x": (X, "float32")})
    made = helper.make_node("LabelEncoder", ["label"], ["y"], domain=ML, keys_strings=["elm", "oak"], **attrs)
    model.graph.node.append(made)
    del model.graph.output[:], model.opset_import[:]
    model.graph.output.append(onnx.ValueInfoProto(name="y"))
    model.opset_import.extend([helper.make_opsetid("", 17), helper.make_opsetid(ML, 2)])
    imported = convert(model)
    found, wanted = run_all(imported.graph, feeds)["y"], onnxruntime_of(model, feeds)["y"]
    if dtype == "str":
        assert imported.labels is not None
        found = np.array(imported.labels)[found]
    assert found.tolist() == wanted.tolist() and len(set(wanted.tolist())) > 1


def test_constant_names_are_chosen_from() -> None:
    """As skl2onnx writes a network's classes."""
    made = helper.make_node("ArrayFeatureExtractor", ["names", "i"], ["y"], domain=ML)
    names = onnx.numpy_helper.from_array(np.array(NAMES, object), "names")
    graph = graph_of([made], {"i": ((4,), "int64")}, "y")
    graph.initializer.append(names)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(ML, 1)])
    imported = convert(model)
    found = run_all(imported.graph, {"i": np.array([2, 0, 0, 1])})["y"]
    assert imported.labels == NAMES and found.tolist() == [[2, 0, 0, 1]]


def test_names_of_classes_as_text() -> None:
    """Whoever computes with them gets the names, not their numbers."""
    model = named_classes()
    model.graph.node.append(helper.make_node("Equal", ["label", "one"], ["y"]))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(NAMES[:1], object), "one"))
    del model.graph.output[:]
    model.graph.output.append(onnx.ValueInfoProto(name="y"))
    del model.opset_import[:]
    model.opset_import.extend([helper.make_opsetid("", 19), helper.make_opsetid(ML, 1)])
    feeds = feeds_for({"x": (X, "float32")})
    found, wanted = run_all(convert(model).graph, feeds)["y"], onnxruntime_of(model, feeds)["y"]
    assert found.tolist() == wanted.tolist() and len(set(wanted.tolist())) > 1
