"""Answers that outlive their process: what is read again is right and whole, whatever happened to the file."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from classifiers import classifier, images
from session_models import node_graph, python

import millijoule as mj
from millijoule.runtime.graph import Node
from millijoule.runtime.memory import disk as disks
from millijoule.runtime.memory.database import APPLICATION, Database, Row
from millijoule.runtime.memory.question import read_forms, written

if sys.platform == "win32":
    pytest.skip("files that only their owner can have written are known on POSIX", allow_module_level=True)


def sums(shape: tuple[int | str, ...] = ("n", 8)) -> mj.Model:
    """y = x + x."""
    return mj.Model(node_graph(Node("Add", ["x", "x"], ["y"]), inputs={"x": shape}))


def numbers(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (1, 8)).astype(np.float32)


def ask(memory: mj.Memory, seeds: range, model: mj.Model | None = None) -> None:
    with mj.load(model or sums(), memory=memory, target="numpy") as session:
        for seed in seeds:
            x = numbers(seed)
            np.testing.assert_array_equal(session.run(x)["y"], x + x)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers.db"


def filled(path: Path, count: int = 20, **settings: object) -> None:
    memory = mj.Memory(path=path, **settings)  # type: ignore[arg-type]
    ask(memory, range(count))
    memory.close()


def hits(path: Path, seeds: range, **settings: object) -> int:
    memory = mj.Memory(path=path, **settings)  # type: ignore[arg-type]
    ask(memory, seeds)
    found = memory.counts.hits
    memory.close()
    return found


def test_the_next_process_knows_the_answers(path: Path) -> None:
    filled(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and os.listdir(path.parent) == ["answers.db"]
    memory = mj.Memory(path=path)
    ask(memory, range(30))
    assert memory.counts.hits == 20 and memory.counts.misses == 10 and memory.counts.saved_seconds > 0
    assert stat.S_IMODE(path.with_name("answers.db-wal").stat().st_mode) == 0o600
    memory.close()
    assert hits(path, range(40)) == 30


def test_a_process_that_ends_by_itself_writes_all(path: Path) -> None:
    done = python(
        "import sys, numpy as np, millijoule as mj\n"
        "memory = mj.Memory(path=sys.argv[1])\n"
        "session = mj.load(sys.argv[2], memory=memory, target='numpy')\n"
        "session.run(np.ones((1, 8), np.float32))\n",
        path, saved(path), timeout=600,
    )  # fmt: skip
    assert done.returncode == 0 and not done.stderr
    memory = mj.Memory(path=path)
    with mj.load(sums(), memory=memory, target="numpy") as session:
        session.run(np.ones((1, 8), np.float32))
    assert memory.counts.hits == 1


def saved(path: Path) -> Path:
    sums().save(path.with_name("sums.mj"))
    return path.with_name("sums.mj")


def test_answers_are_written_without_being_asked_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disks, "PAUSE", 0.01)
    memory = mj.Memory(path=path)
    ask(memory, range(5))
    assert memory.disk is not None
    until = time.monotonic() + 60
    while memory.disk._thread is not None and time.monotonic() < until:
        time.sleep(0.01)
    assert memory.disk._thread is None and not memory.disk._pending
    assert sql(path, "SELECT count(*) FROM answers") == (5,)
    memory.close()


def test_other_models_get_nothing_and_take_nothing_away(path: Path) -> None:
    filled(path)
    product = mj.Model(node_graph(Node("Mul", ["x", "x"], ["y"]), inputs={"x": ("n", 8)}))
    memory = mj.Memory(path=path)
    with mj.load(product, memory=memory, target="numpy") as session:
        np.testing.assert_array_equal(session.run(numbers(1))["y"], numbers(1) ** 2)
    memory.close()
    assert memory.counts.hits == 0 and hits(path, range(20)) == 20


def test_cascades_and_classifiers_of_images(path: Path) -> None:
    x = images(12)
    for target in ("numpy", "host"):
        answers = []
        for _ in range(2):
            memory = mj.Memory(path=path, min_score=0.0, similar=mj.Similar(audit=0.0, radius=0, tolerance=0.0))
            gate = mj.Gate("margin", 0.6, abstain=0.9)
            with mj.Cascade([classifier(1), classifier(2)], gate, memory, target=target) as cascade:
                answers.append(cascade.run(x))
            assert memory.index is not None and len(memory.index) == 12
            memory.close()
        assert not answers[0].from_memory.any() and answers[1].from_memory.all()
        for name in ("label", "probabilities", "score", "stage", "ran"):
            np.testing.assert_array_equal(getattr(answers[1], name), getattr(answers[0], name))


def test_bounds_hold_on_the_disk(path: Path) -> None:
    filled(path, 50, entries=20)
    assert hits(path, range(30, 50), entries=20) == 20
    product = mj.Model(node_graph(Node("Mul", ["x", "x"], ["y"]), inputs={"x": ("n", 8)}))
    memory = mj.Memory(path=path, entries=20)
    with mj.load(product, memory=memory, target="numpy") as session:
        for seed in range(15):
            session.run(numbers(seed))
    memory.close()
    counted = sql(path, "SELECT count(*), total(size) FROM answers")
    assert counted is not None and counted == sql(path, "SELECT entries, bytes FROM totals") and counted[0] == 20
    assert hits(path, range(45, 50), entries=20) == 5, "the oldest went"
    assert hits(path, range(50), entries=20, max_bytes=5000) <= 4


def test_answers_expire_on_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(path, expire=60.0)
    assert hits(path, range(20), expire=60.0) == 20
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 50)
    memory = mj.Memory(path=path, expire=60.0)
    memory.store.clock = lambda: 1000.0
    ask(memory, range(1))
    memory.store.clock = lambda: 1011.0
    ask(memory, range(1))
    assert (memory.counts.hits, memory.counts.expired) == (1, 1)
    memory.close()
    for later in (70, -70):
        monkeypatch.setattr(time, "time", lambda later=later: now + later)
        assert hits(path, range(1, 20), expire=60.0) == 0


def test_what_is_deleted_stays_deleted(path: Path) -> None:
    filled(path)
    memory = mj.Memory(path=path)
    with mj.load(sums(), memory=memory, target="numpy") as session:
        assert session.forget(numbers(3))
    memory.close()
    assert hits(path, range(20)) == 19
    memory = mj.Memory(path=path)
    ask(memory, range(2))
    memory.clear()
    memory.close()
    assert hits(path, range(20)) == 0


@pytest.mark.parametrize("seed", range(6))
def test_a_damaged_file_gives_no_wrong_answer(path: Path, seed: int) -> None:
    """Bytes are changed, or the end is cut off: answers are missing or right, and what follows works."""
    filled(path, 30)
    rng, content = random.Random(seed), bytearray(path.read_bytes())
    if seed % 3 == 0:
        del content[rng.randrange(100, len(content)) :]
    for _ in range(1 if seed % 2 else 200):
        content[rng.randrange(72, len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        hits(path, range(30))
        assert hits(path, range(30)) >= 0
    filled(path)
    assert hits(path, range(20)) == 20


def sql(path: Path, *statements: str) -> tuple | None:
    """What the last statement gives first."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        found: tuple | None = None
        for statement in statements:
            found = connection.execute(statement).fetchone()
        return found


