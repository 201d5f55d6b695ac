"""Value names of a model's tensors: as LiteRT prints them, unique, and never empty."""

from __future__ import annotations

from collections.abc import Container, Iterable

from .records import ModelRecord, Signature

LONGEST_INSIDE = 512
"""Characters at the end of a name, and of the names of the operators around it, that are kept inside of a subgraph: a
small file may call one very often."""


def value_names(model: ModelRecord, prefix: str = "", others: Container[str] = ()) -> list[str]:
    """One name per tensor. Public inputs and outputs keep theirs; others that repeat a name get ".1", ".2", ....
    prefix: of the names within a subgraph; others: names that are taken already."""
    names = [""] * len(model.tensors)
    taken: set[str] = set()
    tried: dict[str, int] = {}
    for index in _public_first(model):
        wanted = prefix + inside(prefix, model.tensors[index].name or f"tensor_{index}")
        name = wanted
        while name in taken or name in others:
            tried[wanted] = tried.get(wanted, 0) + 1
            name = f"{wanted}.{tried[wanted]}"
        taken.add(name)
        names[index] = name
    return names


def inside(prefix: str, name: str) -> str:
    """What is kept of a name behind a prefix."""
    return name[-LONGEST_INSIDE:] if prefix else name


def _public_first(model: ModelRecord) -> Iterable[int]:
    public = dict.fromkeys((*model.inputs, *model.outputs))
    yield from public
    yield from (index for index in range(len(model.tensors)) if index not in public)


def aliases(model: ModelRecord, signatures: Iterable[Signature], names: list[str]) -> dict[str, str]:
    """Signature name -> tensor name. signatures: of this subgraph.

    A name that means two tensors, or is another tensor's own, is no alias.
    """
    found: dict[str, set[str]] = {}
    public = {names[index] for index in (*model.inputs, *model.outputs)}
    for signature in signatures:
        for own, tensors in ((model.inputs, signature.inputs), (model.outputs, signature.outputs)):
            for alias, index in tensors.items():
                if index in own:
                    found.setdefault(alias, set()).add(names[index])
    return {alias: next(iter(targets)) for alias, targets in found.items() if len(targets) == 1 and alias not in public}
