"""What a memory must know of the answers that it keeps."""

from __future__ import annotations

from typing import Any, Protocol


class Answers(Protocol):
    """Answers of one kind of session."""

    def is_sure(self, answer: Any) -> bool:
        """Whether it is kept."""

    def same(self, known: Any, fresh: Any) -> bool:
        """Whether both say the same."""

    def size(self, answer: Any) -> int:
        """Bytes in Python."""

    def encode(self, answer: Any) -> bytes:
        """As a disk keeps it."""

    def decode(self, data: bytes) -> Any:
        """ValueError where these bytes are none."""