def test_damage_is_said(path: Path) -> None:
    filled(path)
    sql(
        path,
        "UPDATE answers SET answer = zeroblob(length(answer)) WHERE id = 3",
        "UPDATE answers SET data = zeroblob(length(data)) WHERE id = 4",
        "UPDATE answers SET owner = x'00' WHERE id = 5",
    )
    with pytest.warns(RuntimeWarning, match="2 damaged answers are left out"):
        assert hits(path, range(20)) == 17
    assert hits(path, range(20)) == 20
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.warns(RuntimeWarning, match=r"answers\.db is damaged .* begins anew, empty"):
        assert hits(path, range(20)) == 0
    sql(path, "PRAGMA user_version = 77")
    with pytest.warns(RuntimeWarning, match=r"of version 77.*begins anew"):
        assert hits(path, range(20)) == 0


def test_an_answer_that_this_model_cannot_have_is_left_out(path: Path) -> None:
    """Sound as a row, but not an outcome: what another version may have written."""
    filled(path, 3)
    ((owner,),) = [sql(path, "SELECT owner FROM answers") or ()]
    database = Database(str(path))
    bad = [
        Row(1, owner, "<f4[1,8]", 0, 0.0, 0.0, time.time(), b"\x93", bytes(32)),
        Row(1, owner, "<f4[1,8]", 0, 0.0, 0.0, time.time(), b"", bytes(31)),
        Row(1, owner, "O[1]", 0, 0.0, 0.0, time.time(), b"", bytes(8)),
    ]
    database.write(bad, [], None, None)
    database.close()
    assert hits(path, range(3)) == 3
    assert sql(path, "SELECT count(*) FROM answers") == (3,)


