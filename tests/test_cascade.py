"""Cascades: whoever answers, with which score, is what a cascade in NumPy says; on every target, from every form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from classifiers import CLASSES, SIZE, classifier, expect, images
from kernel_cases import TARGETS
from small_model import small_model

import millijoule as mj
from millijoule.runtime.program.program import Call, PythonStep

GATES = [
    mj.Gate("max", 0.6),
    mj.Gate("margin", 0.5),
    mj.Gate("entropy", 0.7),
    mj.Gate("margin", 0.5, post_check=False),
    mj.Gate("margin", 0.6, temperature=(2.0, 0.7)),
    mj.Gate("entropy", 0.7, abstain=0.8),
    mj.Gate("max", 2.0),
    mj.Gate("max", 0.0),
]


def agree(cascade: mj.Cascade, stages: Sequence[mj.Model], x: np.ndarray, feeds: Any = None) -> list[int]:
    """Holds a batch's answers against the NumPy cascade's; how many stages ran for each row that is not on the edge."""
    gate = cascade.gate
    found = cascade.run({"image": x} if feeds is None else feeds)
    ran = []
    for row in range(len(x)):
        wanted = expect(stages, gate, {name: x[row : row + 1] for stage in stages for name in stage.inputs})
        if wanted.close:
            continue
        assert (found.label[row], found.stage[row], found.ran[row]) == (wanted.label, wanted.stage, wanted.ran)
        assert found.score[row] == pytest.approx(wanted.score, abs=2e-5)
        np.testing.assert_allclose(found.probabilities[row], wanted.probabilities, atol=2e-5)
        ran.append(wanted.ran)
    assert len(ran) > len(x) // 2
    return ran


@pytest.mark.parametrize("target", [*TARGETS, "numpy"])
@pytest.mark.parametrize("gate", GATES, ids=str)
def test_two_stages(gate: mj.Gate, target: str) -> None:
    stages = [classifier(1), classifier(2)]
    with mj.Cascade(stages, gate, target=target, threads=1) as cascade:
        ran = agree(cascade, stages, images(40))
    assert gate.threshold in (0.0, 2.0) or 0.1 < np.mean(np.array(ran) == 1) < 0.9


@pytest.mark.parametrize("post_check", [True, False])
@pytest.mark.parametrize("steps", [("Relu",), ("Relu", "Trilu", "Sigmoid")], ids=["kernels", "a step of NumPy's"])
@pytest.mark.parametrize("count", [1, 3, 5])
def test_any_number_of_stages(count: int, steps: tuple[str, ...], post_check: bool) -> None:
    stages = [classifier(seed, steps=steps if seed % 2 else ("Relu",)) for seed in range(1, count + 1)]
    thresholds = (0.9, 0.8, 0.7, 0.6)[: count - 1] or 0.5
    gate = mj.Gate(
        "margin", thresholds, temperature=tuple(np.linspace(2, 1, count)), post_check=post_check, abstain=0.3
    )
    with mj.Cascade(stages, gate) as cascade:
        kinds = {type(step) for step in cascade.engine.plan({"image": (1, SIZE, SIZE, 3)}, ()).program.steps}
        ran = agree(cascade, stages, images(60, seed=3))
    assert kinds == ({Call, PythonStep} if "Trilu" in steps else {Call})
    assert len(set(ran)) >= min(count, 2)


ENDS = ["", "Softmax", "LogSoftmax", "int8"]


@pytest.mark.parametrize("first", ENDS)
@pytest.mark.parametrize("second", ENDS)
def test_whatever_a_model_ends_in(first: str, second: str) -> None:
    stages = [classifier(1, end=first), classifier(2, end=second)]
    with mj.Cascade(stages, mj.Gate("margin", 0.5)) as cascade:
        agree(cascade, stages, images(20))


def test_one_logit_is_two_classes() -> None:
    stages = [classifier(1, classes=1, end="Sigmoid"), classifier(2, classes=2), classifier(3, classes=1)]
    gate = mj.Gate("margin", 0.6)
    with mj.Cascade(stages, gate) as cascade:
        agree(cascade, stages, images(40))
        assert cascade.run(images(1)).probabilities.shape == (2,)


def test_a_softmax_of_integers_is_taken_before_it_loses_digits() -> None:
    """small_model ends in a softmax of dequantized int8 logits."""
    model = small_model()
    with mj.Cascade([model, model], mj.Gate("max", 0.9)) as cascade, mj.load(model) as alone:
        x = np.random.default_rng(0).normal(0, 1, (4, 8, 8, 3)).astype(np.float32)
        found = cascade.run({"image": x})
        np.testing.assert_allclose(found.probabilities, alone.run({"pixels": x})["scores"], atol=1e-6)


def test_the_second_stage_does_not_run_where_the_first_is_sure() -> None:
    """Its memory keeps what was there before."""
    stages = [classifier(1), _with_convolutions(classifier(2))]
    with mj.Cascade(stages, mj.Gate("max", 0.0), threads=1) as cascade:
        cascade.inputs["image"][...] = images(1)
        cascade.invoke()
        workspace = cascade._own
        assert workspace is not None and workspace.plan is not None
        workspace._memory[:] = 77
        workspace.inputs["image"][...] = images(1)
        cascade.invoke()
        steps = workspace.plan.program.steps
        gate = next(index for index, step in enumerate(steps) if step.jump is not None)
        left_out = range(gate + 1, steps[gate].jump.to)  # type: ignore[union-attr]
        others = np.zeros(workspace._memory.size, bool)
        for storage in workspace.plan.program.storages:
            if storage.first not in left_out:
                others[storage.offset : storage.offset + storage.size] = True
        alone = [s for s in workspace.plan.program.storages if not others[s.offset : s.offset + s.size].any()]
        assert alone
        for storage in alone:
            assert (workspace._memory[storage.offset : storage.offset + storage.size] == 77).all()
        assert cascade.outputs["answer"][4] == 1


def test_threads_share_the_steps_of_a_cascade() -> None:
    stages = [classifier(1, shape=(1, 64, 64, 3), spread=0.02), classifier(2, shape=(1, 64, 64, 3), spread=0.02)]
    heavy = [_with_convolutions(stage) for stage in stages]
    with mj.Cascade(heavy, mj.Gate("margin", 0.5), threads=2) as cascade:
        program = cascade.engine.plan({"image": (1, 64, 64, 3)}, ()).program
        assert program.shared
        agree(cascade, heavy, images(12, size=64))


def _with_convolutions(model: mj.Model) -> mj.Model:
    from millijoule.runtime.graph import Node, Value

    graph = model.graph
    graph.add_constant("filters", np.random.default_rng(9).normal(0, 0.1, (3, 7, 7, 3)).astype(np.float32))
    for index in range(3):
        before, name = ("image" if index == 0 else f"seen{index - 1}"), f"seen{index}"
        graph.add_value(Value(name, np.dtype(np.float32)))
        node = Node("Conv", [before, "filters"], [name], {"pads": [3, 3, 3, 3], "activation": "Relu"}, f"look{index}")
        graph.nodes.insert(index, node)
    graph.nodes[3].inputs[0] = "seen2"
    return model


def test_one_row_gives_numbers_and_several_give_arrays() -> None:
    with mj.Cascade([classifier(1), classifier(2)], mj.Gate("margin", 0.5)) as cascade:
        one = cascade.run({"image": images(1)})
        assert (type(one.label), type(one.score), type(one.stage), one.from_memory) == (int, float, int, False)
        assert one.probabilities.shape == (CLASSES,) and not one.probabilities.flags.writeable
        three = cascade.run(images(3))
        assert three.label[0] == one.label and three.probabilities.shape == (3, CLASSES)
        none = cascade.run(images(0))
        assert none.label.shape == (0,) and none.probabilities.shape == (0, CLASSES)


def test_a_symbolic_batch_is_asked_row_by_row() -> None:
    stages = [classifier(1, shape=("n", SIZE, SIZE, 3)), classifier(2, shape=("batch", SIZE, SIZE, 3))]
    with mj.Cascade(stages, mj.Gate("margin", 0.5)) as cascade:
        agree(cascade, stages, images(10))
        assert list(cascade.model.inputs) == ["image"]


def test_inputs_of_one_name_that_differ_are_each_stages_own() -> None:
    small = classifier(1)
    large = classifier(2, shape=(1, 9, 9, 3))
    with mj.Cascade([small, large], mj.Gate("margin", 0.5)) as cascade:
        assert list(cascade.model.inputs) == ["0/image", "1/image"]
        with pytest.raises(mj.InputError, match=r"stage 0 takes 'image' float32 \(1, 6, 6, 3\), stage 1 takes"):
            cascade.run({"image": images(1)})
        with pytest.raises(mj.InputError, match="arrays by name"):
            cascade.run(images(1))
        x, y = images(5), images(5, size=9)
        found = cascade.run({"0/image": x, "1/image": y})
        for row in range(5):
            first = expect([small], mj.Gate("margin", 0.5), {"image": x[row : row + 1]})
            second = expect([large], mj.Gate("margin", 0.5), {"image": y[row : row + 1]})
            best = first if first.score >= 0.5 or first.score >= second.score else second
            assert found.label[row] == best.label
        with pytest.raises(mj.InputError, match="different numbers of rows"):
            cascade.run({"0/image": x, "1/image": y[:2]})


def test_an_image_is_prepared_for_each_stage() -> None:
    pytest.importorskip("PIL")
    stages = [classifier(1), classifier(2)]
    stages[0].metadata.preprocessing = mj.Preprocessing(std=(255.0,))
    stages[1].metadata.preprocessing = mj.Preprocessing(mean=(127.0,), std=(64.0,), color="bgr")
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
    with mj.Cascade(stages, mj.Gate("max", 2.0)) as cascade:
        fed = cascade.prepare(pixels)
        assert list(fed) == ["0/image", "1/image"]
        np.testing.assert_allclose(fed["0/image"][0], pixels / 255, atol=1e-6)
        np.testing.assert_allclose(fed["1/image"][0], (pixels[..., ::-1] - 127.0) / 64, atol=1e-5)
        answer = cascade.run(fed)
        best = cascade.classify(pixels, top=1)[0]
        assert best.index == answer.label and best.score == pytest.approx(answer.probabilities.max())
    stages[1].metadata.preprocessing = stages[0].metadata.preprocessing
    with mj.Cascade(stages, mj.Gate("max", 2.0)) as cascade:
        assert list(cascade.prepare(pixels)) == ["image"]


WRONG = [
    ({"picture": images(1)}, "no input 'picture'"),
    ({"image": images(1).astype(np.float64)}, "float32"),
    ({"image": images(1, size=7)}, r"got shape \(1, 7, 7, 3\)"),
    ({"image": np.float32(1)}, r"got shape \(\)"),
    ({}, "missing input"),
]


@pytest.mark.parametrize(("feeds", "problem"), WRONG, ids=[problem for _, problem in WRONG])
def test_wrong_feeds_are_one_clear_error(feeds: dict, problem: str) -> None:
    for memory in (None, mj.Memory()):
        cascade = mj.Cascade([classifier(1), classifier(2)], mj.Gate(), memory, target="numpy")
        with cascade, pytest.raises(mj.InputError, match=problem):
            cascade.run(feeds)


def test_stages_that_do_not_go_together() -> None:
    with pytest.raises(mj.ModelError, match="stage 0 knows 10 classes and stage 1 7"):
        mj.Cascade([classifier(1), classifier(2, classes=7)], mj.Gate())
    named, other = classifier(1), classifier(2)
    named.metadata.labels = [f"a{i}" for i in range(10)]
    other.metadata.labels = [f"b{i}" for i in range(10)]
    with pytest.raises(mj.ModelError, match="stage 1 has other labels"):
        mj.Cascade([named, other], mj.Gate())
    for bad, problem in (([], "needs stages"), ([object()], "not object"), (named, "a list"), ("a.mj", "a list")):
        with pytest.raises(mj.InputError, match=problem):
            mj.Cascade(bad, mj.Gate())  # type: ignore[arg-type]
    with pytest.raises(mj.InputError, match=r"b.onnx: a stage is a .mj file, or what mj.convert\('b.onnx'\) gives"):
        mj.Cascade([named, "b.onnx"], mj.Gate())
    for arguments, problem in ((("margin",), "an mj.Gate is wanted"), ((mj.Gate(), 4096), "an mj.Memory is wanted")):
        with pytest.raises(mj.InputError, match=problem):
            mj.Cascade([named], *arguments)
    from session_models import float_network

    with pytest.raises(mj.ModelError, match=r"stage 1: output 'y' .* is not the scores of one input's classes"):
        mj.Cascade([classifier(1), float_network()], mj.Gate())


BAD_GATES: list[dict[str, Any]] = [
    {"score": "best"}, {"threshold": float("nan")}, {"threshold": ()}, {"threshold": "high"}, {"temperature": 0.0},
    {"temperature": (1.0, -1.0)}, {"abstain": float("inf")}, {"abstain": "low"}, {"threshold": np.array("high")},
    {"threshold": None},
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_GATES, ids=str)
def test_gates_that_cannot_be(bad: dict[str, Any]) -> None:
    with pytest.raises(mj.InputError):
        mj.Gate(**bad)


@pytest.mark.parametrize("number", [0.5, np.float32(0.5), np.array(0.5), np.array(0.5, np.float32)], ids=repr)
def test_a_number_of_a_gate_is_whatever_python_takes_for_one(number: Any) -> None:
    gate = mj.Gate(threshold=number, temperature=number, abstain=number)
    assert (gate.threshold, gate.temperature, gate.abstain) == (0.5, 0.5, 0.5)


def test_a_gate_for_another_number_of_stages() -> None:
    for gate in (mj.Gate("max", (0.5, 0.5)), mj.Gate("max", 0.5, temperature=(1.0,))):
        with pytest.raises(mj.InputError, match="one for each stage"):
            mj.Cascade([classifier(1), classifier(2)], gate)


def test_named_outputs_are_of_every_stage() -> None:
    with mj.Cascade([classifier(1), classifier(2)], mj.Gate("max", 0.0)) as cascade:
        x = images(1)
        found = cascade.run({"image": x}, outputs=["1/logits", "0/logits"])
        for number in (0, 1):
            with mj.load(classifier(number + 1)) as alone:
                np.testing.assert_allclose(found[f"{number}/logits"], alone.run(x)["logits"], rtol=1e-5)
        assert cascade.run({"image": x}).ran == 1
        for rows in (0, 3):
            with pytest.raises(mj.InputError, match=f"of one row, and {rows} are given"):
                cascade.run({"image": images(rows)}, outputs=["1/logits"])


def test_confident_answers_are_remembered() -> None:
    stages, x = [classifier(1), classifier(2)], images(40)
    memory = mj.Memory()
    with mj.Cascade(stages, mj.Gate("margin", 0.6), memory) as cascade:
        fresh, again = cascade.run(x), cascade.run(x)
        single = cascade.run({"image": x[:1]})
        macs = cascade.model.stage_macs(cascade.engine.plan({"image": x[:1].shape}, ()).program.node_macs)
    sure = fresh.score >= 0.6
    assert 0 < sure.sum() < 40
    np.testing.assert_array_equal(again.from_memory, sure)
    assert not fresh.from_memory.any()
    for name in ("label", "probabilities", "score", "stage", "ran"):
        np.testing.assert_array_equal(getattr(fresh, name), getattr(again, name))
    assert single.from_memory == sure[0] and single.label == fresh.label[0]
    counts = memory.counts
    assert counts.hits == sure.sum() + sure[0] and counts.unsure == 2 * (~sure).sum() + (not sure[0])
    spent = np.where(fresh.ran == 1, macs[0], sum(macs))
    assert counts.saved_macs == spent[sure].sum() + sure[0] * spent[0] and macs[0] > 0


def test_the_least_score_that_is_remembered() -> None:
    x = images(20)
    for least, kept in ((0.0, 20), (2.0, 0)):
        memory = mj.Memory(min_score=least)
        with mj.Cascade([classifier(1), classifier(2)], mj.Gate("margin", 0.6), memory) as cascade:
            cascade.run(x)
        assert len(memory) == kept


def test_stages_may_be_files_and_sessions(tmp_path: Path) -> None:
    classifier(1).save(tmp_path / "a.mj")
    with mj.load(classifier(2)) as second, mj.Cascade([tmp_path / "a.mj", second], mj.Gate("margin", 0.5)) as cascade:
        agree(cascade, [classifier(1), classifier(2)], images(10))
        assert repr(cascade).startswith("<Cascade classifier 1 + classifier 2 on ")


def test_a_gate_s_node_in_a_file_ends_nothing_early(tmp_path: Path) -> None:
    """What a file says are nodes like any others: only the linker knows where a program may be left."""
    model = classifier(1)
    from millijoule.runtime.graph import Node, Value

    model.graph.add_value(Value("p", np.dtype(np.float32)))
    model.graph.add_value(Value("r", np.dtype(np.float32)))
    model.graph.nodes.append(Node("Softmax", ["logits"], ["p"], {"axis": -1}, "p"))
    model.graph.nodes.append(Node("ConfidenceGate", ["logits", "p"], ["r"], {"score": "max"}, "0/gate"))
    model.graph.outputs = ["r", "p"]
    model.save(tmp_path / "gate.mj")
    with mj.load(tmp_path / "gate.mj") as session:
        assert all(step.jump is None for step in session.engine.plan({"image": (1, SIZE, SIZE, 3)}, ()).program.steps)
        assert session.run(images(1))["r"][2] == 1
