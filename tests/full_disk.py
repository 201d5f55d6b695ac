"""What a full disk or quota looks like to a writer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

PAGE = 4096


@contextlib.contextmanager
def full_disk(room: int = 0) -> Iterator[None]:
    """No file may become larger than so many bytes."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
