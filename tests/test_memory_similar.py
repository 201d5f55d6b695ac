"""Answers for images that only look like those that were answered: what is found, what is not, and what is known of
that."""

from __future__ import annotations

import math
import tracemalloc

import msgspec
import numpy as np
import pytest
from classifiers import classifier
from session_models import node_graph

import millijoule as mj
from millijoule.runtime.graph import Node
from millijoule.runtime.memory.binomial import binomial_cdf, upper_bound
from millijoule.runtime.memory.blocks import averages
from millijoule.runtime.memory.dhash import DHash
from millijoule.runtime.memory.index import CELL
from millijoule.runtime.memory.moments import Moments
from millijoule.runtime.outcome import Outcome

SIZE = 32
NEVER, ALWAYS = 0.0, 1.0


def model(seed: int = 1, **given: object) -> mj.Model:
    return classifier(seed, shape=(1, SIZE, SIZE, 3), spread=0.02, **given)  # type: ignore[arg-type]


def scene(seed: int) -> np.ndarray:
    """A smooth colour image (SIZE, SIZE, 3), 0..1."""
    coarse = np.random.default_rng(seed).uniform(0, 1, (5, 5, 3))
    grow = np.repeat(np.eye(5), 7, axis=0)[:SIZE]
    blur = np.maximum(0, 1 - abs(np.subtract.outer(np.arange(SIZE), np.arange(SIZE))) / 6)
    grow = blur / blur.sum(1, keepdims=True) @ grow
    return np.einsum("ia,jb,abc->ijc", grow, grow, coarse).astype(np.float32)


def noisy(image: np.ndarray, by: float, seed: int = 0) -> np.ndarray:
    return image + np.random.default_rng(seed).normal(0, by, image.shape).astype(np.float32)


def test_a_noisy_copy_is_answered() -> None:
    memory = mj.Memory(similar=mj.Similar(audit=NEVER), min_score=0.0)
    with mj.load(model(), memory=memory, target="numpy") as session:
        first = session.run(scene(1)[None])
        again = session.run(noisy(scene(1), 0.004)[None])
        other = session.run(scene(2)[None])
    np.testing.assert_array_equal(first["logits"], again["logits"])
    assert (other["logits"] != first["logits"]).any()
    counts = memory.counts
    assert (counts.hits, counts.similar, counts.misses) == (1, 1, 2) and counts.saved_macs > 0


@pytest.mark.parametrize(
    ("what", "other"),
    [
        ("a patch", np.where(np.indices((SIZE, SIZE)).max(0)[..., None] < 4, 1 - scene(1), scene(1))),
        ("the colours", scene(1)[..., ::-1]),
        ("brightness", scene(1) + 0.5),
        ("contrast", scene(1) * 3),
        ("not a number", np.where(np.arange(3) == 1, np.nan, scene(1))),
    ],
)
def test_what_the_fingerprint_does_not_see_the_pixels_do(what: str, other: np.ndarray) -> None:
    """As if all images shared a fingerprint: the second check is enough to tell them apart."""
    memory = mj.Memory(similar=mj.Similar(audit=NEVER), min_score=0.0)
    with mj.load(model(), memory=memory, target="numpy") as session, pytest.MonkeyPatch.context() as patch:
        patch.setattr(DHash, "mark", lambda self, gray: 0)
        session.run(scene(1)[None])
        session.run(np.ascontiguousarray(other, np.float32)[None])
        assert memory.counts.hits == 0
        session.run(noisy(scene(1), 0.004)[None])
        assert memory.counts.hits == 1


def test_turned_images_are_found_by_moments_and_mirrored_ones_are_not() -> None:
    for fingerprint, found in (("moments", 3), ("dhash", 0)):
        memory = mj.Memory(similar=mj.Similar(fingerprint, audit=NEVER), min_score=0.0)
        with mj.load(model(), memory=memory, target="numpy") as session:
            session.run(scene(3)[None])
            for turns in (1, 2, 3):
                session.run(np.rot90(noisy(scene(3), 0.001), turns)[None])
            assert memory.counts.similar == found
            session.run(scene(3)[None, :, ::-1])
            assert memory.counts.similar == found


def test_images_without_contrast_are_only_the_same_as_themselves() -> None:
    for fingerprint in ("dhash", "moments"):
        memory = mj.Memory(similar=mj.Similar(fingerprint, audit=NEVER), min_score=0.0)
        with mj.load(model(), memory=memory, target="numpy") as session:
            for level in (0.0, 0.5, 0.5001, 0.0):
                session.run(np.full((1, SIZE, SIZE, 3), level, np.float32))
        assert (memory.counts.hits, memory.counts.similar) == (1, 0)


