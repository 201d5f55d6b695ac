"""Text through the public API: converted, saved, loaded, run with kernels, and held against onnxruntime."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper
from onnx_models import node, onnxruntime_of

import millijoule as mj
from millijoule.runtime.boxed import TEXT
from millijoule.runtime.errors import InputError, ModelError
from millijoule.runtime.graph import Graph, Node, Value
from millijoule.runtime.ops.regex import MOST_STEPS, Patience, Pattern, PatternError, compiled

ML = "ai.onnx.ml"
WORDS = np.array([["red", "green"], ["", "naïve café"]], object)


def text_model(
    nodes: Sequence[onnx.NodeProto],
    outputs: str,
    inputs: Sequence[tuple[Any, ...]] = (("x", TensorProto.STRING, ("n", "m")),),
    **constants: Any,
) -> onnx.ModelProto:
    given = [helper.make_tensor_value_info(*kind) for kind in inputs]
    stored = [onnx.numpy_helper.from_array(np.asarray(data), name) for name, data in constants.items()]
    made = [onnx.ValueInfoProto(name=name) for name in outputs.split()]
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(ML, 4), helper.make_opsetid("com.microsoft", 1)]
    graph = helper.make_graph(list(nodes), "text", given, made, stored)
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def agrees(model: onnx.ModelProto, feeds: dict[str, np.ndarray], folder: Path) -> mj.Model:
    """Through a .mj file, with kernels."""
    path = folder / "text.mj"
    mj.convert(model).save(path)
    wanted = onnxruntime_of(model, feeds)
    with mj.load(path, threads=1) as session:
        for _ in range(2):  # planned, and as planned before
            found = session.run(feeds)
    assert list(found) == list(wanted)
    for name, expected in wanted.items():
        assert found[name].shape == expected.shape and found[name].dtype == expected.dtype, name
        assert found[name].tolist() == expected.tolist(), name
    return session.model


@pytest.mark.parametrize(
    "nodes",
    [
        [node("StringConcat", "x x", "y")],
        # onnxruntime counts no part in a text without characters, ONNX's own implementation one.
        [node("StringConcat", "x word", "t"), node("StringSplit", "t", "y n", delimiter="e")],
        [node("StringSplit", "x", "y n", maxsplit=1)],
        [node("RegexFullMatch", "x", "y", pattern="(r|g).*[dn]")],
        [node("Identity", "x", "y")],
        [node("Transpose", "x", "t"), node("Reshape", "t flat", "y")],
        [node("Gather", "x one", "g", axis=1), node("Concat", "g g", "y", axis=0)],
        [node("Equal", "x word", "y")],
        [node("Equal", "x word", "e"), node("Where", "e x word", "y")],
        [node("Shape", "x", "y")],
        [node("Unique", "x", "y first places counts")],
        [node("Slice", "x one two one", "y"), node("Expand", "y shape", "z")],
        [node("LabelEncoder", "x", "y", domain=ML, keys_strings=["red", ""], values_int64s=[7, 3], default_int64=-4)],
        [node("LabelEncoder", "x", "y", domain=ML, keys_strings=["red"], values_floats=[7.5], default_float=1.5)],
        [
            node("LabelEncoder", "x", "l", domain=ML, keys_strings=["red"], values_strings=["rot"], default_string="?"),
            node("StringConcat", "l x", "y"),
        ],
        [node("OneHotEncoder", "x", "y", domain=ML, cats_strings=["green", "", "red"])],
        [node("CategoryMapper", "x", "y", domain=ML, cats_strings=["red", "green"], cats_int64s=[5, 6])],
    ],
    ids=lambda nodes: "-".join(made.op_type for made in nodes),
)
def test_operators(nodes: list[onnx.NodeProto], tmp_path: Path) -> None:
    outputs = " ".join(name for name in nodes[-1].output)
    constants: Any = {
        "flat": np.array([-1]), "one": np.array([1]), "two": np.array([2]), "shape": np.array([3, 2, 1]),
        "word": np.array(["red"], object),
    }  # fmt: skip
    agrees(text_model(nodes, outputs, **constants), {"x": WORDS}, tmp_path)


@pytest.mark.parametrize("shape", [(3,), (1, 3)])
@pytest.mark.parametrize("stopwords", [[], ["Monday"], ["Monday", "tuesday", "WED"]])
@pytest.mark.parametrize("attrs", [{}, {"case_change_action": "UPPER"}, {"is_case_sensitive": 1}])
def test_normalizer(shape: tuple[int, ...], stopwords: list[str], attrs: dict[str, Any], tmp_path: Path) -> None:
    given = np.array(["Monday", "tuesday", "wed"], object).reshape(shape)
    made = node("StringNormalizer", "x", "y", **({"stopwords": stopwords} if stopwords else {}), **attrs)
    model = text_model([made], "y", [("x", TensorProto.STRING, ["n", "m"][: len(shape)])])
    # onnxruntime needs a locale of the machine for any change of case, which is not there everywhere.
    same = str if attrs.get("is_case_sensitive") else str.lower
    left = [word for word in given.reshape(-1) if same(word) not in {same(stop) for stop in stopwords}] or [""]
    mj.convert(model).save(tmp_path / "text.mj")
    found = mj.load(tmp_path / "text.mj", threads=1).run(given)["y"]
    assert found.shape == (*shape[:-1], len(left))
    assert found.reshape(-1).tolist() == [word.upper() if attrs.get("case_change_action") else word for word in left]


NUMBERS = [0.0, -1.5, 3.14159274, 1e-7, 123456789.0, np.inf, -np.inf, np.nan, 1e20]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "uint8", "int8"])
def test_numbers_as_text(dtype: str, tmp_path: Path) -> None:
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    given = np.array(NUMBERS if dtype.startswith("f") else [0, 7, 100], dtype)
    model = text_model([node("Cast", "x", "y", to=TensorProto.STRING)], "y", [("x", kind, ["n"])])
    agrees(model, {"x": given}, tmp_path)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8"])
def test_text_as_numbers(dtype: str, tmp_path: Path) -> None:
    given = np.array(["1", "-0", "12"] + ([" 2.5", "1e3", "-.5"] if dtype.startswith("f") else []), object)
    code = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    model = text_model([node("Cast", "x", "y", to=code)], "y", [("x", TensorProto.STRING, ["n"])])
    agrees(model, {"x": given}, tmp_path)
    with mj.load(mj.convert(model)) as session, pytest.raises(ModelError, match="'seven' is no"):
        session.run(np.array(["seven"]))


SENTENCES = np.array(["the quick  brown fox", "", "naïve café, no?", "aab ab b"], object)


@pytest.mark.parametrize("shape", [(4,), (2, 2)])
@pytest.mark.parametrize("mark", [0, 1])
@pytest.mark.parametrize(
    "attrs",
    [
        {"tokenexp": "[a-z]+"}, {"tokenexp": "a|ab|aab"}, {"tokenexp": "[a-z]+", "mincharnum": 3}, {"tokenexp": "."},
        {"tokenexp": "z"}, {"separators": [" "]}, {"separators": [" ", "o+"]}, {"separators": [", ", " "]},
        {"separators": [""]}, {"separators": ["[ ,]+"], "mincharnum": 3},
    ],
    ids=str,
)  # fmt: skip
def test_tokens(shape: tuple[int, ...], mark: int, attrs: dict[str, Any], tmp_path: Path) -> None:
    kept = {"mincharnum": 1, **attrs}
    made = node("Tokenizer", "x", "y", domain="com.microsoft", mark=mark, pad_value="#", **kept)
    model = text_model([made], "y", [("x", TensorProto.STRING, ["n", "m"][: len(shape)])])
    agrees(model, {"x": SENTENCES.reshape(shape)}, tmp_path)


def test_words_counted(tmp_path: Path) -> None:
    made = node(
        "TfIdfVectorizer", "x", "y", mode="TFIDF", min_gram_length=1, max_gram_length=2, max_skip_count=1,
        ngram_counts=[0, 3], ngram_indexes=[0, 1, 2, 3], pool_strings=["red", "", "blue", "red", "green"],
        weights=[1.0, 2.0, 3.0, 4.0],
    )  # fmt: skip
    agrees(text_model([made], "y"), {"x": WORDS}, tmp_path)


@pytest.mark.parametrize("kind", ["text", "numbers"])
def test_a_category_that_none_knows_is_an_error_where_the_model_says_so(kind: str) -> None:
    attrs: Any = {"cats_strings": ["red", "blue"]} if kind == "text" else {"cats_int64s": [4, 7]}
    code = TensorProto.STRING if kind == "text" else TensorProto.INT64
    made = node("OneHotEncoder", "x", "y", domain=ML, zeros=0, **attrs)
    known, unknown = (["blue", "red"], ["blue", "grue"]) if kind == "text" else ([7, 4], [7, 5])
    with mj.load(mj.convert(text_model([made], "y", [("x", code, ["n"])]))) as session:
        assert session.run(np.array(known))["y"].tolist() == [[0, 1], [1, 0]]
        with pytest.raises(ModelError, match="is none of its 2 categories"):
            session.run(np.array(unknown))


def test_categories_between_kernels(tmp_path: Path) -> None:
    """Text at the beginning and at the end, numbers by kernels between."""
    nodes = [
        node("OneHotEncoder", "x", "h", domain=ML, cats_strings=["red", "green", "blue"]),
        node("Flatten", "h", "f"),
        node("Concat", "f z", "c", axis=1),
        node("MatMul", "c w", "scores"),
        node("ArgMax", "scores", "best", axis=1, keepdims=0),
        node("Gather", "names best", "name"),
        node("StringConcat", "name mark", "y"),
    ]
    constants: Any = {
        "w": np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32),
        "names": np.array(["a", "b", "c", "d"], object), "mark": np.array("!", object),
    }  # fmt: skip
    inputs = [("x", TensorProto.STRING, ["n", 2]), ("z", TensorProto.FLOAT, ["n", 2])]
    feeds = {"x": WORDS, "z": np.array([[1, -2], [0.5, 3]], np.float32)}
    model = agrees(text_model(nodes, "y scores", inputs, **constants), feeds, tmp_path)
    assert model.inputs["x"].kind == "text" and model.outputs["y"].kind == "text"


def test_text_within_branches_and_loops(tmp_path: Path) -> None:
    """A body that is run several times, and names that are known at conversion as what it begins with."""
    text = lambda name: helper.make_tensor_value_info(name, TensorProto.STRING, None)  # noqa: E731
    body = helper.make_graph(
        [node("Identity", "go", "again"), node("StringConcat", "before mark", "after")],
        "body",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            text("before"),
        ],
        [helper.make_tensor_value_info("again", TensorProto.BOOL, []), text("after")],
    )
    branches = {
        side: helper.make_graph([node("Identity", name, f"{side}_y")], side, [], [text(f"{side}_y")])
        for side, name in (("then_branch", "x"), ("else_branch", "mark"))
    }
    nodes = [
        node("Loop", "times - mark", "marks", body=body),
        node("If", "which", "chosen", **branches),
        node("StringConcat", "chosen marks", "y"),
    ]
    inputs = [("x", TensorProto.STRING, ["n"]), ("which", TensorProto.BOOL, [])]
    model = text_model(nodes, "y", inputs, mark=np.array(["!"], object), times=np.array(3))
    for which in (True, False):
        agrees(model, {"x": np.array(["a", "b"], object), "which": np.array(which)}, tmp_path)


def test_what_may_be_fed(tmp_path: Path) -> None:
    model = mj.convert(text_model([node("StringConcat", "x x", "y")], "y", [("x", TensorProto.STRING, ["n"])]))
    with mj.load(model) as session:
        for given in (np.array(["a", "é"]), np.array(["a", "é"], object), ["a", "é"], np.array([b"a", "é".encode()])):
            found = session.run({"x": given})["y"]
            assert found.dtype == object and found.tolist() == ["aa", "éé"]
        for wrong, problem in (
            (np.ones(2), "got float64, not text"),
            (np.array(["a", None], object), "got None, not text"),
            (np.array([b"\xff"]), "not UTF-8"),
            (["\ud800"], "UTF-8 has no form"),
            ([["a"]], r"got shape \(1, 1\)"),
        ):
            with pytest.raises(InputError, match=problem):
                session.run({"x": wrong})
        session.resize({"x": (2,)})
        session.inputs["x"][...] = ["p", "q"]
        session.invoke()
        assert session.outputs["y"].tolist() == ["pp", "qq"]
        session.inputs["x"][0] = 5
        with pytest.raises(InputError, match="got 5, not text"):
            session.invoke()
        with pytest.raises(InputError, match="cannot be what input"):
            session.bind("y", "x")
        assert "'x' text (n,)" in repr(session)
    with pytest.raises(InputError, match="which a memory does not keep"):
        mj.load(model, memory=mj.Memory())


def test_operators_that_take_no_text() -> None:
    graph = Graph(inputs=["x"], outputs=["y"], nodes=[Node("Add", ["x", "x"], ["y"])])
    for name in "xy":
        graph.add_value(Value(name, TEXT, (2,)))
    refused = pytest.raises(ModelError, match=r"Add 'y': 'x' is text, which Add does not take")
    with mj.load(mj.Model(graph)) as session, refused:
        session.run(np.array(["a", "b"]))
    with pytest.raises(ModelError, match=r"StringConcat 'y': 'z' is float32, not text"):
        mj.load(mj.convert(text_model([node("StringConcat", "z z", "y")], "y", [("z", TensorProto.FLOAT, [2])])))


def test_text_that_grows_beyond_bounds() -> None:
    """A constant, doubled again and again, is neither computed at conversion nor without end at run time."""
    nodes = [node("StringConcat", f"t{step} t{step}", f"t{step + 1}") for step in range(60)]
    model = mj.convert(text_model([*nodes, node("StringConcat", "x t60", "y")], "y", t0=np.array(["a"], object)))
    with mj.load(model) as session, pytest.raises(ModelError, match="too much for a model"):
        session.run(WORDS)


def test_much_text_of_many_nodes() -> None:
    """No tensor is too large by itself."""
    nodes = [node("StringConcat", f"t{step} t{step}", f"t{step + 1}") for step in range(25)]
    nodes += [node("StringConcat", f"t25 c{step}", f"u{step}") for step in range(6)]
    different: Any = {f"c{step}": np.array([str(step)], object) for step in range(6)}
    outputs = " ".join(f"u{step}" for step in range(6))
    model = mj.convert(text_model(nodes, f"{outputs} x", t0=np.array(["a"], object), **different))
    with mj.load(model) as session, pytest.raises(ModelError, match="more than 134217728 characters of text"):
        session.run({"x": np.array([["b"]])})


PATTERNS = (
    *("", "a*", "(a|b)*abb", "(?:ab|c){2,3}", "[^a-c]x?", r"\d{3}-\d{2,}", "a{0}b", "(a*)*b", "(?i)aB[c-e]", "a|"),
    *("()", "^a$|b", r"\ba+\b", "[]a]", r"[a\]b-]+", "(?P<n>a)b", "(ab){1,}c*", "x+?y??", r"\Aa.\Z|b\.", r"[\d_]+\W"),
)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_match_as_those_of_python(pattern: str) -> None:
    rng, ours = np.random.default_rng(0), compiled(pattern.replace(r"\Z", r"\z"))
    theirs = re.compile(pattern, re.ASCII)
    for _ in range(500):
        text = "".join(rng.choice(list("abcxyABC019-_.@ ]\\\n"), rng.integers(0, 7)))
        assert ours.matches(text, Patience(MOST_STEPS)) == (theirs.fullmatch(text) is not None), (pattern, text)


@pytest.mark.parametrize("pattern", [r"\x41[[:digit:]]", r"\Qa.b\E+", "(?s:.)a(?i)B", r"[[:^alpha:]_]{2}", "a{,2}"])
def test_patterns_of_re2(pattern: str, tmp_path: Path) -> None:
    given = np.array(["A7", "a.bb", "\nab", "\nAb", "1_", "ab", "a{,2}", "aa", ""], object)
    made = text_model([node("RegexFullMatch", "x", "y", pattern=pattern)], "y", [("x", TensorProto.STRING, ["n"])])
    agrees(made, {"x": given}, tmp_path)


@pytest.mark.parametrize(
    "pattern",
    [
        *("(", "a)", "[a", "*a", "a**", r"\1", "(?=a)", r"\pN", "a{1001}", "((a{100}){100}){100}", "(" * 300, "[b-a]"),
        *("\\", "(?<!a)", "[[:foo:]]", r"\x{110000}"),
    ],
)
def test_patterns_that_are_none(pattern: str) -> None:
    with pytest.raises(PatternError):
        Pattern(pattern)


def test_a_word_is_found_as_the_pattern_that_it_is() -> None:
    text, word, pattern = "abcabd abd", compiled("abd"), Pattern("abd")
    for start in range(len(text) + 1):
        found = word.search(text, start, Patience(MOST_STEPS))
        assert found == pattern.search(text, start, Patience(MOST_STEPS))
    assert compiled("").search(text, 3, Patience(MOST_STEPS)) == (3, 3)
    assert word.matches("abd", Patience(1)) and not word.matches("abda", Patience(1))
    with pytest.raises(ValueError, match="takes too long"):
        word.search("a" * 10_000, 0, Patience(10))


def test_patterns_take_no_more_than_their_time() -> None:
    """Python's own takes years for this one."""
    assert not Pattern("(a+)+(a|aa)*b").matches("a" * 4000, Patience(MOST_STEPS))
