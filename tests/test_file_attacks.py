"""Files made to harm: each must be refused with one ModelError, checksum or not."""

from __future__ import annotations

import io
import json
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from file_parts import Attack, Parts, compact, put_together, take_apart, with_header
from small_model import small_model

from millijoule.runtime.errors import ModelError
from millijoule.runtime.file.write import serialize
from millijoule.runtime.model import Model


@pytest.fixture(scope="module")
def file() -> bytes:
    model = small_model()
    return serialize(model.graph, model.metadata)


def test_the_parts_make_the_file_again(file: bytes, tmp_path: Path) -> None:
    again = put_together(take_apart(file))
    (tmp_path / "again.mj").write_bytes(again)
    Model.load(tmp_path / "again.mj")
    assert len(again) == len(file)


def header_of(file: bytes) -> tuple[bytes, bytes]:
    length = int.from_bytes(file[:8], "little")
    return file[8 : 8 + length], file[8 + length :]


def test_a_tensor_listed_twice(file: bytes, refused: Callable[..., None]) -> None:
    header, data = header_of(file)
    entry = b'"b1":' + compact(take_apart(file).entries["b1"]).encode()
    refused(with_header(header.rstrip()[:-1] + b"," + entry + b"}", data), "a key occurs twice")


def test_metadata_listed_twice(file: bytes, refused: Callable[..., None]) -> None:
    header, data = header_of(file)
    refused(with_header(b'{"__metadata__":{"millijoule":"{}"},' + header[1:], data), "a key occurs twice")
    doubled = header.replace(b'{"millijoule":', b'{"millijoule":"{}","millijoule":', 1)
    refused(with_header(doubled, data), "a key occurs twice")


@pytest.mark.parametrize("key", ["version", "graphs", "op", "strides", "shape"])
def test_a_key_of_the_graph_twice(file: bytes, refused: Callable[..., None], key: str) -> None:
    parts = take_apart(file)
    text = compact(parts.record)
    at = text.index(f'"{key}":')
    value = json.JSONDecoder().raw_decode(text, at + len(key) + 3)[0]
    text = f'{text[:at]}"{key}":{compact(value)},{text[at:]}'
    header = {"__metadata__": {"millijoule": text}, **parts.entries}
    refused(with_header(compact(header).encode(), parts.data), "a key occurs twice")


def hole(parts: Parts) -> None:
    parts.data += bytes(64)
    last = max(parts.entries.values(), key=lambda entry: entry["data_offsets"])
    last["data_offsets"] = [offset + 64 for offset in last["data_offsets"]]


def overlap(parts: Parts) -> None:
    parts.entries["b1"]["data_offsets"] = [offset - 4 for offset in parts.entries["b1"]["data_offsets"]]


def trailing(parts: Parts) -> None:
    parts.data += b"#!/bin/sh\n"


def truncated(parts: Parts) -> None:
    parts.data = parts.data[:-1]


def unaligned(parts: Parts) -> None:
    """Moves a tensor of one byte before all others."""
    moved = parts.entries["q_in.zero_point"]
    for entry in parts.entries.values():
        if entry["data_offsets"] < moved["data_offsets"]:
            entry["data_offsets"] = [offset + 1 for offset in entry["data_offsets"]]
    moved["data_offsets"] = [0, 1]


def entry(key: str, /, **fields: Any) -> Attack:
    def change(parts: Parts) -> None:
        parts.entries[key].update(fields)

    return change


@pytest.mark.parametrize(
    ("attack", "problem"),
    [
        (hole, "hole or overlap"),
        (overlap, "hole or overlap"),
        (trailing, "10 bytes behind the last tensor"),
        (truncated, "beyond the end"),
        (unaligned, "not aligned"),
        (entry("w1", data_offsets=[4, 0]), "bytes do not hold"),
        (entry("w1", data_offsets=[-8, 0]), "int"),
        (entry("w1", data_offsets=[2**63, 2**63 + 864]), "int"),
        (entry("w1", data_offsets=[2**62, 2**62 + 864]), "beyond the end"),
        (entry("w1", data_offsets=[0, 1, 2]), "length"),
        (entry("w1", shape=[2**63]), "int"),
        (entry("w1", shape=[2**31 - 1] * 16), "too large"),
        (entry("w1", shape=[0, 2**31 - 1, 2**31 - 1]), "too large"),
        (entry("w1", shape=[-8, 3, 3, -3]), "int"),
        (entry("w1", shape=[8.0, 3, 3, 3]), "int"),
        (entry("w1", shape=[1] * 17), "length"),
        (entry("w1", shape=[216]), "declared float32"),
        (entry("w1", dtype="F64"), "bytes do not hold"),
        (entry("w1", dtype="I32"), "declared float32"),
        (entry("w1", dtype="F8_E4M3"), "unknown dtype"),
        (entry("w1", dtype=None), "str"),
        (entry("w1", secret=1), "unknown field"),
    ],
)
def test_tensors(file: bytes, refused: Callable[..., None], attack: Attack, problem: str) -> None:
    parts = take_apart(file)
    attack(parts)
    refused(put_together(parts), problem)


