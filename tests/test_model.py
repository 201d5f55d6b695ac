from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors
from file_parts import put_together, take_apart
from small_model import small_model

from millijoule.runtime.errors import Error, InputError, ModelError
from millijoule.runtime.file.metadata import Preprocessing
from millijoule.runtime.file.schema import VERSION
from millijoule.runtime.graph import Graph, Node, Value
from millijoule.runtime.model import Model
from millijoule.runtime.ops import registry


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "small.mj"
    small_model().save(file)
    return file


def assert_same(left: Graph, right: Graph) -> None:
    assert (left.inputs, left.outputs, left.name) == (right.inputs, right.outputs, right.name)
    assert left.values.keys() == right.values.keys()
    for name, value in left.values.items():
        other = right.values[name]
        assert (value.name, value.dtype, value.shape, value.quant) == (
            other.name,
            other.dtype,
            other.shape,
            other.quant,
        )
        assert (value.data is None) == (other.data is None)
        if value.data is not None and other.data is not None:
            assert value.data.tobytes() == other.data.tobytes()
    assert left.nodes == right.nodes


def test_a_model_comes_back_as_it_was_saved(path: Path) -> None:
    model = Model.load(path)
    assert_same(small_model().graph, model.graph)
    assert model.metadata == small_model().metadata


def test_infinite_attributes_survive(path: Path) -> None:
    conv = Model.load(path).graph.nodes[0]
    assert conv.attrs["activation_params"] == [0.0, float("inf")]


def test_f16_weights_stay_f16_in_the_file(path: Path) -> None:
    with safetensors.safe_open(path, "numpy") as file:
        assert file.get_tensor("w2.f16").dtype == np.float16


def test_the_library_reads_every_constant(path: Path) -> None:
    constants = {name: v.data for name, v in small_model().graph.values.items() if v.data is not None}
    with safetensors.safe_open(path, "numpy") as file:
        for name in set(constants) & set(file.keys()):
            np.testing.assert_array_equal(file.get_tensor(name), constants[name])
        assert {"w1", "w2.f16", "w3", "w3.scale", "b3"} <= set(file.keys())


def test_constants_are_read_only_views_of_the_mapping(path: Path) -> None:
    model = Model.load(path)
    weights = model.graph.constant("w1")
    assert weights is not None
    assert not weights.flags.writeable and not weights.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        weights[...] = 0
    before = weights.copy()
    model.release_pages()
    np.testing.assert_array_equal(weights, before)


def test_saving_twice_gives_the_same_bytes_in_another_process_too(path: Path, tmp_path: Path) -> None:
    Model.load(path).save(tmp_path / "again.mj")
    assert (tmp_path / "again.mj").read_bytes() == path.read_bytes()
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from small_model import small_model
small_model().save({str(tmp_path / "other.mj")!r})
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    assert (tmp_path / "other.mj").read_bytes() == path.read_bytes()


def test_a_producer_is_recorded_once(tmp_path: Path) -> None:
    model = small_model()
    model.metadata.producer = ""
    model.save(tmp_path / "a.mj")
    assert Model.load(tmp_path / "a.mj").metadata.producer.startswith("millijoule ")
    assert model.metadata.producer == ""


def test_equal_constants_are_stored_once(tmp_path: Path) -> None:
    graph = Graph(inputs=["x"], outputs=["z"])
    for name in ("x", "y", "z"):
        graph.add_value(Value(name, np.dtype(np.float32), (4,)))
    for name, zero in (("a", 0.0), ("b", 0.0), ("c", -0.0)):
        graph.add_constant(name, np.full(4, zero, np.float32))
    graph.nodes = [Node("Concat", ["x", "a", "b"], ["y"], {"axis": 0}), Node("Concat", ["y", "c"], ["z"], {"axis": 0})]
    Model(graph).save(tmp_path / "a.mj")
    assert take_apart((tmp_path / "a.mj").read_bytes()).entries.keys() == {"a", "c"}
    negative = Model.load(tmp_path / "a.mj").graph.constant("c")
    assert negative is not None and np.signbit(negative).all()


def test_what_nothing_reads_is_left_out(tmp_path: Path) -> None:
    model = small_model()
    model.graph.add_constant("unread", np.zeros(1000, np.float32))
    model.graph.add_value(Value("left over", np.dtype(np.float32), (3,)))
    model.save(tmp_path / "a.mj")
    assert_same(small_model().graph, Model.load(tmp_path / "a.mj").graph)


