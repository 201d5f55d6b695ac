"""Damaged .mj files: bytes, sizes, offsets, shapes, names, attributes. The same index gives the same mutant."""

from __future__ import annotations

import copy
import json
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from file_parts import Parts, compact, take_apart

INTEGERS = [
    *(0, 1, -1, 2, 3, 7, 8, 15, 16, 17, 127, 128, 255, 256, -128, -129, 1000, 4096, 2**15, 2**16, 2**20, 2**24),
    *(2**31 - 1, 2**31, -(2**31), 2**32, 2**32 - 1, 2**53, 2**62, 2**63 - 1, -(2**63), 2**63, 2**64, 10**30),
]
SIZES = [-(2**31), -9, -2, -1, 0, 1, 2, 3, 4, 5, 8, 16, 100, 1000, 2**16, 2**20, 2**31 - 1, 2**40, 2**63 - 1]
OPS = [
    *(
        "Identity",
        "Relu",
        "Sigmoid",
        "Add",
        "Mul",
        "Concat",
        "Reshape",
        "Transpose",
        "Expand",
        "Tile",
        "Slice",
        "Gather",
    ),
    *(
        "Gather",
        "Squeeze",
        "Unsqueeze",
        "Split",
        "ReduceMean",
        "ReduceMax",
        "ArgMax",
        "Shape",
        "Cast",
        "Where",
        "Range",
        "Pow",
    ),
    *("Lookup", "StringSplit", "StringConcat", "SequenceAt", "SequenceErase", "Optional", "NumbersToText"),
    *("MatMul", "AveragePool", "GlobalMaxPool", "ConvTranspose", "Resize", "DepthToSpace", "Requantize", "TopK", "Pad"),
]
FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, 1e-38, 1e-300, 3.4e38, 3.5e38, 1e300, -1e300, 255.5]
WORDS = [
    *("", "x", "N", "Conv", "Gemm", "MaxPool", "Reshape", "Expand", "Tile", "Range", "ConstantOfShape", "Slice", "If"),
    *("float32", "float16", "int8", "uint8", "int64", "bool", "float64", "NOTSET", "SAME_UPPER", "VALID", "Relu"),
    *("text", "sequence(float32)", "optional(text)", "optional(sequence(int64))", "(a*)*b", "a{1000}"),
    *("Clip", "Sigmoid", "__metadata__", "../../etc/passwd", "\u0000", "\U0001f600", "a" * 5000, "F32", "I8", "U64"),
]
PATTERNS = [
    *(b"\x00" * 8, b"\xff" * 8, struct.pack("<f", float("nan")), struct.pack("<f", float("inf"))),
    *(struct.pack("<f", -1e38), struct.pack("<e", float("nan")), struct.pack("<q", 2**62), struct.pack("<q", -1)),
    *(struct.pack("<i", -(2**31)), struct.pack("<i", 2**31 - 1), b"{", b"}", b'"', b"\\", b"9" * 20, b"-", b"[" * 100),
]

Slot = tuple[Any, Any]
"""A container of parsed JSON and the key or index of one item in it."""


def mutant(file: bytes, index: int) -> bytes:
    """One damaged copy of a sound file; its checksum, where it still has one, is the sound file's."""
    rng = random.Random(index)
    kinds: list[Callable[[random.Random, bytes], bytes]] = [
        *(damage_bytes, damage_header, damage_graph, damage_data, damage_meaning)
    ]
    kind = rng.choices(kinds, (2, 2, 4, 1, 6))[0]
    return kind(rng, file)


def gate_mutant(file: bytes, index: int) -> bytes:
    """One damaged copy of a sound cascade's file, of which only what makes it a cascade is damaged."""
    rng = random.Random(index)
    parts = take_apart(file)
    names = [*(value["name"] for value in parts.graph["values"]), *parts.record["gate"]]
    for _ in range(rng.choice((1, 1, 2, 3))):
        _damage_tree(rng, rng.choice((parts.record["gate"], parts.record)), names)
    return _assemble(rng, parts)


