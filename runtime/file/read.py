"""Reads a .mj file, of which nothing is believed before it is proved."""

from __future__ import annotations

import mmap
from typing import NamedTuple

from ..graph import Graph
from ..system.collection import no_collection
from . import container, schema, validate
from .decode import decode_graphs, decode_record
from .metadata import Metadata
from .self_test import Arrays


class Contents(NamedTuple):
    """stages: the graph, whose constants are read-only views of the mapping, and what travels with it; of a cascade,
    those of each stage. cascade: None where the file is of a model alone. self_test: not yet held against the graph."""

    stages: list[tuple[Graph, Metadata]]
    cascade: schema.GateRecord | None
    self_test: list[Arrays]


@no_collection()
def read(mapping: mmap.mmap, verify: bool = True) -> Contents:
    """What is in a mapped file.

    verify False skips the checksum and nothing else. ModelError says what is wrong, without the path.
    """
    opened = container.open_container(mapping)
    if verify:
        container.verify(opened)
    record = decode_record(opened.metadata)
    graphs, cases = decode_graphs(record, opened.tensors)
    for graph in graphs:
        validate.validate(graph)
    more = [] if record.gate is None else record.gate.stages
    return Contents(list(zip(graphs, (record.metadata, *more), strict=True)), record.gate, cases)