@pytest.mark.parametrize("dtype", sorted(np.dtype(d).name for d in "?bhilBHILefd"))
def test_every_dtype_and_shape_of_constant(dtype: str, tmp_path: Path) -> None:
    graph = Graph()
    for name, shape in (("scalar", ()), ("empty", (0, 3)), ("odd", (3, 5, 1))):
        data = np.arange(15).reshape(shape) if name == "odd" else np.ones(shape)
        graph.outputs.append(graph.add_constant(name, data.astype(dtype)[..., ::-1] if shape else data.astype(dtype)))
    Model(graph).save(tmp_path / "a.mj")
    assert_same(graph, Model.load(tmp_path / "a.mj").graph)


def test_descriptions_and_aliases(path: Path) -> None:
    model = Model.load(path)
    assert list(model.inputs) == ["pixels"] and list(model.outputs) == ["scores", "means", "table"]
    assert model.inputs["pixels"].shape == ("N", 8, 8, 3) and model.inputs["pixels"].dtype == np.float32
    assert model.input_name("image") == model.input_name("pixels") == "pixels"
    assert model.output_name("class") == "scores"
    with pytest.raises(InputError, match="no input 'scores'; it has 'pixels'"):
        model.input_name("scores")


@pytest.fixture
def branch_op() -> object:
    """An operator with graphs for attributes, as If is."""

    def branch(condition: np.ndarray, *, then_branch: Graph, else_branch: Graph, table: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    registry.find("Conv")
    yield registry.register(registry.Op("TestBranch", branch, lambda ctx: []))
    del registry._ops["TestBranch"]


def branching_graph() -> Graph:
    float32 = np.dtype(np.float32)

    def side(scale: float) -> Graph:
        inner = Graph(outputs=["y"], name=f"times {scale}")
        inner.add_value(Value("y", float32, (2,)))
        inner.add_constant("k", np.full(2, scale, np.float32))
        inner.nodes = [Node("Concat", ["x", "k"], ["y"], {"axis": 0})]
        return inner

    graph = Graph(inputs=["c", "x"], outputs=["y"])
    graph.add_value(Value("c", np.dtype(bool), ()))
    graph.add_value(Value("x", float32, (2,)))
    graph.add_value(Value("y", float32, (2,)))
    attrs = {"then_branch": side(2), "else_branch": side(3), "table": np.arange(5)}
    graph.nodes = [Node("TestBranch", ["c"], ["y"], attrs)]
    return graph


def test_graphs_and_arrays_as_attributes(branch_op: object, tmp_path: Path) -> None:
    Model(branching_graph()).save(tmp_path / "a.mj")
    loaded = Model.load(tmp_path / "a.mj").graph
    wanted, got = branching_graph().nodes[0].attrs, loaded.nodes[0].attrs
    for name in ("then_branch", "else_branch"):
        assert_same(wanted[name], got[name])
    np.testing.assert_array_equal(got["table"], np.arange(5))
    Model(loaded).save(tmp_path / "b.mj")
    assert (tmp_path / "a.mj").read_bytes() == (tmp_path / "b.mj").read_bytes()


@pytest.mark.parametrize("index", [0, 1, 3, 7])
def test_a_graph_cannot_hold_itself_or_be_held_twice(branch_op: object, tmp_path: Path, index: int) -> None:
    file = tmp_path / "a.mj"
    Model(branching_graph()).save(file)
    parts = take_apart(file.read_bytes())
    parts.node("TestBranch")["attrs"]["then_branch"]["index"] = index
    file.write_bytes(put_together(parts))
    with pytest.raises(ModelError, match="graph"):
        Model.load(file)


def test_a_hidden_outer_value_cannot_be_read_before_it_is_produced(branch_op: object, tmp_path: Path) -> None:
    graph = branching_graph()
    graph.nodes[0].attrs["then_branch"].add_value(Value("x", np.dtype(np.float32), (2,)))
    with pytest.raises(ModelError, match="input 'x' is not produced"):
        Model(graph).save(tmp_path / "a.mj")


def test_a_flipped_bit_anywhere_is_found(path: Path) -> None:
    file = path.read_bytes()
    positions = np.random.default_rng(0).choice(len(file), 300, replace=False)
    for at in positions:
        path.write_bytes(file[:at] + bytes([file[at] ^ 1]) + file[at + 1 :])
        with pytest.raises(ModelError):
            Model.load(path)


def test_damaged_data_is_told_from_a_bad_graph_and_can_be_read_unverified(path: Path) -> None:
    file = bytearray(path.read_bytes())
    file[-1] ^= 1
    path.write_bytes(file)
    with pytest.raises(ModelError, match=r"small.mj: the file is damaged"):
        Model.load(path)
    Model.load(path, verify=False)


def test_default_sizes_make_a_file_version_2_and_their_absence_one_of_version_1(path: Path, tmp_path: Path) -> None:
    assert take_apart(path.read_bytes()).record["version"] == 1
    model = small_model()
    model.metadata.default_sizes = {"N": 4}
    model.save(tmp_path / "sized.mj")
    assert take_apart((tmp_path / "sized.mj").read_bytes()).record["version"] == 2
    found = Model.load(tmp_path / "sized.mj")
    assert found.metadata.default_sizes == {"N": 4}
    assert found.inputs["pixels"].shape == ("N", 8, 8, 3)
    found.save(tmp_path / "again.mj")
    assert (tmp_path / "again.mj").read_bytes() == (tmp_path / "sized.mj").read_bytes()
    model.metadata.default_sizes = {"batch": 4}
    with pytest.raises(ModelError, match="default size of 'batch', which is no symbolic dimension"):
        model.save(tmp_path / "wrong.mj")
    assert not (tmp_path / "wrong.mj").exists()


def test_a_newer_version_asks_for_an_upgrade(path: Path) -> None:
    parts = take_apart(path.read_bytes())
    parts.record["version"] = VERSION + 1
    parts.record["novelty"] = True
    path.write_bytes(put_together(parts))
    with pytest.raises(ModelError, match=rf"version {VERSION + 1} .* upgrade"):
        Model.load(path)


@pytest.mark.parametrize("content", [b"", b"\x08", b"12345678", b"GIF89a" * 20, bytes(1000), b"\xff" * 1000])
def test_other_files_are_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"not a .mj file"):
        Model.load(path)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent.mj: cannot be read: No such file"):
        Model.load(tmp_path / "absent.mj")
    with pytest.raises(ModelError, match="not a regular file"):
        Model.load(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelError, match="not a regular file"):
        Model.load(tmp_path / "pipe")


