"""A cascade's file: all that makes it is in there, and comes back."""

from __future__ import annotations

import dataclasses
import inspect
import math
import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from classifiers import SIZE, classifier, images
from cli import mj_json
from file_parts import put_together, take_apart

import millijoule as mj
from millijoule.converters.self_test import make_self_test
from millijoule.runtime.cascade.model import CascadeModel
from millijoule.runtime.file.metadata import Metadata, Source

# Every setting that there is, with a value that is not its default. NumPy's numbers are what a search gives.
GATE: dict[str, Any] = {
    "score": "entropy", "threshold": (np.float32(0.5), 0.25), "temperature": (1.5, 1.0, np.float64(2.0)),
    "post_check": False, "abstain": np.float32(0.125),
}  # fmt: skip
SIMILAR: dict[str, Any] = {"fingerprint": "moments", "radius": 0.25, "tolerance": np.float32(0.5), "audit": 1}
MEMORY: dict[str, Any] = {
    "entries": np.int64(7), "max_bytes": 12345, "expire": 60, "min_score": np.float32(0.125),
    "similar": mj.Similar(**SIMILAR),
}  # fmt: skip
HERE = {"threads", "profile", "target", "kernels", "verify", "progress"}
"""What mj.Cascade and mj.load take, of how it is run on one machine."""
NOWHERE = {"path"}
"""What mj.Memory takes and no file says: another machine has other folders, and whoever makes a file must not choose
what is written to on it."""


def settings(of: Any) -> set[str]:
    if dataclasses.is_dataclass(of):
        return {field.name for field in dataclasses.fields(of)}
    return set(inspect.signature(of).parameters)


def cascade(memory: mj.Memory | None = None, **gate: Any) -> mj.Cascade:
    stages = [classifier(1, end="Softmax"), classifier(2, end="int8"), classifier(3)]
    return mj.Cascade(stages, mj.Gate(**gate), memory, target="numpy")


def test_every_setting_is_in_the_file(tmp_path: Path) -> None:
    assert settings(mj.Gate) == GATE.keys() and settings(mj.Similar) == SIMILAR.keys()
    assert settings(mj.Memory) == MEMORY.keys() | NOWHERE
    assert settings(mj.Cascade) == {"stages", "gate", "memory"} | HERE
    for of, given in ((mj.Gate, GATE), (mj.Similar, SIMILAR), (mj.Memory, MEMORY)):
        defaults = {name: parameter.default for name, parameter in inspect.signature(of).parameters.items()}
        assert not any(given[name] == defaults[name] for name in given)
    with cascade(mj.Memory(**MEMORY, path=tmp_path / "answers.db"), **GATE) as saved:
        saved.save(tmp_path / "pair.mj")
        saved.memory.close()  # type: ignore[union-attr]
    loaded = mj.load(tmp_path / "pair.mj", target="numpy")
    assert isinstance(loaded, mj.Cascade) and loaded.memory is not None
    with loaded:
        assert {name: getattr(loaded.gate, name) for name in GATE} == GATE
        assert {name: getattr(loaded.memory, name) for name in MEMORY} == MEMORY
        assert loaded.memory.disk is None and b"answers.db" not in (tmp_path / "pair.mj").read_bytes()
        assert not loaded.run(images(1)).from_memory
        x = images(1)
        x[0, 0, 0, 0] += 1e-3
        loaded.run(x)
        assert loaded.memory.counts.audited == 1, "which only a memory of similar images does"
    with cascade(mj.Memory(**MEMORY), **GATE) as saved:
        saved.save(tmp_path / "again.mj")
    assert (tmp_path / "again.mj").read_bytes() == (tmp_path / "pair.mj").read_bytes()
    assert mj_json("inspect", tmp_path / "pair.mj")["cascade"]["memory"] == {**MEMORY, "similar": SIMILAR}


def test_what_a_stage_brings_is_in_the_file(tmp_path: Path) -> None:
    """All but a self-test: a stage's own says nothing of the cascade, and `mj convert` makes one of the whole."""
    metadata: dict[str, Any] = {
        "source": Source("a.onnx", "onnx", "told"), "input_aliases": {"picture": "image"},
        "output_aliases": {"classes": "logits"}, "labels": [f"thing {at}" for at in range(10)],
        "preprocessing": mj.Preprocessing(std=(255.0,)), "producer": "millijoule 0", "default_sizes": {"n": 1},
    }  # fmt: skip
    # A stage that keeps state is refused.
    assert metadata.keys() | {"states"} == {field.name for field in msgspec.structs.fields(Metadata)}
    stages = [classifier(number, shape=("n", SIZE, SIZE, 3)) for number in (1, 2)]
    for stage in stages:
        stage.metadata = Metadata(**metadata)
        stage.self_test = make_self_test(stage, 1)
    CascadeModel.of(stages, mj.Gate()).save(tmp_path / "pair.mj")
    loaded = mj.Model.load(tmp_path / "pair.mj")
    assert isinstance(loaded, CascadeModel) and not loaded.self_test
    for stage, given in zip(loaded.stages, stages, strict=True):
        assert stage.metadata == given.metadata and stage.graph.inputs == given.graph.inputs
        x = images(1)
        with mj.load(stage, target="numpy") as one, mj.load(given, target="numpy") as other:
            np.testing.assert_array_equal(one.run(x)["logits"], other.run(x)["logits"])


