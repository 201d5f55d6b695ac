"""The options of custom operators that hold a flexbuffer map."""

from __future__ import annotations

from typing import Any

from flatbuffers import flexbuffers

from .operator import Operator


def flexible(op: Operator) -> dict[str, Any]:
    """The map. ModelError where it is damaged."""
    try:
        found = flexbuffers.Loads(op.record.custom_options)
    except Exception as problem:  # the library raises whatever Python does at a bad offset
        raise op.error(f"its options are damaged: {problem!s:.80}") from None
    if not isinstance(found, dict):
        raise op.error("its options are no map")
    return found