def test_an_ordinary_safetensors_file_is_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"w": np.zeros(3)}, tmp_path / "w.mj", {"format": "np"})
    with pytest.raises(ModelError, match=r"not a .mj file"):
        Model.load(tmp_path / "w.mj")


def test_bad_graphs_are_not_written(tmp_path: Path) -> None:
    model = small_model()
    weights = model.graph.constant("w1")
    assert weights is not None
    weights[0, 0, 0, 0] = np.nan
    with pytest.raises(ModelError, match="'w1' holds a NaN"):
        model.save(tmp_path / "a.mj")
    for attribute, problem in ((object(), "must be|cannot be written"), (2**70, "must be|sound")):
        model = small_model()
        model.graph.nodes[0].attrs["group"] = attribute
        with pytest.raises(ModelError, match=problem):
            model.save(tmp_path / "a.mj")
    model = small_model()
    model.metadata.input_aliases["a"] = "b"
    with pytest.raises(ModelError, match="alias 'a'"):
        model.save(tmp_path / "a.mj")
    model = small_model()
    model.metadata.labels = [3]  # type: ignore[list-item]
    with pytest.raises(ModelError, match="labels"):
        model.save(tmp_path / "a.mj")
    assert os.listdir(tmp_path) == []


def test_preprocessing_that_cannot_be_is_refused() -> None:
    for wrong in ({"std": (0.0,)}, {"mean": (1.0, 2.0)}, {"scale": float("nan")}, {"crop_fraction": 0.0}):
        with pytest.raises(ValueError):
            Preprocessing(**wrong)


def test_an_unwritable_target_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(Error, match=r"^cannot write .*a\.mj: No such file or directory$"):
        small_model().save(tmp_path / "absent" / "a.mj")
    with pytest.raises(Error, match="not a regular file"):
        small_model().save(tmp_path)
    with pytest.raises(Error, match="not a regular file"):
        small_model().save("/dev/null")


def test_a_full_disk_leaves_the_old_file_and_nothing_else(path: Path, tmp_path: Path) -> None:
    old = path.read_bytes()
    code = f"""
import resource, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from small_model import small_model
from millijoule.runtime.errors import Error
sys.dont_write_bytecode = True
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    small_model().save({str(path)!r})
except Error as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == f"cannot write {path}: File too large"
    assert os.listdir(tmp_path) == ["small.mj"] and path.read_bytes() == old


def test_a_symbolic_link_keeps_pointing_at_the_file(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.mj"
    link.symlink_to(path)
    path.write_bytes(b"old")
    small_model().save(link)
    assert link.is_symlink()
    Model.load(path)


def test_permissions_follow_the_umask(path: Path) -> None:
    mask = os.umask(0o027)
    try:
        path.unlink()
        small_model().save(path)
    finally:
        os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o640


def test_loading_imports_no_compiler(path: Path, tmp_path: Path) -> None:
    code = f"""
import sys
from millijoule.runtime.model import Model
Model.load({str(path)!r})
print(sorted({{"numba", "llvmlite", "onnx", "safetensors"}} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "[]"
