"""HTML and SVG text into which nothing gets that is not escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Union

from ..printable import printable

Content = Union[str, float, None, Iterable["Content"]]  # noqa: UP007
VOID = frozenset({"meta", "link", "br"})


class Markup(str):
    """Text that is markup already; any other text is escaped when it becomes part of some."""

    __slots__ = ()


def escape(text: str) -> Markup:
    """Also what no reader should see: control characters, and those that turn the direction of writing."""
    return Markup(html.escape(printable(text, keep="\n"), quote=True))


def join(content: Content) -> Markup:
    if content is None:
        return Markup("")
    if isinstance(content, Markup):
        return content
    if isinstance(content, (str, int, float)):
        return escape(str(content))
    return Markup("".join(map(join, content)))


def tag(name: str, /, *content: Content, **attributes: str | float | bool | None) -> Markup:
    """An element. attributes: class_ is class, and aria_label aria-label; those that are None or False are left out."""
    written = []
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        shown = key.rstrip("_").replace("_", "-")
        written.append(f" {shown}" if value is True else f' {shown}="{escape(_plain(value))}"')
    opening = f"<{name}{''.join(written)}>"
    return Markup(opening if name in VOID else f"{opening}{join(content)}</{name}>")


def _plain(value: str | float) -> str:
    """Coordinates to a hundredth: a thousand of them make a page long."""
    return (
        value
        if isinstance(value, str)
        else f"{value:.2f}".rstrip("0").rstrip(".")
        if isinstance(value, float)
        else str(value)
    )