def test_files_that_older_readers_take_say_so(tmp_path: Path) -> None:
    versions = []
    for memory in (None, mj.Memory(), mj.Memory(similar=mj.Similar())):
        with cascade(memory) as saved:
            saved.save(tmp_path / "pair.mj")
        versions.append(take_apart((tmp_path / "pair.mj").read_bytes()).record["version"])
    assert versions == [3, 3, 5]
    parts = take_apart((tmp_path / "pair.mj").read_bytes())
    parts.record["version"] = 4
    (tmp_path / "pair.mj").write_bytes(put_together(parts))
    with pytest.raises(mj.ModelError, match="version 4 of the format has no memory for similar images"):
        mj.load(tmp_path / "pair.mj")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"radius": 17}, "radius"),
        ({"fingerprint": "moments", "radius": 3}, "gate or memory is not sound: radius 3: 0 to 0.5 is wanted"),
        ({"fingerprint": "sum"}, "sum"),
        ({"tolerance": -1}, "tolerance"),
        ({"audit": 1.5}, "audit"),
        ({"seed": 1}, "unknown field"),
    ],
)
def test_settings_that_cannot_be(change: dict[str, Any], problem: str, tmp_path: Path) -> None:
    with cascade(mj.Memory(similar=mj.Similar())) as saved:
        saved.save(tmp_path / "pair.mj")
    parts = take_apart((tmp_path / "pair.mj").read_bytes())
    parts.record["gate"]["memory"]["similar"] |= change
    (tmp_path / "pair.mj").write_bytes(put_together(parts))
    with pytest.raises(mj.ModelError, match=problem):
        mj.load(tmp_path / "pair.mj")


def test_more_stages_than_a_cascade_may_have(tmp_path: Path) -> None:
    with cascade() as saved:
        saved.save(tmp_path / "pair.mj")
    parts = take_apart((tmp_path / "pair.mj").read_bytes())
    parts.record["gate"]["stages"] = [{}] * 1_000_000
    (tmp_path / "pair.mj").write_bytes(put_together(parts))
    tracemalloc.start()
    with pytest.raises(mj.ModelError, match="it has 1000001 stages; a cascade has 64 at most"):
        mj.load(tmp_path / "pair.mj")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 * (tmp_path / "pair.mj").stat().st_size + (16 << 20)


def test_settings_that_no_file_can_say_are_none(tmp_path: Path) -> None:
    for number in (math.inf, math.nan):
        with pytest.raises(mj.InputError, match="is no score"):
            mj.Memory(min_score=number)
    assert mj.Memory(expire=math.inf).expire is None
    with cascade(mj.Memory(entries=2**60)) as saved, pytest.raises(mj.ModelError, match="entries"):
        saved.save(tmp_path / "pair.mj")
    assert not (tmp_path / "pair.mj").exists()


def test_a_cascade_is_one_file(tmp_path: Path) -> None:
    stages = [classifier(1, end="Softmax"), classifier(2, end="int8"), classifier(3)]
    stages[0].metadata.labels = [f"thing {index}" for index in range(10)]
    stages[1].metadata.preprocessing = mj.Preprocessing(std=(255.0,))
    gate = mj.Gate("entropy", (0.6, 0.4), temperature=(1.5, 1.0, 2.0), post_check=False, abstain=0.2)
    memory = mj.Memory(entries=7)
    path = tmp_path / "three.mj"
    with mj.Cascade(stages, gate, memory) as cascade:
        cascade.save(path)
        first = path.read_bytes()
        cascade.save(path)
        assert path.read_bytes() == first
        x = images(12)
        fed = {"0/image": x, "1/image": x, "2/image": x}
        wanted = cascade.run(fed)
    loaded = mj.load(path)
    assert isinstance(loaded, mj.Cascade)
    with loaded:
        assert loaded.gate == gate and len(loaded.stages) == 3
        assert loaded.memory is not None and len(loaded.memory) == 0
        found = loaded.run(fed)
        for name in ("label", "probabilities", "score", "stage", "ran"):
            np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
        assert loaded.classify(x[0].astype(np.uint8), top=1)[0].label.startswith("thing")
        other = mj.Memory()
        with mj.load(path, memory=other) as remembering:
            assert remembering.memory is other
        clone = loaded.clone()
        assert clone.run(fed).label.tolist() == found.label.tolist() and clone.memory is loaded.memory
        clone.close()