def test_a_tensor_that_belongs_to_nothing(file: bytes, refused: Callable[..., None]) -> None:
    parts = take_apart(file)
    payload = b"MZ" + bytes(62)
    parts.entries["payload"] = {
        "dtype": "U8",
        "shape": [64],
        "data_offsets": [len(parts.data), len(parts.data) + 64],
    }
    parts.data += payload
    refused(put_together(parts), "'payload' belongs to no value")


@pytest.mark.parametrize("length", [2**64 - 1, 2**63, 2**32, 9 << 20, 1 << 20])
def test_a_huge_header(file: bytes, refused: Callable[..., None], length: int) -> None:
    refused(length.to_bytes(8, "little") + file[8:], "claims a header")


def test_a_header_of_nothing(file: bytes, refused: Callable[..., None]) -> None:
    refused(bytes(8) + file[8:], "does not begin with")


@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_deep_nesting(file: bytes, refused: Callable[..., None], brackets: str) -> None:
    depth = 200_000
    opening = brackets[0] if brackets == "[]" else '{"a":'
    deep = opening * depth + ("0" if brackets == "{}" else "") + brackets[1] * depth
    header, data = header_of(file)
    refused(with_header(header.rstrip()[:-1] + b',"deep":' + deep.encode() + b"}", data), "not sound JSON")
    parts = take_apart(file)
    text = compact(parts.record)
    nested = text.replace('"attrs":{', f'"attrs":{{"deep":{deep},', 1)
    refused(with_header(compact({"__metadata__": {"millijoule": nested}}).encode(), b""), "graph's record|beyond|hole")


def test_polyglots(file: bytes, refused: Callable[..., None]) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.writestr("hello.txt", "hello")
    refused(file + archive.getvalue(), "behind the last tensor")
    header, data = header_of(file)
    refused(with_header(b"/*" + header, data), "does not begin with")
    refused(with_header(header.rstrip() + b"<html>", data), "not sound JSON")
    refused(with_header(header.decode().encode("utf-16-le"), data), "not sound JSON|begin")


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "1" * 5000])
def test_numbers_that_json_does_not_have(file: bytes, refused: Callable[..., None], literal: str) -> None:
    parts = take_apart(file)
    text = compact(parts.record).replace('"group":8', f'"group":{literal}', 1)
    header = {"__metadata__": {"millijoule": text}, **parts.entries}
    refused(with_header(compact(header).encode(), parts.data), "not sound|graph's record")


def value(name: str, /, **fields: Any) -> Attack:
    def change(parts: Parts) -> None:
        parts.value(name).update(fields)

    return change


def node(op: str, /, **fields: Any) -> Attack:
    def change(parts: Parts) -> None:
        parts.node(op).update(fields)

    return change


def attribute(op: str, /, **attrs: Any) -> Attack:
    def change(parts: Parts) -> None:
        parts.node(op).setdefault("attrs", {}).update(attrs)

    return change


def cyclic(parts: Parts) -> None:
    parts.graph["nodes"][0]["inputs"][0] = parts.index("scores")


def own_input(parts: Parts) -> None:
    softmax = parts.node("Softmax")
    softmax["inputs"] = softmax["outputs"]


def reordered(parts: Parts) -> None:
    parts.graph["nodes"].reverse()


def produced_twice(parts: Parts) -> None:
    parts.node("Flatten")["outputs"] = [parts.index("mixed")]


def produced_constant(parts: Parts) -> None:
    parts.node("Flatten")["outputs"] = [parts.index("w1")]


def produced_input(parts: Parts) -> None:
    parts.node("Flatten")["outputs"] = [parts.index("pixels")]


def constant_input(parts: Parts) -> None:
    parts.graph["inputs"].append(parts.index("w1"))


def input_twice(parts: Parts) -> None:
    parts.graph["inputs"] *= 2


def output_twice(parts: Parts) -> None:
    parts.graph["outputs"] *= 2


def named_twice(parts: Parts) -> None:
    parts.value("flat")["name"] = "mixed"


def refer(op: str, reference: int | str) -> Attack:
    def change(parts: Parts) -> None:
        parts.node(op)["inputs"][0] = reference

    return change


def states(version: int, **named: Any) -> Attack:
    def change(parts: Parts) -> None:
        parts.record["version"] = version
        parts.record["metadata"]["states"] = named

    return change


def sizes(version: int, **symbols: Any) -> Attack:
    def change(parts: Parts) -> None:
        parts.record["version"] = version
        parts.record["metadata"]["default_sizes"] = symbols

    return change


