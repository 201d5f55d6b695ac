"""Model: a graph with what travels beside it, as converted or as read from a .mj file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from . import summary
from .arguments import text
from .boxed import name_of
from .errors import InputError, ModelError
from .file.mapping import release_pages
from .file.metadata import Metadata
from .graph import Dim, Graph, Quantization
from .model_file import ModelFile

if TYPE_CHECKING:
    import mmap

    from .fidelity import Fidelity
    from .file.self_test import Case
    from .program.program import Exits


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A public input or output. shape: ints and the names of symbolic dimensions; None where the rank is unknown, or it
    is no tensor.

    dtype: of text, NumPy's dtype of objects; of sequences and optional values a structure of objects. `kind` says it in
    a word. quant: where the numbers are quantized integers, what they stand for.
    """

    name: str
    shape: tuple[Dim, ...] | None
    dtype: np.dtype
    quant: Quantization | None = None

    @property
    def kind(self) -> str:
        """The dtype's name, or what it is instead of a tensor of numbers: "float32", "text", "sequence(float32)",
        "optional(float32)", "optional(sequence(text))"."""
        return name_of(self.dtype)

    def __str__(self) -> str:
        """As errors and tables write it: 'x' float32 (1, 8)."""
        sizes = "any shape"
        if self.dtype.names is not None:
            return f"'{self.name}' {self.kind}"
        if self.shape is not None:
            sizes = f"({', '.join(map(str, self.shape))}{',' if len(self.shape) == 1 else ''})"
        return f"'{self.name}' {self.kind} {sizes}"


