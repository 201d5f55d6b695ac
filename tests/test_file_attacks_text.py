"""Files whose text is made to harm: each is refused with one ModelError, when it is read or when it is run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from file_parts import Attack, Parts, put_together, take_apart
from text_model import ITEMS, WORDS, text_graph

from millijoule.runtime.errors import ModelError
from millijoule.runtime.file.metadata import Metadata
from millijoule.runtime.file.write import serialize
from millijoule.runtime.model import Model
from millijoule.runtime.session import load


def attack_text(change: Attack) -> bytes:
    parts = take_apart(serialize(text_graph(), Metadata()))
    change(parts)
    return put_together(parts)


def written_over(parts: Parts, key: str, at: int, raw: bytes) -> None:
    begin = parts.entries[key]["data_offsets"][0] + at
    parts.data = parts.data[:begin] + raw + parts.data[begin + len(raw) :]


TEXT_ATTACKS: dict[str, tuple[Attack, str]] = {
    "lengths beyond the bytes": (
        lambda parts: written_over(parts, "keys", 0, (99).to_bytes(4, "little")),
        "value 'keys': 3 texts do not end where their 20 bytes do",
    ),
    "lengths that wrap around": (
        lambda parts: written_over(parts, "keys", 0, b"\xff\xff\xff\xff\x0c\x00\x00\x00"),
        "do not end where",
    ),
    "no UTF-8": (lambda parts: written_over(parts, "keys", 12, b"\xff"), "text 0 is not UTF-8"),
    "an overlong form": (lambda parts: written_over(parts, "keys", 12, b"\xc0\x80"), "text 0 is not UTF-8"),
    "a surrogate": (lambda parts: written_over(parts, "keys", 12, b"\xed\xa0\x80"), "text 0 is not UTF-8"),
    "more elements than bytes": (
        lambda parts: parts.value("keys").update(shape=[2**31 - 1, 2]),
        "needs more than|are not 4294967294 texts",
    ),
    "a shape that is not known": (lambda parts: parts.value("keys").update(shape=["n"]), "of an unknown shape"),
    "numbers for text": (lambda parts: parts.value("keys").update(data="table"), "one dimension, not float32"),
    "text for numbers": (lambda parts: parts.value("labels").update(dtype="uint8"), "its data is uint8 of shape"),
    "a constant sequence": (
        lambda parts: parts.value("labels").update(dtype="sequence(text)"),
        "its data is uint8|no constant",
    ),
    "quantized text": (lambda parts: parts.value("words").update(quant={"scale": 1.0}), "text cannot be quantized"),
    "no type at all": (lambda parts: parts.value("words").update(dtype="sequence(void)"), "record is not sound"),
    "an older version": (lambda parts: parts.record.update(version=6), "version 6 of the format has no text"),
    "a pattern without end": (
        lambda parts: parts.node("RegexFullMatch")["attrs"].update(pattern=7),
        "attribute 'pattern' must be str",
    ),
}


@pytest.mark.parametrize("name", TEXT_ATTACKS)
def test_text(name: str, refused: Callable[..., None]) -> None:
    change, problem = TEXT_ATTACKS[name]
    refused(attack_text(change), problem)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda parts: parts.node("RegexFullMatch")["attrs"].update(pattern="(a{999}){999}"), "more than 20000 states"),
        (lambda parts: parts.node("Relu").update(op="Identity"), None),
        (lambda parts: parts.node("Gather")["inputs"].__setitem__(0, parts.index("keys")), "declared float32"),
        (lambda parts: parts.node("StringConcat").update(op="Add"), "text, which Add does not take"),
        (lambda parts: parts.node("SequenceInsert").update(op="StringConcat"), "StringConcat does not take"),
        (lambda parts: parts.value("more").update(dtype="sequence(float64)"), "declared sequence"),
    ],
)
def test_text_taken_for_something_else(change: Attack, problem: str | None, tmp_path: Path) -> None:
    """What only running shows: one error that names the node."""
    path = tmp_path / "text.mj"
    path.write_bytes(attack_text(change))
    feeds = {"words": WORDS, "items": ITEMS, "maybe": None}
    with load(Model.load(path), threads=1) as session:
        if problem is None:
            assert session.run(feeds)["text"].size
            return
        with pytest.raises(ModelError, match=problem):
            session.run(feeds)
