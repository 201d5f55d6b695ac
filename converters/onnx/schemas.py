"""ONNX's own description of its operators."""

from __future__ import annotations

from functools import cache

from onnx import defs

_NEWEST = 10_000


@cache
def find_schema(op: str, version: int = _NEWEST, domain: str = "") -> defs.OpSchema | None:
    """The operator as that version of its operator set defines it, as far as the installed onnx package knows; None
    where there is none."""
    try:
        return defs.get_schema(op, max(0, min(version, _NEWEST)), domain)
    except defs.SchemaError:
        return None
