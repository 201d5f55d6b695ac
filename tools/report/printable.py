"""Text from models, files and other programs, before it reaches a terminal."""

from __future__ import annotations


def printable(text: str, keep: str = "") -> str:
    """Names come from models and sensors, and may hold what moves a terminal's cursor. keep: letters that stay."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in keep else "\N{REPLACEMENT CHARACTER}" for each in text)
