"""What exporters leave in a model's metadata: class names, and how images are prepared."""

from __future__ import annotations

import ast
import json
import re

import msgspec
import onnx

from ...runtime.file.metadata import Color, Preprocessing

_ITEM = re.compile(
    r"""\s*(?:(\d{1,18})\s*:\s*)?('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")\s*(?:,|$)""", re.ASCII | re.DOTALL
)
"""An index where there is one, and a name, as Python writes them."""
_KEYS = ("labels", "classes", "class_names", "names")
_PIXEL_RANGES = {
    "nominalrange_0_255": Preprocessing(),
    "normalized_0_1": Preprocessing(scale=1 / 255),
    "normalized_1_1": Preprocessing(mean=(127.5,), std=(127.5,)),
    "nominalrange_16_235": Preprocessing(scale=219 / 255, mean=(-16.0,)),
}
_COLORS: dict[str, Color] = {"gray": "gray", "rgb8": "rgb", "rgba": "rgb", "bgr8": "bgr", "bgra": "bgr"}
_DETECTOR = Preprocessing(scale=1 / 255, resize="pad", pad_value=114.0)
_ULTRALYTICS = {
    **dict.fromkeys(("detect", "segment", "pose", "obb"), _DETECTOR),
    "classify": Preprocessing(scale=1 / 255, resize="crop"),
}


def labels(model: onnx.ModelProto) -> list[str] | None:
    """Class names from the model's metadata: a JSON list, lines of text, or a dict from index to name (as the YOLO
    exporters write it). None where there are none in a form known here."""
    entries = {entry.key: entry.value for entry in model.metadata_props}
    for key in _KEYS:
        found = _parse(entries.get(key, ""))
        if found:
            return found
    return None


def preprocessing(model: onnx.ModelProto) -> Preprocessing | None:
    """How images are prepared, as ONNX's image metadata (docs/MetadataProps.md, which Windows ML reads) or Ultralytics'
    exporter say; None where neither is there or it asks for more than Preprocessing can say."""
    entries = {entry.key.lower(): entry.value.strip().lower() for entry in model.metadata_props}
    if "image.nominalpixelrange" in entries:
        settings = _PIXEL_RANGES.get(entries["image.nominalpixelrange"])
        color = _COLORS.get(entries.get("image.bitmappixelformat", "rgb8")[:4])
        if settings is None or color is None or entries.get("image.colorspacegamma") == "linear":
            return None
        return msgspec.structs.replace(settings, color=color)
    if entries.get("author") == "ultralytics":
        return _ULTRALYTICS.get(entries.get("task", ""))
    return None


def _parse(text: str) -> list[str] | None:
    text = text.strip()
    if text[:1] in ("[", "{"):
        try:
            parsed: object = json.loads(text)
        except (ValueError, RecursionError):
            try:
                parsed = _python(text)
            except (ValueError, SyntaxError):
                return None
        if isinstance(parsed, dict):
            by_index = {str(index): name for index, name in parsed.items()}
            parsed = [by_index.get(str(index)) for index in range(len(by_index))]
        return parsed if isinstance(parsed, list) and all(isinstance(name, str) for name in parsed) else None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines if len(lines) > 1 else None


def _python(text: str) -> object:
    """A list of names, or a dict from index to name, as Python writes them; None where it is anything else."""
    found, at, end = list[tuple[str, str]](), 1, len(text) - 1
    while at < end:
        item = _ITEM.match(text, at, end)
        if item is None:
            return None if text[at:end].strip() else _closed(text, found)
        written = item[2]
        found.append((item[1] or "", ast.literal_eval(written) if "\\" in written else written[1:-1]))
        at = item.end()
    return _closed(text, found)


def _closed(text: str, items: list[tuple[str, str]]) -> object:
    if text[0] + text[-1] == "{}" and all(index for index, _ in items):
        return {int(index): name for index, name in items}
    return [name for _, name in items] if text[0] + text[-1] == "[]" and not any(index for index, _ in items) else None
