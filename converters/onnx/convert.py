"""ONNX model -> Imported: the model's graph in millijoule's form, before any rewrite."""

from __future__ import annotations

import os
from collections.abc import Iterable

import onnx

from ...runtime.graph import Graph, outer_reads, subgraphs
from ..imported import Imported
from . import texts
from .builder import Builder
from .functions import collect
from .importer import import_graph, initializers
from .job import Job
from .metadata import labels, preprocessing
from .operators import catalogue as catalogue
from .reader import Source, load, opsets
from .scope import Scope
from .stored_tensors import StoredTensors


def convert(source: str | os.PathLike[str] | onnx.ModelProto) -> Imported:
    """Imports an ONNX model of any operator set, from a file or from memory.

    Public inputs and outputs keep their names, shapes and layout. ModelError: the model is damaged, or it uses what
    is not supported, in which case every such operator is listed with its node's name and the reason.
    """
    loaded = load(source)
    model, job = loaded.model, _job(loaded)
    constants = initializers(model.graph, job)
    scope = Scope(Builder(job, name=model.graph.name), opsets(model.opset_import, loaded.label))
    graph = import_graph(model.graph, scope, constants)
    job.raise_problems()
    prune(graph)
    description = model.doc_string or model.graph.doc_string
    names = labels(model) or texts.labels(job, graph.outputs)
    return Imported(graph, labels=names, preprocessing=preprocessing(model), description=description.strip())


def prune(graph: Graph) -> None:
    """Removes nodes and values that no output depends on; inputs stay."""
    needed = set(graph.outputs)
    kept = []
    for node in reversed(graph.nodes):
        if needed.isdisjoint(node.outputs):
            continue
        for inner in subgraphs(node):
            prune(inner)
        needed.update(node.inputs, outer_reads(node))
        kept.append(node)
    graph.nodes = kept[::-1]
    alive = needed.union(graph.inputs, *(node.outputs for node in graph.nodes))
    graph.values = {name: value for name, value in graph.values.items() if name in alive}


def _job(loaded: Source) -> Job:
    job = Job(loaded.label, StoredTensors(loaded.folder))
    collect(loaded.model, job)
    job.taken.update(_names(loaded.model.graph))
    return job


def _names(graph: onnx.GraphProto) -> Iterable[str]:
    """Every value name of the graph and its subgraphs."""
    yield from (info.name for info in graph.input)
    yield from (tensor.name for tensor in graph.initializer)
    yield from (tensor.values.name for tensor in graph.sparse_initializer)
    for node in graph.node:
        yield from node.output
        for attr in node.attribute:
            for inner in (*([attr.g] if attr.HasField("g") else ()), *attr.graphs):
                yield from _names(inner)
