"""10 000 damaged files, each loaded with and without its checksum: an answer or an Error, nothing else.

MILLIJOULE_FUZZ sets how many; the default is a slice of 1 000.
"""

from __future__ import annotations

import faulthandler
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any

import fuzz_runner
import numpy as np
import pytest
from fuzz_mutants import gate_mutant, mutant
from fuzz_runner import Answer, Limits, Load
from small_model import small_model
from text_model import ITEMS, WORDS, text_model

from millijoule.converters.self_test import make_self_test
from millijoule.runtime.cascade.gate import Gate
from millijoule.runtime.cascade.model import CascadeModel
from millijoule.runtime.errors import Error, InputError, ModelError
from millijoule.runtime.evaluate import reference
from millijoule.runtime.evaluate.shapes import instantiate
from millijoule.runtime.file.self_test import in_order
from millijoule.runtime.file.write import serialize
from millijoule.runtime.memory.memory import Memory
from millijoule.runtime.model import Model
from millijoule.runtime.session import load

COUNT = int(os.environ.get("MILLIJOULE_FUZZ", "1000"))
DECLARED = 16 << 20
SOUND = {"scores": np.arange(10, dtype=np.float32)}
PIXELS = np.random.default_rng(3).normal(size=(2, 8, 8, 3)).astype(np.float32)

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits a process as Linux does")


def by_reference(path: Path, verify: bool) -> Answer:
    """The outputs for PIXELS that the NumPy references give."""
    model = sparing(Model.load(path, verify=verify))
    try:
        return reference.run(model.graph, {"pixels": PIXELS})
    except MemoryError as error:
        # References make temporary arrays that no arena declares; reading the file, above, may not run out.
        raise Error(f"the NumPy reference needs more memory than this test grants: {error}") from None


def by_session(path: Path, verify: bool) -> Answer:
    """The outputs for PIXELS that a session gives, its steps compiled where they have a kernel."""
    with load(sparing(Model.load(path, verify=verify)), threads=1) as session:
        return session.run({"pixels": PIXELS})


def sparing(model: Model, rows: int = 2) -> Model:
    """The model, unless it openly declares more memory than this test grants."""
    tensors = instantiate(model.graph, {"pixels": PIXELS[:rows].shape}).tensors.values()
    if sum(tensor.size * tensor.dtype.itemsize for tensor in tensors) > DECLARED:
        raise Error("the graph declares more memory than this test grants")
    return model


def by_cascade(path: Path, verify: bool) -> Answer:
    """One row's answer, also where a mutant has become one model alone."""
    model = sparing(Model.load(path, verify=verify), 1)
    with load(model, threads=1) as session:
        found = session.run({"pixels": PIXELS[:1]})
    return found if isinstance(found, dict) else {name: np.asarray(item) for name, item in found._asdict().items()}


# A session reserves address space for weights without touching it, and a mutant's kernel may have to be compiled.
WAYS = [
    pytest.param(by_reference, Limits(), id="reference"),
    pytest.param(by_session, Limits(address_space=4 << 30, resident=256 << 20), id="session"),
]


@pytest.fixture(scope="module")
def file() -> bytes:
    model = small_model()
    cases = in_order(make_self_test(model, 1), model.graph)
    return serialize(model.graph, model.metadata, self_test=cases)


@pytest.mark.parametrize(("way", "limits"), WAYS)
def test_mutants(file: bytes, way: Load, limits: Limits, tmp_path: Path) -> None:
    path = tmp_path / "sound.mj"
    path.write_bytes(file)
    sound = way(path, True)
    path.unlink()
    outcome = fuzz_runner.run(lambda index: mutant(file, index), range(COUNT), way, sound, tmp_path, limits, workers=2)
    failures = outcome.failures
    assert not failures, f"{len(failures)} of {COUNT}:\n" + "\n".join(failures[:20])
    # Mutants that all fail at the door would prove little about the rooms behind it.
    assert outcome.answered > COUNT // 20
    assert os.listdir(tmp_path) == []


