"""Reads a .mj file, of which nothing is believed before it is proved."""

from __future__ import annotations

import mmap
import os

from ..graph import Graph
from . import container, validate
from .decode import decode_graph, decode_record
from .metadata import Metadata


def read(path: str | os.PathLike[str], verify: bool = True) -> tuple[Graph, Metadata, mmap.mmap]:
    """The graph, whose constants are read-only views of the mapping, and what travels with it.

    verify False skips the checksum and nothing else. ModelError says what is wrong, without the path.
    """
    opened = container.open_container(path)
    if verify:
        container.verify(opened)
    record = decode_record(opened.metadata)
    graph = decode_graph(record, opened.tensors)
    validate.validate(graph)
    return graph, record.metadata, opened.mapping
