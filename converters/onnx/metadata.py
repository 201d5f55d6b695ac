"""Class names that exporters leave in a model's metadata."""

from __future__ import annotations

import ast
import json

import onnx

_KEYS = ("labels", "classes", "class_names", "names")


def labels(model: onnx.ModelProto) -> list[str] | None:
    """Class names from the model's metadata: a JSON list, lines of text, or a dict from index to name (as the YOLO
    exporters write it). None where there are none in a form known here."""
    entries = {entry.key: entry.value for entry in model.metadata_props}
    for key in _KEYS:
        found = _parse(entries.get(key, ""))
        if found:
            return found
    return None


def _parse(text: str) -> list[str] | None:
    text = text.strip()
    if text[:1] in ("[", "{"):
        try:
            parsed = _literal(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return None
        if isinstance(parsed, dict):
            by_index = {str(index): name for index, name in parsed.items()}
            parsed = [by_index.get(str(index)) for index in range(len(by_index))]
        return parsed if isinstance(parsed, list) and all(isinstance(name, str) for name in parsed) else None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines if len(lines) > 1 else None


def _literal(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return ast.literal_eval(text)