@pytest.mark.parametrize(
    ("attack", "problem"),
    [
        (cyclic, "not produced by an earlier node"),
        (own_input, "not produced by an earlier node"),
        (reordered, "not produced by an earlier node"),
        (produced_twice, "has a value already"),
        (produced_constant, "has a value already"),
        (produced_input, "has a value already"),
        (constant_input, "has a value already"),
        (input_twice, "has a value already"),
        (output_twice, "one output twice"),
        (named_twice, "'mixed' is declared twice"),
        (refer("Flatten", 1000), "there is no value 1000"),
        (refer("Flatten", -2), "inputs"),
        (refer("Flatten", "mixed"), "by its index"),
        (refer("Flatten", "nowhere"), "not produced by an earlier node"),
        (refer("Flatten", ""), "inputs"),
        (lambda parts: parts.graph["outputs"].append("nowhere"), "produced by no node"),
        (lambda parts: parts.graph["outputs"].append(-1), "produced by no node"),
        (lambda parts: parts.graph["inputs"].append("nowhere"), "inputs"),
        (lambda parts: parts.graph["inputs"].append(1000), "there is no value 1000"),
        (lambda parts: parts.record["graphs"].append(parts.graph), "belongs to no node"),
        (lambda parts: parts.record.update(graphs=[]), "length"),
        (lambda parts: parts.record.update(extra=1), "unknown field"),
        (lambda parts: parts.record.update(version=0), "version"),
        (lambda parts: parts.record.update(version="1"), "version"),
        (lambda parts: parts.record.update(checksum="0"), "begin with its checksum|checksum|sound"),
        (lambda parts: parts.record["metadata"].update(labels=[1]), "labels"),
        (lambda parts: parts.record["metadata"]["preprocessing"].update(std=[0.0]), "std"),
        (lambda parts: parts.record["metadata"]["input_aliases"].update(a="b"), "alias"),
        (sizes(1, N=1), "version 1 of the format has no default sizes"),
        (states(5, x={"output": "y"}), "version 5 of the format has no state"),
        (states(6, x={"output": "nowhere"}), "is no input that an output 'nowhere' is kept for"),
        (states(6, x={"output": 1}), "states"),
        (sizes(2, M=1), "default size of 'M', which is no symbolic dimension of an input"),
        (sizes(2, N=-1), "default_sizes"),
        (sizes(2, N=2**31), "default_sizes"),
        (sizes(2, N=1.5), "default_sizes"),
        (sizes(2, N="1"), "default_sizes"),
        (node("Conv", op="__import__"), "no operator '__import__'"),
        (node("Conv", inputs=[0]), "has 1 inputs"),
        (node("Conv", inputs=[-1] * 100), "has 100 inputs"),
        (node("Conv", domain="evil"), "unknown field"),
        (attribute("Conv", surprise=1), "surprise"),
        (attribute("Conv", strides="22"), "strides"),
        (attribute("Conv", strides=[2**63, 1]), "strides|int"),
        (attribute("Conv", group=None), "group"),
        (attribute("Conv", group={"type": "graph", "index": 1}), "graph"),
        (attribute("Conv", group={"type": "tensor", "key": "absent"}), "no tensor 'absent'"),
        (attribute("Conv", group={"type": "tensor", "key": "w1"}), "group"),
        (attribute("Conv", group={"type": "code", "body": "1"}), "type"),
        (value("features", shape=["N", -1, 4, 8]), "shape"),
        (value("features", shape=["N", 2**31, 4, 8]), "shape"),
        (value("features", shape=["N", 2**20, 2**20, 2**20]), "needs more than"),
        (value("features", shape=["", 4, 4, 8]), "shape"),
        (value("features", shape=["N" * 5000, 4, 4, 8]), "shape"),
        (value("features", dtype="object"), "dtype"),
        (value("features", data="absent"), "no tensor"),
        (value("w1", shape=["N", 3, 3, 3]), "declared float32 of shape"),
        (value("w1", shape=None), "declared float32 of shape None"),
        (value("w1", dtype="int32"), "declared int32"),
        (value("w1", quant={"scale": 1.0}), "cannot be quantized"),
        (value("quantized", quant={"scale": 0.0}), "above 0"),
        (value("quantized", quant={"scale": -1.0}), "above 0"),
        (value("quantized", quant={"scale": 1e-300}), "above 0"),
        (value("quantized", quant={"scale": 1e300}), "finite"),
        (value("quantized", quant={"scale": 1.0, "zero_point": 128}), "out of the range of int8"),
        (value("quantized", quant={"scale": 1.0, "axis": 3}), "must be a tensor"),
        (value("quantized", quant={"scale": "w3.scale", "axis": 9}), "axis 9"),
        (value("quantized", quant={"scale": "w3.scale", "axis": 0}), "takes N scales"),
        (value("quantized", quant={"scale": "w3.scale", "axis": 1}), "takes 2 scales"),
        (value("quantized", quant={"scale": "w3.scale"}), "takes 1 scales"),
        (value("quantized", quant={"scale": "axes", "axis": 1}), "must be float32"),
        (value("quantized", quant={"scale": "w3.scale", "zero_point": "w3.scale", "axis": 3}), "zero points int32"),
    ],
)
def test_graphs(file: bytes, refused: Callable[..., None], attack: Attack, problem: str) -> None:
    parts = take_apart(file)
    attack(parts)
    refused(put_together(parts), problem)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -0.0, -1.0])
