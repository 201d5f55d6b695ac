"""What becomes of an ONNX model's structure: names, order, subgraphs, functions, and what is not supported."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx
from onnx import helper, numpy_helper
from onnx_models import Type, agree, feeds_for, graph_from, graph_of, info, model_of, node, onnxruntime_of, run_all
from work import lines

from millijoule.converters.onnx.convert import convert
from millijoule.converters.onnx.handlers import handled
from millijoule.runtime.errors import ModelError
from millijoule.runtime.graph import Graph
from millijoule.runtime.ops.registry import find

VECTOR: dict[str, Type | None] = {"x": ((4,), "float32")}
ROWS: dict[str, Type | None] = {"x": (("n", 4), "float32")}


def error_of(model: onnx.ModelProto) -> str:
    with pytest.raises(ModelError) as caught:
        convert(model)
    return str(caught.value)


def ops(graph: Graph) -> list[str]:
    return [found.op for found in graph.nodes]


def test_names_shapes_and_symbols_are_the_sources() -> None:
    nodes = [node("Relu", "data/in:0", "mid"), node("Neg", "mid", "scores:0", name="last")]
    graph = graph_from(model_of(nodes, {"data/in:0": (("batch", 4), "float32")}, "scores:0"))
    assert graph.inputs == ["data/in:0"] and graph.outputs == ["scores:0"]
    assert graph.values["data/in:0"].shape == graph.values["scores:0"].shape == ("batch", 4)
    assert [found.name for found in graph.nodes] == ["mid", "last"]


def test_unnamed_dimensions_are_not_equal_to_each_other() -> None:
    model = model_of([node("Relu", "x", "y")], {"x": ((None, "?", "?", -1), "float32")}, "y")
    assert graph_from(model).values["x"].shape == ("x[0]", "x[1]", "x[2]", "x[3]")


def test_generated_names_avoid_the_models() -> None:
    nodes = [node("MaxPool", "x", "x.channels_last", kernel_shape=[2]), node("Neg", "x.channels_last", "y")]
    agree(nodes, {"x": ((1, 2, 4), "float32")})


def test_nodes_are_sorted() -> None:
    nodes = [node("Neg", "b", "y"), node("Relu", "a", "b"), node("Exp", "x", "a")]
    assert ops(graph_from(model_of(nodes, VECTOR, "y"))) == ["Exp", "Relu", "Neg"]


def test_order_of_the_source_is_kept_where_it_is_one() -> None:
    nodes = [node("Exp", "x", "a"), node("Abs", "x", "b"), node("Neg", "b", "c"), node("Sum", "a c", "y")]
    assert ops(graph_from(model_of(nodes, VECTOR, "y"))) == ["Exp", "Abs", "Neg", "Add"]


def test_what_no_output_needs_is_dropped_even_if_not_supported() -> None:
    nodes = [node("Relu", "x", "y"), node("NonMaxSuppression", "x x", "unused"), node("Exp", "x", "also")]
    graph = graph_from(model_of(nodes, VECTOR, "y", {"w": np.ones(3, np.float32)}))
    assert ops(graph) == ["Relu"] and set(graph.values) == {"x", "y"}


def test_a_circle_is_named() -> None:
    nodes = [node("Add", "x b", "a"), node("Neg", "a", "b"), node("Neg", "b", "y")]
    assert "in a circle: Add 'a', Neg 'b', Neg 'y'" in error_of(model_of(nodes, VECTOR, "y"))
    assert "circle" in error_of(model_of([node("Neg", "y", "y")], {}, "y"))


@pytest.mark.parametrize(
    ("nodes", "outputs", "message"),
    [
        ([node("Relu", "x", "y"), node("Neg", "x", "y")], "y", "'y' is produced twice, by Relu 'y' and Neg 'y'"),
        ([node("Relu", "x", "x")], "x", "circle"),
        ([node("Relu", "nothing", "y")], "y", "node Relu 'y' reads 'nothing', which nothing produces"),
        ([node("Relu", "x", "z")], "y", "reads 'y', which nothing produces|nothing produces the output 'y'"),
        ([node("Relu", "x", "y")], "y y", "listed twice"),
        ([node("Relu", "x", "c")], "c", "value 'c' is produced twice"),
    ],
)
def test_broken_structure(nodes: list[onnx.NodeProto], outputs: str, message: str) -> None:
    model = model_of(nodes, VECTOR, outputs, {"c": np.zeros(2, np.float32)})
    with pytest.raises(ModelError, match=message):
        convert(model)


def test_doubled_constants_and_inputs() -> None:
    model = model_of([node("Relu", "x", "y")], VECTOR, "y", {"c": np.zeros(2)})
    model.graph.initializer.append(model.graph.initializer[0])
    assert "two initializers are named 'c'" in error_of(model)
    model = model_of([node("Relu", "x", "y")], VECTOR, "y")
    model.graph.input.append(model.graph.input[0])
    assert "'x' is produced twice" in error_of(model)


def test_constants_that_are_listed_as_inputs() -> None:
    """As all were until IR version 3."""
    model = model_of([node("Add", "x w", "y")], {**VECTOR, "w": ((4,), "float32")}, "y", {"w": np.ones(4, np.float32)})
    graph = graph_from(model)
    assert graph.inputs == ["x"] and graph.constant("w") is not None


def test_outputs_that_are_inputs_or_constants() -> None:
    graph = graph_from(model_of([node("Relu", "x", "y")], VECTOR, "x c y", {"c": np.ones(2, np.float32)}))
    assert list(run_all(graph, feeds_for(VECTOR))) == ["x", "c", "y"]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (onnx.TensorProto.COMPLEX64, "input 'x' is of element type complex64"),
        (0, "input 'x' is of element type undefined"),
        (999, "input 'x' is of element type number 999"),
    ],
)
def test_inputs_of_unknown_types(kind: int, message: str) -> None:
    model = model_of([node("Identity", "x", "y")], VECTOR, "y")
    model.graph.input[0].type.tensor_type.elem_type = kind
    assert message in error_of(model)


def test_inputs_that_are_no_tensors_or_too_large() -> None:
    model = model_of([node("Identity", "x", "y")], {"x": None}, "y")
    assert "input 'x' is a value of unknown type; tensors, sequences of tensors" in error_of(model)
    model.graph.input[0].type.map_type.key_type = onnx.TensorProto.STRING
    assert "input 'x' is a map_type" in error_of(model)
    for shape in ((1 << 31, 2), (1 << 20, 1 << 20, 2), (1,) * 33):
        assert "too large" in error_of(model_of([node("Relu", "x", "y")], {"x": (shape, "float32")}, "y"))


def test_inputs_without_elements_or_rank() -> None:
    assert graph_from(model_of([node("Relu", "x", "y")], {"x": ((0, 3), "float32")}, "y")).values["y"].shape == (0, 3)
    graph = graph_from(model_of([node("Relu", "x", "y")], {"x": (None, "float32")}, "y"))
    assert graph.values["x"].shape is None and graph.values["y"].shape is None


def test_every_unsupported_operator_is_listed_at_once() -> None:
    nodes = [
        node("ImageDecoder", "x", "a", name="pixels"),
        node("Relu", "a", "b"),
        node("Special", "b", "c", domain="my.own", name="mine"),
        node("Conv", "c c", "d", name="flat", strides="no"),
        node("Relu", "d", "y", alpha=2.0),
    ]
    model = model_of(nodes, VECTOR, "y")
    model.opset_import.append(helper.make_opsetid("my.own", 1))
    text = error_of(model)
    assert text.startswith("ONNX model: 4 operators are not supported:\n")
    assert "  ImageDecoder x1: there is no such operator in millijoule\n    ImageDecoder 'pixels'\n" in text
    assert "  my.own.Special x1: a custom operator; there is no such operator" in text and "'mine'" in text
    assert "Conv 'flat'" in text
    assert "  Relu x1: attribute 'alpha' = 2.0 is not supported\n    Relu 'y'" in text


def test_operators_of_a_domain_that_is_not_imported() -> None:
    assert "imports no operator set 'my.own'" in error_of(model_of([node("A", "x", "y", domain="my.own")], VECTOR, "y"))


def test_attributes_with_their_default_are_no_obstacle() -> None:
    nodes = [node("MaxPool", "x", "y", kernel_shape=[2], storage_order=0), node("Neg", "y", "z")]
    assert "MaxPool" in ops(graph_from(model_of(nodes, {"x": ((1, 2, 4), "float32")}, "z")))


def conditional(then: list[onnx.NodeProto], other: list[onnx.NodeProto], constants: Any = None) -> onnx.NodeProto:
    return node(
        "If", "c", "y", then_branch=graph_of(then, {}, "t", constants), else_branch=graph_of(other, {}, "e", constants)
    )


@pytest.fixture
def with_if(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes part only while no operator If is registered, so that subgraphs can be seen before it exists."""
    if find("If") is None:
        from millijoule.converters.onnx.builder import Builder

        check = Builder.check
        monkeypatch.setattr(Builder, "check", lambda self, made: None if made.op == "If" else check(self, made))


