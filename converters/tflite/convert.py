"""A .tflite file -> Graph, with all operators that cannot be converted told in one error."""

from __future__ import annotations

import os

from ...runtime.errors import ModelError
from ...runtime.ops.meaning import check as check_meanings
from ..imported import Imported
from ..refusal import refusal
from . import metadata, tensors
from .importer import Importer
from .names import aliases
from .prune import prune
from .reader import read
from .signatures import chosen
from .subgraph import check_order, convert_operators


def convert(path: str | os.PathLike[str], signature: str | None = None) -> Imported:
    """The main graph of a model, in the form of the source: nothing folded or fused that the file does not fuse.

    signature: the one whose graph is wanted, by the names that it gives; without it, the file's first.

    ModelError where the file is no TFLite model, is damaged, or holds operators that are not supported; one error
    tells of all. So does one that takes quantized tensors for plain integers, or these for those.
    """
    model = read(path)
    for subgraph in model.subgraphs:
        check_order(subgraph)
    model, signatures = chosen(model, signature)
    importer = Importer(model)
    importer.enter()
    convert_operators(importer)
    if importer.refused:
        raise model.error(refusal(importer.refused))
    importer.leave()
    graph = importer.graph
    states = importer.variables.finish(importer)
    graph.name = os.path.splitext(os.path.basename(model.path))[0]
    prune(graph)
    try:
        check_meanings(graph)
    except ModelError as problem:
        raise model.error(str(problem)) from None
    notes = metadata.read(model)
    return Imported(
        graph,
        aliases(model, signatures, importer.names),
        notes.labels,
        notes.preprocessing,
        notes.description,
        tensors.default_sizes(model, importer.names),
        states,
    )