def test_moments_against_their_definition() -> None:
    gray = scene(4).mean(2).astype(np.float64)
    mass = gray - gray.min()
    mass /= mass.sum()
    y, x = (places / SIZE for places in np.indices(gray.shape))
    z = x - (mass * x).sum() + 1j * (y - (mass * y).sum())

    def c(p: int, q: int) -> complex:
        total = complex((mass * z**p * z.conj() ** q).sum())
        return total * ((p + q) / 2 + 1) * math.pi ** ((p + q) / 2)

    a, b = c(2, 0) * c(1, 2) ** 2, c(3, 0) * c(1, 2) ** 3
    a, b = a * abs(a) ** (1 / 3 - 1), b * abs(b) ** (1 / 4 - 1)
    found = Moments(0.02).mark(gray.astype(np.float32))
    assert found == pytest.approx((c(1, 1).real, a.real, a.imag, abs(c(1, 2)), b.real, b.imag), abs=2e-4)


@pytest.mark.parametrize("radius", [0, 1, 4, 16])
def test_near_hashes_share_a_group(radius: int) -> None:
    rng, kind = np.random.default_rng(radius), DHash(radius)
    for _ in range(300):
        one, flips = int(rng.integers(2**63)), rng.permutation(64)[: radius + 1].tolist()
        near, far = one, one
        for bit in flips[:radius]:
            near ^= 1 << bit
        for bit in flips:
            far ^= 1 << bit
        assert set(kind.filed(one)) & set(kind.asked(near)) and kind.distance(one, near) == radius
        assert kind.distance(one, far) is None


def test_block_means() -> None:
    x = np.arange(6, dtype=np.float32)
    np.testing.assert_allclose(averages(6, 3) @ x, [0.5, 2.5, 4.5])
    np.testing.assert_allclose(averages(3, 2) @ x[:3], [1 / 3, 5 / 3], rtol=1e-6)


def test_wrong_answers_are_counted_and_deleted() -> None:
    """Every answer is audited, and the entry is made a wrong one first."""
    memory = mj.Memory(similar=mj.Similar(audit=ALWAYS), min_score=0.0)
    with mj.load(model(), memory=memory, target="numpy") as session:
        session.run(scene(1)[None])
        right = session.run(noisy(scene(1), 0.004)[None])
        assert memory.counts.audited == 1 and memory.counts.false == 0 and len(memory) == 2
        ((key, entry), _) = memory.store._entries.items()
        wrong = Outcome.of(entry.answer.layout, {"logits": -right["logits"]})
        memory.clear()
        memory.store.put(key, entry := msgspec.structs.replace(entry, answer=wrong), miss=False)
        assert memory.index is not None
        memory.index.file(key, entry, memory.index.fingerprint.mark(scene(1).mean(2)))
        session.run(noisy(scene(1), 0.004, 2)[None])
    assert memory.counts.false == 1 and memory.counts.hits == 0
    assert memory.store.peek(key) is None and len(memory) == 1
    found = memory.false_hits()
    assert (found.audited, found.wrong, found.rate) == (2, 1, 0.5) and found.upper == pytest.approx(0.97468, abs=1e-5)


def test_bounds_on_a_rate() -> None:
    assert upper_bound(0, 299, 0.95) == pytest.approx(1 - 0.05 ** (1 / 299)) and upper_bound(0, 299, 0.95) < 0.01
    for k, n in ((3, 200), (17, 40), (0, 1)):
        assert binomial_cdf(k, n, upper_bound(k, n, 0.9)) == pytest.approx(0.1)
    assert upper_bound(0, 0, 0.95) == upper_bound(5, 5, 0.95) == 1
    with pytest.raises(mj.InputError):
        mj.Memory().false_hits(1.0)


def test_a_wrong_answer_can_be_deleted_by_what_got_it() -> None:
    memory = mj.Memory(similar=mj.Similar(audit=NEVER), min_score=0.0)
    with mj.load(model(), memory=memory, target="numpy") as session:
        session.run(scene(1)[None])
        assert not session.forget(scene(2)[None])
        assert session.forget(noisy(scene(1), 0.004)[None]) and len(memory) == 0