def test_mutants_of_a_cascade(tmp_path: Path) -> None:
    path = tmp_path / "sound.mj"
    CascadeModel.of([small_model(), small_model()], Gate("margin", 0.5, abstain=0.1), Memory()).save(path)
    file, sound = path.read_bytes(), by_cascade(path, True)
    path.unlink()
    limits = Limits(address_space=4 << 30, resident=256 << 20)
    outcome = fuzz_runner.run(
        lambda index: (gate_mutant if index % 2 else mutant)(file, index), range(COUNT // 2), by_cascade, sound,
        tmp_path, limits, workers=2,
    )  # fmt: skip
    assert not outcome.failures, "\n".join(outcome.failures[:20])
    assert outcome.answered > COUNT // 40


def by_text(path: Path, verify: bool) -> Answer:
    """What a session gives for text, a sequence and an absent value, as bytes where it is no array of numbers."""
    with load(Model.load(path, verify=verify), threads=1) as session:
        found = session.run({"words": WORDS, "items": ITEMS, "maybe": None})
    return {name: _plain(item) for name, item in found.items()}


def _plain(item: Any) -> np.ndarray:
    if isinstance(item, np.ndarray) and item.dtype != object:
        return item
    said = str(item.tolist() if isinstance(item, np.ndarray) else item)
    return np.frombuffer(said.encode(), np.uint8)


def test_mutants_of_text(tmp_path: Path) -> None:
    path = tmp_path / "sound.mj"
    text_model().save(path)
    file, sound = path.read_bytes(), by_text(path, True)
    path.unlink()
    limits = Limits(address_space=4 << 30, resident=256 << 20)
    outcome = fuzz_runner.run(
        lambda index: mutant(file, index), range(COUNT // 2), by_text, sound, tmp_path, limits, workers=2
    )
    assert not outcome.failures, "\n".join(outcome.failures[:20])
    assert outcome.answered > COUNT // 40


def crash(path: Path, verify: bool) -> Answer:
    faulthandler.disable()
    os.kill(os.getpid(), signal.SIGSEGV)
    return {}


def hang(path: Path, verify: bool) -> Answer:
    time.sleep(60)
    return {}


def spin(path: Path, verify: bool) -> Answer:
    while True:
        pass


def swell(path: Path, verify: bool) -> Answer:
    return {"scores": np.zeros(1 << 28, np.uint8)}


def touch(path: Path, verify: bool) -> Answer:
    np.ones(100 << 20, np.uint8)
    raise ModelError("refused, but at what price")


def stumble(path: Path, verify: bool) -> Answer:
    answer: Answer = {}
    return {"scores": answer["scores"]}


def differ(path: Path, verify: bool) -> Answer:
    return {"scores": np.zeros(10, np.float32)}


def grumble(path: Path, verify: bool) -> Answer:
    raise InputError("the right kind of error only without a checksum")


@pytest.mark.parametrize(
    ("way", "symptom"),
    [
        (crash, "died of SIGSEGV"),
        (hang, "died of SIGALRM"),
        (spin, "died of SIGPROF"),
        (swell, "MemoryError"),
        (touch, r"touched \d+ MiB"),
        (stumble, "KeyError"),
        (differ, "another answer"),
        (grumble, "InputError"),
    ],
)
def test_the_runner_sees_what_it_is_for(way: Load, symptom: str, tmp_path: Path) -> None:
    limits = Limits(seconds=0.1 if way in (hang, spin) else 10)
    outcome = fuzz_runner.run(lambda index: b"", range(3), way, SOUND, tmp_path, limits)
    assert len(outcome.failures) == 3 and not outcome.answered
    assert all(re.search(symptom, failure) for failure in outcome.failures), outcome.failures


def test_errors_are_as_good_as_the_sound_answer(tmp_path: Path) -> None:
    def answer(path: Path, verify: bool) -> Answer:
        if path.read_bytes() == b"0":
            return SOUND
        raise ModelError("refused") if verify else Error("refused")

    outcome = fuzz_runner.run(lambda index: b"%d" % index, range(3), answer, SOUND, tmp_path, Limits())
    assert outcome == fuzz_runner.Outcome([], 1)


def test_a_mutant_can_be_made_again(file: bytes) -> None:
    made = [mutant(file, index) for index in range(50)]
    assert made == [mutant(file, index) for index in range(50)]
    assert sum(content != file for content in made) > 45