def damage_bytes(rng: random.Random, file: bytes) -> bytes:
    content = bytearray(file)
    header = 8 + int.from_bytes(file[:8], "little")
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        size = len(content)
        at = rng.randrange(min(rng.choice((8, header, size)), size) or 1)
        length = min(rng.choice((1, 1, 2, 8, 64, 1000)), size - at)
        change = rng.randrange(8)
        if change == 0:
            content[at : at + 1] = bytes([rng.randrange(256)])
        elif change == 1 and at < size:
            content[at] ^= 1 << rng.randrange(8)
        elif change == 2:
            del content[at:]
        elif change == 3:
            del content[at : at + length]
        elif change == 4:
            content[at:at] = content[at : at + length]
        elif change == 5:
            content[at:at] = rng.randbytes(length)
        elif change == 6:
            pattern = rng.choice(PATTERNS)
            content[at : at + len(pattern)] = pattern
        else:
            claimed = rng.choice(
                [value for value in INTEGERS if 0 <= value < 2**64] + [size - 8, size, header, size - 9]
            )
            content[:8] = max(claimed, 0).to_bytes(8, "little")
    return bytes(content)


def damage_header(rng: random.Random, file: bytes) -> bytes:
    parts = take_apart(file)
    names = [*(value["name"] for value in parts.graph["values"]), *parts.entries]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        _damage_tree(rng, parts.entries, names)
    return _assemble(rng, parts)


def damage_graph(rng: random.Random, file: bytes) -> bytes:
    parts = take_apart(file)
    names = [*(value["name"] for value in parts.graph["values"]), *parts.entries]
    targets = [parts.record, parts.graph, parts.graph["nodes"], parts.graph["values"]]
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5))):
        _damage_tree(rng, rng.choice(targets), names)
    return _assemble(rng, parts)


def damage_data(rng: random.Random, file: bytes) -> bytes:
    header = 8 + int.from_bytes(file[:8], "little")
    content = bytearray(file)
    for _ in range(rng.choice((1, 1, 2, 10))):
        pattern = rng.choice((*PATTERNS, rng.randbytes(4)))
        at = rng.randrange(header, len(content)) // 4 * 4
        content[at : at + len(pattern)] = pattern
    return bytes(content[: len(file)])


def damage_meaning(rng: random.Random, file: bytes) -> bytes:
    """Changes that keep to the schema, so that they are found late or not at all."""
    parts = take_apart(file)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        change = rng.choice((_damage_node, _damage_node, _damage_value, _damage_indices))
        change(rng, parts)
    return _assemble(rng, parts)


def _damage_node(rng: random.Random, parts: Parts) -> None:
    nodes = parts.graph["nodes"]
    at = rng.randrange(len(nodes))
    node = nodes[at]
    attrs = node.setdefault("attrs", {})
    change = rng.randrange(5)
    if change == 0:
        earlier = [index for other in nodes[:at] for index in other["outputs"]]
        constants = [index for index, value in enumerate(parts.graph["values"]) if "data" in value]
        node["inputs"][rng.randrange(len(node["inputs"]))] = rng.choice((*earlier, *constants, 0, -1))
    elif change == 1:
        node["op"] = rng.choice([*(other["op"] for other in nodes), *OPS])
        if rng.random() < 0.5:
            attrs.clear()
    elif change == 2:
        parts.graph["outputs"] = [node["outputs"][0]]
    elif attrs and change == 3:
        del attrs[rng.choice(list(attrs))]
    elif attrs:
        name = rng.choice(list(attrs))
        item = attrs[name]
        if isinstance(item, list) and item:
            item[rng.randrange(len(item))] = rng.choice(SIZES)
        elif isinstance(item, int):
            attrs[name] = rng.choice(SIZES)


