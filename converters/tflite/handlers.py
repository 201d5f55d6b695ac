"""Which function converts which TFLite operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .operator import Operator

Handler = Callable[["Operator"], None]

_handlers: dict[str, Handler] = {}


class Unsupported(Exception):
    """Why one operator cannot be converted. `convert` collects them into one ModelError."""


def handles(*kinds: str) -> Callable[[Handler], Handler]:
    """Registers the decorated function for these builtin operators ("CONV_2D") or custom ones ("CUSTOM name")."""

    def register(handler: Handler) -> Handler:
        for kind in kinds:
            if kind in _handlers:
                raise ValueError(f"two handlers for {kind}")
            _handlers[kind] = handler
        return handler

    return register


def find(kind: str) -> Handler | None:
    from .operators import catalogue  # noqa: F401  imports every family of operators

    return _handlers.get(kind)


def names() -> list[str]:
    from .operators import catalogue  # noqa: F401

    return sorted(_handlers)