@dataclass(slots=True, repr=False)
class Model:
    """graph: as the planner takes it. metadata: source, aliases, labels, preprocessing. fused: where the model was just
    converted, the source's tensors that no longer exist, and the node that took each of them in; not saved.
    self_test: inputs, and the outputs that they should give, which `mj verify` checks. exits: of a cascade, the nodes
    that may end it. fidelity: where it was just quantized, what that lost; not saved."""

    graph: Graph
    metadata: Metadata = field(default_factory=Metadata)
    fused: Mapping[str, str] = field(default_factory=dict, compare=False)
    self_test: Sequence[Case] = field(default=(), compare=False)
    exits: Exits | None = field(default=None, compare=False)
    fidelity: Fidelity | None = field(default=None, compare=False)
    _mapping: mmap.mmap | None = field(default=None, repr=False, compare=False)
    _file: ModelFile | None = field(default=None, init=False, repr=False, compare=False)
    _outline: Graph | None = field(default=None, init=False, repr=False, compare=False)

    # Hidden from static checkers, which would take every name for an attribute. Only what no slot holds comes here.
    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            if name not in ("graph", "self_test"):
                raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
            whole = self._file.decode()
            self.graph, self.self_test = whole.graph, whole.self_test
            return getattr(self, name)

    def __repr__(self) -> str:
        return summary.line("Model", self)

    def _repr_html_(self) -> str:
        return summary.table("Model", self, {"nodes": len(self.graph.nodes)})

    @property
    def inputs(self) -> dict[str, TensorInfo]:
        """The public inputs in the source's order."""
        return self._describe(self._public.inputs)

    @property
    def outputs(self) -> dict[str, TensorInfo]:
        """The public outputs in the source's order."""
        return self._describe(self._public.outputs)

    def input_name(self, name: str) -> str:
        """The graph's name of an input given by name or alias; InputError where there is none."""
        return named("input", name, self._public.inputs, self.metadata.input_aliases)

    def output_name(self, name: str) -> str:
        """The graph's name of an output given by name or alias; InputError where there is none."""
        return named("output", name, self._public.outputs, self.metadata.output_aliases)

    @property
    def _public(self) -> Graph:
        """A graph with the same inputs and outputs, but for what is kept from one run to the next."""
        states, graph = self.metadata.states, self._shown
        if not states:
            return graph
        kept = {state.output for state in states.values()}
        inputs = [name for name in graph.inputs if name not in states]
        outputs = [name for name in graph.outputs if name not in kept]
        return Graph(graph.values, [], inputs, outputs, graph.name)

    @property
    def _shown(self) -> Graph:
        return self.graph if self._outline is None else self._outline

    @property
    def parts(self) -> Sequence[Model]:
        """Of a cascade its stages, else the model itself."""
        return (self,)

    def preparing(self, name: str) -> tuple[Model, str]:
        """The model whose preprocessing is for this input, and the input's name there: of a cascade, a stage."""
        return self, self.input_name(name)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the model; the same model gives the same bytes.

        ModelError where the graph is not sound, InputError where path is named as sources are (.onnx, .tflite, .lite),
        Error where it cannot be written: then nothing there changes.
        """
        from .file.self_test import in_order
        from .file.write import serialize, write  # a device that only runs models never writes one

        cases = in_order(self.self_test, self._public)
        write(path, serialize(self.graph, self.written_metadata(), self_test=cases))

    def written_metadata(self) -> Metadata:
        """As a file of this model has it; ModelError where it is not sound."""
        self._check_metadata()
        metadata = self.metadata
        return metadata if metadata.producer else msgspec.structs.replace(metadata, producer=_producer())

    @staticmethod
    def load(path: str | os.PathLike[str], verify: bool = True) -> Model:
        """Maps a .mj file. ModelError, naming the file, where it is damaged, unsafe or of a newer version.

        verify False skips the checksum and nothing else.
        """
        return ModelFile(path, verify).decode()

    def release_pages(self) -> None:
        """Gives the mapped file's pages back, once they were packed or checked; a later read maps them again."""
        if self._mapping is not None:
            release_pages(self._mapping)

    def _describe(self, names: Iterable[str]) -> dict[str, TensorInfo]:
        values = self._shown.values
        return {name: TensorInfo(name, values[name].shape, values[name].dtype, values[name].quant) for name in names}

    def input_shapes(
        self, given: Mapping[str, tuple[int, ...]], kept: Mapping[str, tuple[int, ...]] | None = None
    ) -> dict[str, tuple[Dim, ...] | None]:
        """The shape of every input: as given; else as kept, or else declared, with the sizes that the given shapes say
        of their symbolic dimensions, and then the default sizes (which TFLite models have)."""
        infos, sizes = self.inputs, dict[str, int]()
        for name, shape in given.items():
            declared = infos[name].shape or ()
            sizes |= {dim: size for dim, size in zip(declared, shape, strict=False) if isinstance(dim, str)}
        found: dict[str, tuple[Dim, ...] | None] = {}
        for name, info in infos.items():
            before = (kept or {}).get(name)
            if name in given or info.shape is None:
                found[name] = given.get(name, before)
                continue
            known = self.metadata.default_sizes if before is None else dict(zip(info.shape, before, strict=True))
            found[name] = tuple(
                sizes.get(dim, known.get(dim, dim)) if isinstance(dim, str) else dim for dim in info.shape
            )
        return found

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the inputs that hold what is kept from one run to the next."""
        shapes = {name: self._shown.values[name].shape or () for name in self.metadata.states}
        return {name: tuple(int(size) for size in shape) for name, shape in shapes.items()}

    def _check_metadata(self) -> None:
        self._check_states()
        symbols = {dim for info in self.inputs.values() for dim in info.shape or () if isinstance(dim, str)}
        for name in self.metadata.default_sizes:
            if name not in symbols:
                raise ModelError(f"default size of {name!r}, which is no symbolic dimension of an input")
        sides = (
            ("input", self.metadata.input_aliases, self.graph.inputs),
            ("output", self.metadata.output_aliases, self.graph.outputs),
        )
        for side, aliases, names in sides:
            for alias, name in aliases.items():
                if name not in names or (alias in names and alias != name):
                    raise ModelError(f"alias {alias!r} of {side} {name!r} names nothing, or something else too")

    def _check_states(self) -> None:
        states, graph = self.metadata.states, self.graph
        if len({state.output for state in states.values()}) != len(states):
            raise ModelError("two states are kept in one output")
        for name, state in states.items():
            if name not in graph.inputs or state.output not in graph.outputs:
                raise ModelError(f"state {name!r} is no input that an output {state.output!r} is kept for")
            a, b = graph.values[name], graph.values[state.output]
            fits = a.shape is not None and all(isinstance(dim, int) for dim in a.shape)
            if not fits or (a.dtype, a.shape, a.quant) != (b.dtype, b.shape, b.quant):
                raise ModelError(f"state {name!r} is not what output {state.output!r} is")
            kind = np.iinfo(a.dtype) if a.dtype.kind in "iu" else None
            if kind is not None and not (isinstance(state.fill, int) and kind.min <= state.fill <= kind.max):
                raise ModelError(f"state {name!r} cannot be filled with {state.fill}")


def decode(file: ModelFile) -> Model:
    """The model in a file; ModelError, without the file's name, where it is not sound."""
    from .file.read import read  # which a model whose plan is kept does without
    from .file.self_test import by_name

    contents = read(file.mapping, file.verify)
    stages = [Model(graph, metadata, _mapping=file.mapping) for graph, metadata in contents.stages]
    for stage in stages:
        stage._check_metadata()
    model = stages[0]
    if contents.cascade is not None:
        from .cascade.file import decode as cascade

        model = cascade(stages, contents.cascade)
    model.self_test = by_name(contents.self_test, model._public)
    return model


def outlined(file: ModelFile, outline: Graph, metadata: Metadata) -> Model:
    """A file's model whose graph and self-test are read once somebody asks for them. outline: a graph with the same
    inputs and outputs and their values, without anything between."""
    model = Model.__new__(Model)
    model.metadata, model.fused, model.exits, model.fidelity = metadata, {}, None, None
    model._mapping, model._file, model._outline = file.mapping, file, outline
    return model


def named(side: str, name: str, names: list[str], aliases: dict[str, str]) -> str:
    """The name among these that a name or alias stands for; InputError where there is none."""
    if text(side, name) in names:
        return name
    if name in aliases:
        return aliases[name]
    listed = ", ".join(f"'{known}'" for known in names)
    raise InputError(f"the model has no {side} '{name}'; it has {listed}")


def _producer() -> str:
    from importlib import metadata  # slow to import, and only writers need it

    return f"millijoule {metadata.version('millijoule')}"
