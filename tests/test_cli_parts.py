"""What the commands share: numbers as people read them, progress, names of inputs, archives."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import click
import msgspec
import numpy as np
import pytest
from cli import START, mj, one_line
from small_model import small_model

from millijoule.runtime.errors import InputError
from millijoule.runtime.graph import Graph, Node, Value
from millijoule.runtime.model import Model
from millijoule.tools.models.feeds import random_inputs
from millijoule.tools.models.preparation import Number, Numbers
from millijoule.tools.models.sources import concrete_shapes, parse_named, parse_shape_sets, parse_shapes
from millijoule.tools.report import progress, table
from millijoule.tools.report.arrays import describe, write_npz
from millijoule.tools.report.display import duration, factor, shape, shorten, size

FLOAT = np.dtype(np.float32)


def two_inputs(*names: str) -> Model:
    graph = Graph({name: Value(name, FLOAT, ("N", 4)) for name in (*names, "sum")})
    graph.nodes, graph.inputs, graph.outputs = [Node("Add", list(names), ["sum"])], list(names), ["sum"]
    return Model(graph)


@pytest.mark.parametrize(
    ("seconds", "text"), [(7.34e-6, "7.3 us"), (0.9994e-3, "999.4 us"), (0.0123, "12.30 ms"), (2.5, "2.50 s")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 20, "5.00 MiB")])
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


def test_shapes_as_text() -> None:
    assert [shape(dims) for dims in ((1, 3, 8), ("N", 3), (), None)] == ["1x3x8", "(N, 3)", "scalar", "any"]


def test_long_names_keep_both_ends() -> None:
    name = "begin" + 100 * "x" + "end"
    assert len(shorten(name)) <= 60 and shorten(name).startswith("begin") and shorten(name).endswith("end")
    assert shorten("short") == "short"


@pytest.mark.parametrize(("text", "number"), [("2", 2.0), ("1/255", 1 / 255), ("-0.5", -0.5), ("1e-3/2", 5e-4)])
def test_numbers_and_fractions(text: str, number: float) -> None:
    assert Number().convert(text, None, None) == number
    assert Numbers().convert(f"{text}, 7", None, None) == (number, 7.0)


@pytest.mark.parametrize("text", ["", "x", "1/0", "1,,2", "1/2/3"])
def test_no_numbers(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Numbers().convert(text, None, None)


def test_inputs_by_name_alias_or_alone(tmp_path: Path) -> None:
    model = two_inputs("a=b", "c")
    model.metadata.input_aliases = {"alias": "c"}
    found = parse_named(model, ["a=b=one=1.npy", "alias=two.npy"], "--input")
    assert found == {"a=b": "one=1.npy", "c": "two.npy"}
    with pytest.raises(InputError, match="NAME=VALUE"):
        parse_named(model, ["three.npy"], "--input")
    odd = tmp_path / "a=b.npy"
    odd.write_bytes(b"")
    assert parse_named(small_model(), [str(odd)], "--input") == {"pixels": str(odd)}


def test_shapes_of_symbolic_inputs() -> None:
    model = two_inputs("a", "b")
    assert concrete_shapes(model, {}) == {"a": (1, 4), "b": (1, 4)}
    assert concrete_shapes(model, parse_shapes(model, ["a=3,4", "b=3x4"])) == {"a": (3, 4), "b": (3, 4)}


def test_shapes_of_several_runs() -> None:
    model = two_inputs("a", "b")
    assert parse_shape_sets(model, []) == [{}]
    assert parse_shape_sets(model, ["a=1,4", "b=1,4"]) == [{"a": (1, 4), "b": (1, 4)}]
    several = parse_shape_sets(model, ["a=1,4", "a=2,4", "b=1,4", "a=3,4", "b=2,4"])
    assert several == [{"a": (1, 4), "b": (1, 4)}, {"a": (2, 4), "b": (2, 4)}, {"a": (3, 4), "b": (2, 4)}]
    with pytest.raises(InputError, match="sizes separated"):
        parse_shape_sets(model, ["a=1,4", "a=1,y"])
    with pytest.raises(InputError, match="twice"):
        parse_shapes(model, ["a=1,4", "a=2,4"])


def test_random_numbers_fit_the_dtype() -> None:
    dtypes = ["float32", "float16", "int8", "uint8", "int64", "bool"]
    graph = Graph({name: Value(name, np.dtype(name), (2000,)) for name in dtypes}, inputs=dtypes)
    found = random_inputs(Model(graph), dict.fromkeys(dtypes, (2000,)), 1)
    assert {name: str(array.dtype) for name, array in found.items()} == {name: name for name in dtypes}
    assert (found["int8"].min(), found["int8"].max()) == (-128, 127)
    assert (found["uint8"].min(), found["uint8"].max()) == (0, 255)
    assert set(found["int64"].tolist()) == {0, 1}
    assert abs(found["float32"].mean()) < 0.1 and abs(found["float32"].std() - 1) < 0.1


def test_archives_take_any_name(tmp_path: Path) -> None:
    arrays = {"file": np.arange(3), "a/b:0": np.ones((2, 0)), "allow_pickle": np.array(True), "": np.float32(2)}
    write_npz(str(tmp_path / "x.npz"), {name: np.asarray(array) for name, array in arrays.items()})
    with np.load(tmp_path / "x.npz", allow_pickle=False) as found:
        assert set(found) == set(arrays)
        assert all(np.array_equal(found[name], arrays[name]) for name in arrays)


def test_outputs_in_a_few_numbers() -> None:
    found = describe(np.array([1.0, np.nan, 3.0, np.inf], np.float32))
    assert found == {"shape": [4], "dtype": "float32", "min": 1.0, "max": 3.0, "mean": 2.0, "not_finite": 2}
    assert describe(np.zeros((0, 2)))["min"] is None
    assert describe(np.array([True, False]))["mean"] == 0.5


def test_tables_align_words_left_and_numbers_right() -> None:
    lines = table.lay_out(["what", ">count", ""], [["one", 1, "x"], ["four", 1000, ""]], 80)
    assert [click.unstyle(line) for line in lines] == [
        "what  count",
        "----  -----  -",
        "one       1  x",
        "four   1000",
    ]
    assert table.lay_out(["", ""], [["key", "value"]], 80) == ["key  value"]


def test_tables_fold_words_to_their_width_and_keep_numbers_whole() -> None:
    rows = [["a" * 70, 123456, "some words that are many"], ["b", 7, "c"]]
    lines = [click.unstyle(line) for line in table.lay_out(["long", ">number", "text"], rows, 50)]
    assert max(map(len, lines)) == 50
    assert "".join(lines).count("a") == 70 + "some words that are many".count("a")
    assert sum("123456" in line for line in lines) == 1
    assert lines[-1].split() == ["b", "7", "c"]


def test_words_stay_whole_where_other_columns_can_be_folded() -> None:
    rows = [["raspberry-pi-zero-2-w", "a board of four small cores"]]
    assert [click.unstyle(line) for line in table.lay_out(["", ""], rows, 36)] == [
        "raspberry-pi-zero-2-w  a board of",
        "                       four small",
        "                       cores",
    ]


@pytest.mark.parametrize(
    ("width", "tables"), [(48, [["time", "memory", "steps"]]), (40, [["time", "memory"], ["steps"]]),
                          (20, [["time"], ["memory"], ["steps"]])]
)  # fmt: skip
def test_numbers_that_do_not_fit_beside_each_other_are_another_table(width: int, tables: list[list[str]]) -> None:
    rows = [["jetson-nano", "735.5 us", "45.13 MiB", "1234567"], ["host", "2.34 ms", "1 KiB", "98"]]
    lines = [click.unstyle(line) for line in table.lay_out(["device", ">time", ">memory", ">steps"], rows, width)]
    assert [line.split()[1:] for line in lines if line.startswith("device")] == tables
    assert max(map(len, lines)) <= max(width, len("jetson-nano  45.13 MiB"))
    assert all(sum(number in line for line in lines) == 1 for row in rows for number in row[1:])


def test_a_name_that_is_too_long_is_broken_where_its_parts_meet() -> None:
    assert table.lay_out([""], [["/blocks/blocks.0/depthwise.0/Conv of x"]], 20) == [
        "/blocks/blocks.0/",
        "depthwise.0/Conv of",
        "x",
    ]
    assert table.lay_out([""], [["a-" + "b" * 30]], 20) == ["a-" + "b" * 18, "b" * 12]


def test_names_cannot_move_the_cursor() -> None:
    assert table.lay_out([""], [["a\x1b[2Jb\r\nc"]], 80) == ["a\ufffd[2Jb\ufffd\ufffdc"]


@pytest.mark.parametrize("where", ["error", "warning", "sentence"])
def test_what_is_said_cannot_move_the_cursor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    odd = "a\x1b[2Jb\nc"
    fields = {"error": {"extends": odd}, "warning": {"extends": "host", "measured_on": odd},
              "sentence": {"extends": "jetson-nano", "notes": odd}}[where]  # fmt: skip
    folder = tmp_path / "millijoule" / "profiles"
    folder.mkdir(parents=True)
    (folder / "host.toml").write_bytes(msgspec.toml.encode(fields))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    done = mj("profiles", "host")
    said = done.stdout if where == "sentence" else done.stderr
    assert ("a\ufffd[2Jb c" if where == "warning" else "a\ufffd[2Jb\nc") in said and "\x1b[2J" not in said
    assert where != "warning" or one_line(said)


def test_progress_is_silent_while_short(monkeypatch: pytest.MonkeyPatch) -> None:
    errors, now = io.StringIO(), [100.0]
    monkeypatch.setattr(sys, "stderr", errors)
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    short = progress.CompileProgress()
    for done in range(3):
        short(done, 2, "kernel")
    assert errors.getvalue() == ""
    long = progress.CompileProgress()
    for done in range(5):
        long(done, 4, "kernel")
        now[0] += 0.8
    assert "2 of 4" in errors.getvalue() and errors.getvalue().endswith("compiled 4 kernels in 3.2 s\n")
    for done in range(2):
        long(done, 1, "kernel")
        now[0] += 2
    assert errors.getvalue().endswith("compiled 1 kernel in 2.0 s\n")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="kernels run on Linux only")
def test_a_terminal_gets_a_bar_and_its_cursor_back(tmp_path: Path) -> None:
    two_inputs("a", "b").save(tmp_path / "m.mj")
    master, slave = os.openpty()
    environment = {**os.environ, "MILLIJOULE_CACHE": str(tmp_path / "cache"), "TERM": "xterm-256color"}
    command = [sys.executable, "-c", START, "run", str(tmp_path / "m.mj")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=slave, env=environment)
    os.close(slave)
    shown = bytearray()
    # A terminal whose other end is closed is an input/output error to its reader.
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(master)
    assert process.wait(timeout=120) == 0
    assert b"compiling kernels" in shown
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")


@pytest.mark.parametrize(
    ("ratio", "text"), [(0.004, "0.00"), (1.0, "1.00"), (9.996, "10"), (99.4, "99"), (698.32, ">99"), (np.inf, ">99")]
)
def test_a_ratio_takes_four_characters_at_most(ratio: float, text: str) -> None:
    assert factor(ratio) == text and len(text) <= 4