@pytest.mark.usefixtures("with_if")
def test_subgraphs_become_graphs_that_see_the_values_around_them() -> None:
    """Both branches read x and a; one defines a name that the other has too; one shadows nothing."""
    outer = node("Neg", "x", "a")
    branches = conditional(
        [node("Add", "x a", "s"), node("Add", "s w", "t")],
        [node("Sub", "x a", "s"), node("Mul", "s w", "e")],
        {"w": np.ones(4)},
    )
    nodes = [outer, branches]
    inputs: dict[str, Type | None] = {"x": ((4,), "float64"), "c": ((), "bool")}
    model = model_of(nodes, inputs, "y")
    graph = graph_from(model)
    node_if = graph.nodes[-1]
    assert isinstance(node_if.attrs["then_branch"], Graph) and graph.values["y"].dtype == np.float64
    for choice in (True, False):
        feeds = {"x": np.arange(4.0), "c": np.array(choice)}
        np.testing.assert_array_equal(run_all(graph, feeds)["y"], onnxruntime_of(model, feeds)["y"])


@pytest.mark.usefixtures("with_if")
def test_images_inside_of_subgraphs() -> None:
    """Weights of the graph around are permuted inside, a value of the branch bears a name of the graph around."""
    branches = conditional([node("Conv", "x w", "t")], [node("Conv", "x w", "q"), node("Neg", "q", "e")])
    nodes = [node("Relu", "y", "q"), branches]
    inputs: dict[str, Type | None] = {"x": ((1, 2, 4, 4), "float32"), "c": ((), "bool")}
    model = model_of(nodes, inputs, "q", {"w": np.ones((3, 2, 2, 2), np.float32)})
    graph = graph_from(model)
    for choice in (True, False):
        feeds = {**feeds_for({"x": inputs["x"]}), "c": np.array(choice)}
        np.testing.assert_allclose(run_all(graph, feeds)["q"], onnxruntime_of(model, feeds)["q"], rtol=1e-5)


