"""Which function converts which ONNX operator, and from which version of the operator set on."""

from __future__ import annotations

from collections.abc import Callable

from .call import Call

Handler = Callable[[Call], None]

MICROSOFT = "com.microsoft"
LEARNED = "ai.onnx.ml"

_handlers: dict[tuple[str, str], list[tuple[int, Handler]]] = {}


def handles(*ops: str, since: int = 1, domain: str = "") -> Callable[[Handler], Handler]:
    """Declares the handler of these operators for models of operator set `since` up to the next one declared."""

    def declare(handler: Handler) -> Handler:
        for op in ops:
            forms = _handlers.setdefault((domain, op), [])
            if any(version == since for version, _ in forms):
                raise ValueError(f"{domain}.{op} since {since} has two handlers")
            forms.append((since, handler))
            forms.sort(key=lambda form: form[0])
        return handler

    return declare


def find_handler(domain: str, op: str, version: int) -> Handler | None:
    """The handler of an operator in the form that the given version of its operator set defines."""
    forms = [handler for since, handler in _handlers.get((domain, op), []) if since <= version]
    return forms[-1] if forms else None


def handled() -> set[tuple[str, str]]:
    """(domain, operator) of every handler."""
    return set(_handlers)