def _damage_value(rng: random.Random, parts: Parts) -> None:
    value = rng.choice(parts.graph["values"])
    change = rng.randrange(4)
    if change == 0:
        value.pop("quant", None)
    elif change == 1:
        value["quant"] = {"scale": rng.choice((1.0, 1e-30, 1e30, 0.02)), "zero_point": rng.choice((0, -128, 127, 5))}
    elif change == 2:
        value["dtype"] = rng.choice(("int8", "uint8", "float32", "float16", "int32", "int64", "bool"))
    elif value.get("shape"):
        shape = value["shape"]
        if "data" in value:
            # The same bytes seen otherwise: the tensor follows its value.
            rng.shuffle(shape)
            parts.entries[value["data"]]["shape"] = list(shape)
        else:
            shape[rng.randrange(len(shape))] = rng.choice((*SIZES, "M"))


def _damage_indices(rng: random.Random, parts: Parts) -> None:
    entry = rng.choice([entry for entry in parts.entries.values() if entry["dtype"] == "I64"])
    begin, end = entry["data_offsets"]
    at = rng.randrange(begin, end, 8)
    number = rng.choice([size for size in INTEGERS if -(2**63) <= size < 2**63] + SIZES)
    parts.data = parts.data[:at] + number.to_bytes(8, "little", signed=True) + parts.data[at + 8 :]


def _assemble(rng: random.Random, parts: Parts) -> bytes:
    text = compact(parts.record)
    if rng.random() < 0.03:
        text = text.replace(rng.choice("{}[],:1"), rng.choice(("", "{", "]", "NaN", "1e999", "null")), 1)
    header = json.dumps({"__metadata__": {"millijoule": text}, **parts.entries}, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + parts.data


def _slots(tree: Any) -> Iterator[Slot]:
    keys = tree if isinstance(tree, dict) else range(len(tree))
    for key in keys:
        yield tree, key
        if isinstance(tree[key], (dict, list)):
            yield from _slots(tree[key])


def _damage_tree(rng: random.Random, tree: Any, names: Sequence[str]) -> None:
    slots = list(_slots(tree))
    if not slots:
        return
    holder, key = rng.choice(slots)
    item = holder[key]
    change = rng.random()
    if change < 0.12:
        del holder[key]
    elif change < 0.24:
        other, at = rng.choice(slots)
        holder[key] = copy.deepcopy(other[at])
    elif change < 0.30 and isinstance(holder, list):
        holder.insert(rng.randrange(len(holder) + 1), copy.deepcopy(item))
    elif change < 0.36 and isinstance(holder, dict):
        name = str(rng.choice([*holder, *WORDS]))
        holder[name] = holder.pop(key)
    elif change < 0.40:
        holder[key] = rng.choice((None, [], {}, True, 0, 0.5, "", [item], {"type": "tensor", "key": "w1"}))
    else:
        holder[key] = _other(rng, item, names)


def _other(rng: random.Random, item: Any, names: Sequence[str]) -> Any:
    """Something of the item's own kind, which a shallow check would let pass."""
    if isinstance(item, bool):
        return not item
    if isinstance(item, int):
        return rng.choice((rng.choice(INTEGERS), item + rng.choice((-1, 1, 2, -8)), item * 2, -item, item // 2))
    if isinstance(item, float):
        return rng.choice((rng.choice(FLOATS), item * rng.uniform(-2, 2)))
    if isinstance(item, str):
        return rng.choice((rng.choice(WORDS), rng.choice(names), item[: len(item) // 2], item + item))
    if isinstance(item, list):
        shuffled = rng.sample(item, len(item))
        return rng.choice((shuffled, item * 2, item[:-1], item * 100, [*item, 1], item[1:]))
    if isinstance(item, dict):
        return dict(rng.sample(list(item.items()), max(len(item) - 1, 0)))
    return rng.choice((0, "", [], 1.0))