def test_unsupported_operators_inside_of_subgraphs_are_listed() -> None:
    branches = conditional(
        [node("NonZero", "x", "n"), node("Missing", "n", "t", name="inner")], [node("Neg", "x", "e")]
    )
    text = error_of(model_of([branches], {**VECTOR, "c": ((), "bool")}, "y"))
    assert "Missing x1: there is no such operator in millijoule\n    Missing 'inner'" in text


def function(name: str, nodes: list[onnx.NodeProto], inputs: str, outputs: str, **attrs: Any) -> onnx.FunctionProto:
    opsets = [helper.make_opsetid("", 11), helper.make_opsetid("local", 1)]
    return helper.make_function("local", name, inputs.split(), outputs.split(), nodes, opsets, **attrs)


def with_functions(nodes: list[onnx.NodeProto], functions: list[onnx.FunctionProto], **kwargs: Any) -> onnx.ModelProto:
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    return model_of(nodes, ROWS, "y", opsets=opsets, functions=functions, **kwargs)


def test_functions_of_the_model_are_expanded() -> None:
    """Each body in its own operator set (11: axes of Squeeze are an attribute), twice, nested, with an attribute."""
    sum_up = [node("ReduceSum", "a", "s"), node("Unsqueeze", "s", "r", axes=[0])]
    sum_up[0].attribute.extend([helper.make_attribute("axes", [0]), helper.make_attribute("keepdims", 0)])
    leaky = node("LeakyRelu", "r", "b")
    leaky.attribute.add(name="alpha", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT)
    functions = [
        function("Total", [node("Double", "x", "a", domain="local"), *sum_up, leaky], "x", "b", attributes=["slope"]),
        function("Double", [node("Add", "v v", "w")], "v", "w"),
    ]
    nodes = [
        node("Total", "x", "p", domain="local", name="first", slope=0.5),
        node("Total", "p", "q", domain="local", name="second", slope=0.25),
        node("Double", "q", "y", domain="local"),
    ]
    model = with_functions(nodes, functions)
    graph = graph_from(model)
    assert "first/a" in graph.values and "second/a" in graph.values
    assert not {"Total", "Double", "Identity"} & set(ops(graph))
    feeds = {"x": -np.arange(12, dtype=np.float32).reshape(3, 4)}
    first = 0.5 * (2 * feeds["x"]).sum(axis=0, keepdims=True)
    np.testing.assert_allclose(run_all(graph, feeds)["y"], 2 * 0.25 * (2 * first), rtol=1e-6)