def test_files_of_others_are_left_alone(path: Path) -> None:
    for content in (b"notes", b"SQLite format 3\0" + bytes(200)):
        path.write_bytes(content)
        with pytest.raises(mj.Error, match=r"answers\.db: it is no memory of answers; name another file"):
            mj.Memory(path=path)
        assert path.read_bytes() == content
    sql(path.with_name("others.db"), "CREATE TABLE things (name)")
    with pytest.raises(mj.Error, match="no memory of answers"):
        mj.Memory(path=path.with_name("others.db"))
    path.unlink()
    filled(path, 1)
    path.chmod(0o666)
    with pytest.raises(mj.Error, match="others may write to it"):
        mj.Memory(path=path)
    with pytest.raises(mj.Error, match=r"cannot keep answers in .*: No such file or directory"):
        mj.Memory(path=path.with_name("nowhere") / "x.db")
    path.with_name("link.db").symlink_to(path)
    with pytest.raises(mj.Error, match="symbolic link"):
        mj.Memory(path=path.with_name("link.db"))
    path.with_name("empty.db").touch(0o600)
    filled(path.with_name("empty.db"), 2)
    assert hits(path.with_name("empty.db"), range(2)) == 2


def test_a_full_disk_costs_a_warning_and_no_answer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disks, "PAUSE", 60.0)
    memory = mj.Memory(path=path)
    ask(memory, range(10))
    memory.flush()
    assert memory.disk is not None and memory.disk._database is not None
    connection = memory.disk._database._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 1}")
    ask(memory, range(10, 200))
    with pytest.warns(RuntimeWarning, match="not written any more: database or disk is full; answers are kept in mem"):
        memory.flush()
    ask(memory, range(200))
    assert memory.counts.hits == 200 and memory.counts.misses == 200
    memory.close()
    assert hits(path, range(10)) == 10


def test_two_processes_share_a_file(path: Path) -> None:
    one, other = mj.Memory(path=path), mj.Memory(path=path)
    ask(one, range(10))
    ask(other, range(5, 15))
    one.flush()
    other.flush()
    one.close()
    other.close()
    assert hits(path, range(15)) == 15


def test_a_file_that_another_keeps_locked_is_written_later(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disks, "PAUSE", 60.0)
    monkeypatch.setattr("millijoule.runtime.memory.database.BUSY_SECONDS", 0.01)
    memory = mj.Memory(path=path)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        ask(memory, range(5))
        memory.flush()
        assert memory.disk is not None and len(memory.disk._pending) == 5
        connection.execute("COMMIT")
    memory.close()
    assert hits(path, range(5)) == 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