def test_only_sure_answers_are_given_to_others() -> None:
    sure = mj.Memory(similar=mj.Similar(audit=NEVER))
    with mj.load(model(), target="numpy") as alone, mj.load(model(), memory=sure, target="numpy") as session:
        scores = [alone.run(scene(seed)[None])["logits"][0] for seed in range(30)]
        for seed in range(30):
            session.run(scene(seed)[None])
    wanted = sum(1 / np.exp(z - z.max()).sum() >= 0.9 for z in scores)
    assert len(sure) == wanted < 30 and sure.counts.unsure == 30 - wanted


def test_models_and_versions_do_not_get_each_others_answers() -> None:
    memory = mj.Memory(similar=mj.Similar(audit=NEVER), min_score=0.0)
    prepared = model(1)
    prepared.metadata.preprocessing = mj.Preprocessing(std=(2.0,))
    for one in (model(1), model(2), prepared):
        with mj.load(one, memory=memory, target="numpy") as session:
            session.run(noisy(scene(1), 0.004, one.metadata.preprocessing is None)[None])
    assert memory.counts.hits == 0
    with mj.load(model(1), memory=memory, target="numpy") as session:
        session.run(noisy(scene(1), 0.004, 7)[None])
    assert memory.counts.similar == 1


def test_cascades_answer_for_similar_images() -> None:
    memory = mj.Memory(similar=mj.Similar(audit=NEVER), min_score=0.0)
    with mj.Cascade([model(1), model(2)], mj.Gate("margin", 0.5), memory, target="numpy") as cascade:
        first = cascade.run(scene(1)[None])
        again = cascade.run({"image": noisy(scene(1), 0.004)[None]})
        assert again.from_memory and not first.from_memory and again.label == first.label
        both = np.stack([noisy(scene(1), 0.004, 3), scene(2)])
        assert cascade.run(both).from_memory.tolist() == [True, False]
        assert cascade.forget(both) and len(memory) == 0 and not cascade.forget(both)


def test_what_is_evicted_is_found_no_more_and_cells_are_bounded() -> None:
    memory = mj.Memory(entries=40, similar=mj.Similar(audit=NEVER, radius=2), min_score=0.0)
    with mj.load(model(), memory=memory, target="numpy") as session, pytest.MonkeyPatch.context() as patch:
        patch.setattr(DHash, "mark", lambda self, gray: 0)
        index = memory.index
        assert index is not None
        for seed in range(60):
            session.run(scene(seed)[None])
            assert len(index) == len(memory) <= 40
        assert {len(keys) for keys in index._cells.values()} == {CELL}
        memory.clear()
        assert not index._cells and not index._marks


def test_bytes_are_bounded_with_an_index() -> None:
    memory = mj.Memory(similar=mj.Similar(audit=NEVER, radius=16), min_score=0.0)
    rng = np.random.default_rng(0)
    with mj.load(classifier(1, shape=(1, 8, 8, 3)), memory=memory, target="numpy") as session:
        session.run(rng.normal(0, 1, (1, 8, 8, 3)).astype(np.float32))
        tracemalloc.start()
        before, counted = tracemalloc.get_traced_memory()[0], memory.bytes
        for _ in range(100):
            session.run(rng.normal(0, 1, (1, 8, 8, 3)).astype(np.float32))
        taken = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
    assert taken < memory.bytes - counted


REFUSED = [
    (mj.Model(node_graph(Node("Relu", ["x"], ["y"]), inputs={"x": (1, 8)})), "only images are similar|not the scores"),
    (mj.Model(node_graph(Node("Relu", ["x"], ["y"]), inputs={"x": (1, 8, 8, 3)})), "not the scores.*without similar="),
]


@pytest.mark.parametrize(("one", "said"), REFUSED)
def test_models_that_similar_inputs_are_nothing_to(one: mj.Model, said: str) -> None:
    with pytest.raises(mj.InputError, match=said):
        mj.load(one, memory=mj.Memory(similar=mj.Similar()), target="numpy")


@pytest.mark.parametrize(
    "bad",
    [{"fingerprint": "hash"}, {"radius": 17}, {"radius": -1}, {"tolerance": -1.0}, {"audit": 2.0},
     {"fingerprint": "moments", "radius": 1.0}, {"tolerance": float("nan")}, {"tolerance": None}, {"radius": "far"},
     {"audit": "all"}],
    ids=str,
)  # fmt: skip
def test_settings_that_cannot_be(bad: dict) -> None:
    with pytest.raises(mj.InputError):
        mj.Similar(**bad)