def test_a_function_may_stand_for_an_operator_and_hand_its_input_on() -> None:
    functions = [function("Same", [node("Neg", "a", "b")], "a", "a b")]
    graph = graph_from(with_functions([node("Same", "x", "y", domain="local")], functions))
    assert ops(graph) == ["Identity"]


def test_functions_without_end() -> None:
    endless = [function("F", [node("G", "a", "b", domain="local")], "a", "b")]
    endless.append(function("G", [node("F", "a", "b", domain="local")], "a", "b"))
    assert "calls itself" in error_of(with_functions([node("F", "x", "y", domain="local")], endless))
    bombs = [function("F0", [node("Neg", "a", "b")], "a", "b")]
    for level in range(1, 20):
        calls = [node(f"F{level - 1}", i, o, domain="local") for i, o in (("a", "m"), ("m", "n"), ("n", "b"))]
        bombs.append(function(f"F{level}", calls, "a", "b"))
    error = error_of(with_functions([node("F19", "x", "y", domain="local")], bombs))
    assert "more than 20472 nodes once its functions are expanded" in error


def test_operators_that_onnx_defines_by_others() -> None:
    """None of these has a handler or an operator of its own; group normalization changed its meaning in 21."""
    image: dict[str, Type | None] = {"x": ((2, 4, 3, 3), "float32")}
    for name in ("GroupNormalization", "MeanVarianceNormalization"):
        assert ("", name) not in handled() and find(name) is None
    if onnx.defs.onnx_opset_version() >= 21:
        constants = {"s": np.arange(4, dtype=np.float32), "b": np.ones(4, np.float32)}
        agree([node("GroupNormalization", "x s b", "y", num_groups=2)], image, constants=constants, opset=21)
    constants = {"s": np.arange(2, dtype=np.float32), "b": np.ones(2, np.float32)}
    agree([node("GroupNormalization", "x s b", "y", num_groups=2)], image, constants=constants, opset=18)
    agree([node("MeanVarianceNormalization", "x", "y")], image, opset=13)


