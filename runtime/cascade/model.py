"""A cascade as a model: its stages, its gate, and the graph that they make together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import InputError
from ..file.metadata import Metadata, Source
from ..file.self_test import in_order
from ..memory.memory import Memory
from ..model import Model, named
from .gate import Gate
from .link import Linked, link


@dataclass(slots=True, repr=False)
class CascadeModel(Model):
    """stages: in the order in which they are asked. memory: what a session of this model remembers with, if its caller
    gives no other. linked: how the graph came to be."""

    stages: Sequence[Model] = ()
    gate: Gate = field(default_factory=Gate)
    memory: Memory | None = None
    linked: Linked = field(kw_only=True)

    @staticmethod
    def of(stages: Sequence[Model], gate: Gate, memory: Memory | None = None) -> CascadeModel:
        """ModelError where the stages are not classifiers of the same classes, InputError where the gate is for another
        number of them."""
        if not stages:
            raise InputError("a cascade needs stages: classifiers in the order in which they are asked")
        linked = link(stages, gate)
        return CascadeModel(
            linked.graph, _metadata(stages, linked), exits=linked.exits, stages=tuple(stages), gate=gate, memory=memory,
            linked=linked,
        )  # fmt: skip

    @property
    def parts(self) -> Sequence[Model]:
        return self.stages

    def input_name(self, name: str) -> str:
        """As Model.input_name; where stages want different arrays under a name, the error says which."""
        apart = self.linked.inputs.apart.get(name)
        if apart is not None and name not in self.graph.inputs:
            wanted = ", ".join(f"stage {number} takes {info}" for number, info in apart)
            names = ", ".join(f"'{number}/{name}'" for number, _ in apart)
            raise InputError(
                f"input '{name}' is not one to all stages: {wanted}, prepared in its own way; feed an image (prepare, "
                f"classify), or arrays by the names {names}"
            )
        return named("input", name, self.graph.inputs, self.metadata.input_aliases)

    def preparing(self, name: str) -> tuple[Model, str]:
        """The first stage that has this input, and the input's name there."""
        name = self.input_name(name)
        for stage, names in zip(self.stages, self.linked.inputs.names, strict=True):
            for own, known in names.items():
                if known == name:
                    return stage, own
        raise AssertionError(name)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the stages, the gate, the memory's settings but for its path, and the self-test of the whole as one
        file; the same cascade gives the same bytes.

        ModelError where a graph is not sound, InputError where path is named as sources are, Error where it cannot be
        written: then nothing there changes.
        """
        from ..file.write import serialize, write  # a device that only runs cascades never writes one
        from .file import encode

        first, *others = [stage.written_metadata() for stage in self.stages]
        graph, *more = [stage.graph for stage in self.stages]
        cases = in_order(self.self_test, self.graph)
        write(path, serialize(graph, first, encode(self, others), more, cases))

    def stage_macs(self, node_macs: Mapping[str, int]) -> list[int]:
        """The multiply-adds of each stage, of a program's by node."""
        return [
            sum(macs for node, macs in node_macs.items() if f" '{number}/" in node)
            for number in range(len(self.stages))
        ]


def _metadata(stages: Sequence[Model], linked: Linked) -> Metadata:
    """Of the whole: the first stage's labels, every stage's aliases and default sizes by their names here."""
    aliases: dict[str, str] = {}
    sizes: dict[str, int] = {}
    parts = zip(stages, linked.inputs.names, linked.inputs.symbols, strict=True)
    for number, (stage, names, symbols) in enumerate(parts):
        for alias, name in stage.metadata.input_aliases.items():
            shared = names[name] == name
            known = alias if shared else f"{number}/{alias}"
            if known not in linked.graph.inputs:
                aliases.setdefault(known, names[name])
        for symbol, size in stage.metadata.default_sizes.items():
            sizes.setdefault(symbols[symbol], size)
    labels = next((stage.metadata.labels for stage in stages if stage.metadata.labels), [])
    title = " + ".join(stage.metadata.source.name or stage.graph.name or "?" for stage in stages)
    return Metadata(source=Source(title, "cascade"), input_aliases=aliases, labels=labels, default_sizes=sizes)