def test_a_bad_scale_among_many(file: bytes, refused: Callable[..., None], wrong: float) -> None:
    parts = take_apart(file)
    begin, end = parts.entries["w3.scale"]["data_offsets"]
    scales = np.frombuffer(parts.data[begin:end], np.float32).copy()
    scales[3] = wrong
    parts.data = parts.data[:begin] + scales.tobytes() + parts.data[end:]
    refused(put_together(parts), "'w3': every scale must be finite and above 0")


@pytest.mark.parametrize("key", ["w1", "w2.f16"])
def test_a_nan_among_the_weights(file: bytes, refused: Callable[..., None], key: str) -> None:
    parts = take_apart(file)
    begin, end = parts.entries[key]["data_offsets"]
    weights = np.frombuffer(parts.data[begin:end], np.float32 if key == "w1" else np.float16).copy()
    weights[-1] = np.nan
    parts.data = parts.data[:begin] + weights.tobytes() + parts.data[end:]
    refused(put_together(parts), f"'{key}' holds a NaN")


def test_booleans_that_are_neither(tmp_path: Path) -> None:
    model = small_model()
    model.graph.outputs.append(model.graph.add_constant("flags", np.array([True, False])))
    parts = take_apart(serialize(model.graph, model.metadata))
    begin, end = parts.entries["flags"]["data_offsets"]
    parts.data = parts.data[:begin] + b"\x01\x02" + parts.data[end:]
    (tmp_path / "a.mj").write_bytes(put_together(parts))
    with pytest.raises(ModelError, match="neither 0 nor 1"):
        Model.load(tmp_path / "a.mj")


def test_a_small_file_cannot_claim_much_memory(file: bytes, tmp_path: Path) -> None:
    """Shapes of values that hold no data promise at most 2 GiB and reserve nothing while loading."""
    parts = take_apart(file)
    for name in ("features", "depthwise", "quantized"):
        parts.value(name)["shape"] = [1, 2**26]
    (tmp_path / "a.mj").write_bytes(put_together(parts))
    Model.load(tmp_path / "a.mj")
    tracemalloc.start()
    Model.load(tmp_path / "a.mj")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def long_chain(parts: Parts) -> None:
    """Nearly as many nodes as there may be, one behind the other."""
    count = 49_900
    parts.graph["values"] += [{"name": f"v{at}", "dtype": "float32"} for at in range(count)]
    first = len(parts.graph["values"]) - count
    links = zip([0, *range(first, first + count)], range(first, first + count), strict=False)
    parts.graph["nodes"] += [{"op": "Identity", "inputs": [x], "outputs": [y]} for x, y in links]


def many_names(parts: Parts) -> None:
    """100 000 values, and 200 000 references by name, the last of which names nothing."""
    parts.graph["values"] += [{"name": f"{at}", "dtype": "bool"} for at in range(100_000)]
    names = [f"x{at}" for at in range(200_000)]
    parts.graph["nodes"].append({"op": "Concat", "inputs": names, "outputs": [], "attrs": {"axis": 0}})


def many_graphs(parts: Parts) -> None:
    """40 000 graphs beside each other."""
    count = 40_000
    attrs = {"axis": [{"type": "graph", "index": at + 1} for at in range(count)]}
    parts.graph["nodes"].append({"op": "Concat", "inputs": [0], "outputs": [], "attrs": attrs})
    empty: dict[str, Any] = {"inputs": [], "nodes": [], "outputs": [], "values": []}
    parts.record["graphs"] += [empty] * count


@pytest.mark.parametrize("attack", [long_chain, many_names, many_graphs])
def test_megabytes_of_graph_are_judged_in_seconds(file: bytes, attack: Attack, tmp_path: Path) -> None:
    parts = take_apart(file)
    attack(parts)
    content = put_together(parts)
    assert 2 << 20 < len(content) < 8 << 20
    (tmp_path / "a.mj").write_bytes(content)
    started = time.process_time()
    if attack is long_chain:
        assert len(Model.load(tmp_path / "a.mj").graph.nodes) > 49_900
    else:
        with pytest.raises(ModelError):
            Model.load(tmp_path / "a.mj")
    assert time.process_time() - started < 5