def test_class_names_and_description_from_the_metadata() -> None:
    model = model_of([node("Relu", "x", "y")], VECTOR, "y")
    assert convert(model).labels is None
    model.doc_string = " Says what it sees.\n"
    for text in ('["cat", "dog"]', "{0: 'cat', 1: 'dog'}", '{"1": "dog", "0": "cat"}', "cat\ndog\n"):
        del model.metadata_props[:]
        model.metadata_props.add(key="names", value=text)
        imported = convert(model)
        assert imported.labels == ["cat", "dog"] and imported.description == "Says what it sees."
    for text in ("[1, 2]", "{0: 'cat', 2: 'dog'}", "[" * 5000, "__import__('os')"):
        del model.metadata_props[:]
        model.metadata_props.add(key="names", value=text)
        assert convert(model).labels is None


def test_the_given_model_is_left_alone() -> None:
    model = model_of([node("Add", "x w", "y")], VECTOR, "y", {"w": np.ones(4, np.float32)})
    before = model.SerializeToString()
    convert(model)
    assert model.SerializeToString() == before


def test_constants_of_every_storage_form() -> None:
    """raw_data, typed fields, and float16 or narrow integers inside of int32_data."""
    for dtype in (
        "float32",
        "float64",
        "float16",
        "int8",
        "uint8",
        "int16",
        "uint16",
        "int32",
        "int64",
        "uint32",
        "bool",
    ):
        data = np.array([[0, 1, 3], [7, 100, 2]]).astype(dtype)
        typed = helper.make_tensor(
            "c", helper.np_dtype_to_tensor_dtype(data.dtype), data.shape, data.reshape(-1).tolist()
        )
        for tensor in (typed, numpy_helper.from_array(data, "c")):
            model = model_of([node("Identity", "c", "y")], {}, "y")
            model.graph.initializer.append(tensor)
            found = graph_from(model).constant("y")
            assert found is not None and found.dtype == data.dtype
            np.testing.assert_array_equal(found, data)


def test_declared_rank_is_believed_where_nothing_else_is_known() -> None:
    """NonZero's results have no size before running, so GlobalAveragePool has to rely on value_info."""
    nodes = [node("Reshape", "x s", "r"), node("GlobalAveragePool", "r", "y")]
    inputs: dict[str, Type | None] = {"x": ((2, 6), "float32"), "s": (("rank",), "int64")}
    model = model_of(nodes, inputs, "y")
    assert "rank of its input 'r' is not known" in error_of(model)
    model.graph.value_info.append(info("r", ((None, None, None), "float32")))
    assert graph_from(model).values["y"].shape is not None


@pytest.mark.parametrize("op", ["Add", "Mul", "Concat"])
def test_shapes_that_double_again_and_again(op: str) -> None:
    """The work grows with the number of nodes, not with that of the sum's terms."""
    attrs = {"axis": 0} if op == "Concat" else {}

    def work(count: int) -> int:
        nodes = [node("Shape", "x", "a0"), *(node(op, f"a{i} a{i}", f"a{i + 1}", **attrs) for i in range(count))]
        model = model_of([*nodes, node("Reshape", f"x a{count}", "y")], {"x": (("n", 4), "float32")}, "y")
        return lines(lambda: graph_from(model))

    assert work(40) < 3 * work(20)


def test_thousands_of_unsupported_operators() -> None:
    def work(count: int) -> int:
        nodes = [node("Missing", "x", f"b{i}") for i in range(count)]
        joined = node("Concat", " ".join(f"b{i}" for i in range(count)), "y", axis=0)
        model, found = model_of([*nodes, joined], VECTOR, "y"), []
        done = lines(lambda: found.append(error_of(model)))
        assert f"{count} operators are not supported" in found[0]
        return done

    assert work(5000) < 6 * work(1000)