def test_a_forked_child_writes_nothing(path: Path) -> None:
    memory = mj.Memory(path=path)
    ask(memory, range(5))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            ask(memory, range(10))
            memory.close()
            os._exit(0 if memory.counts.hits == 5 and len(memory) == 10 else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    memory.close()
    assert hits(path, range(10)) == 5


INSERT = """
import sys, numpy as np, millijoule as mj
memory = mj.Memory(entries=100_000, max_bytes=1 << 30, path=sys.argv[1])
session = mj.load(sys.argv[2], memory=memory, target="numpy")
x = np.zeros((1, 8), np.float32)
for number in range(int(sys.argv[3])):
    x[0] = number
    session.run(x)
    if number % 64 == 63:
        memory.flush()
        print(number, flush=True)
"""


def killed_while_inserting(path: Path, model: Path, count: int, after: int) -> int:
    """How many answers were said to be written when the process was killed."""
    command = [sys.executable, "-c", INSERT, str(path), str(model), str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=path.parent) as process:
        assert process.stdout is not None
        written = 0
        for line in process.stdout:
            written = int(line) + 1
            if written >= after:
                break
        process.send_signal(signal.SIGKILL)
        for line in process.stdout:
            written = int(line) + 1
    return written


KILLS = int(os.environ.get("MILLIJOULE_MEMORY_KILLS", "1"))
FULL = os.environ.get("MILLIJOULE_MEMORY_FULL_DISK")


@pytest.mark.skipif(not FULL, reason="MILLIJOULE_MEMORY_FULL_DISK names no folder on a small disk, 1 MB or so")
@pytest.mark.parametrize("free", [0, 24, 96, 256, 1024])
def test_a_disk_that_is_really_full(free: int) -> None:
    """free: KiB that are left. What was written before the disk was full is there afterwards, too."""
    assert FULL is not None
    folder = Path(FULL, f"{os.getpid()}-{free}")
    folder.mkdir()
    space = os.statvfs(folder)
    (folder / "others").write_bytes(bytes(max(0, space.f_bavail * space.f_frsize - free * 1024)))
    written = 0
    with pytest.warns(RuntimeWarning, match="not written any more: .*(full|I/O)"):
        memory = mj.Memory(path=folder / "answers.db")
        for first in range(0, 100_000, 100):
            ask(memory, range(first, first + 100))
            memory.flush()
            if memory.disk is None or memory.disk._database is None:
                break
            written = first + 100
    ask(memory, range(100))
    memory.close()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert hits(folder / "answers.db", range(written)) == written
        hits(folder / "another.db", range(100))
    assert all("disk" in str(warning.message) for warning in said) and (written or free < 100)
    shutil.rmtree(folder)


@pytest.mark.parametrize("after", [64 * (1 + 13 * kill % 150) for kill in range(KILLS)])
def test_a_process_that_is_killed_loses_only_what_was_not_written(path: Path, after: int) -> None:
    """MILLIJOULE_MEMORY_KILLS sets how often."""
    count = killed_while_inserting(path, saved(path), 10_000, after)
    memory = mj.Memory(entries=100_000, max_bytes=1 << 30, path=path)
    x = np.zeros((1, 8), np.float32)
    with mj.load(sums(), memory=memory, target="numpy") as session:
        for number in range(count + 64):
            x[0] = number
            np.testing.assert_array_equal(session.run(x)["y"], x + x)
            assert memory.counts.hits == number + 1 or number >= count
    assert after <= count < 10_000
    memory.close()


def test_forms_are_read_as_they_are_written() -> None:
    forms = (((1, 32, 32, 3), np.dtype(np.float32)), ((), np.dtype(np.uint8)), ((0,), np.dtype(bool)))
    assert read_forms(written(forms)) == forms and read_forms("") == ()
    for wrong in ("<f4", "O[1]", "<f4[x]", "<f4[-1]", "<M8[1]", "<f4[1"):
        with pytest.raises(ValueError):
            read_forms(wrong)
    assert APPLICATION.bit_length() <= 31
