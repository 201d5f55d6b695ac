"""Which inputs of a cascade's stages are one and the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..graph import Dim
from ..model import Model, TensorInfo


@dataclass(slots=True)
class Inputs:
    """names: for each stage, its inputs' names in the cascade. symbols: for each stage, its symbolic dimensions' names
    there. apart: inputs of one name that are not the same, with the numbers of the stages and how they want them."""

    names: list[dict[str, str]]
    symbols: list[dict[str, str]]
    apart: dict[str, list[tuple[int, TensorInfo]]] = field(default_factory=dict)


def match(stages: Sequence[Model]) -> Inputs:
    """Inputs of one name are the same where every stage that has one takes the same arrays and prepares images alike.
    Others bear their stage's number before their name."""
    found = Inputs([{} for _ in stages], [{} for _ in stages])
    for name in dict.fromkeys(name for stage in stages for name in stage.inputs):
        holders = [number for number, stage in enumerate(stages) if name in stage.inputs]
        infos = [stages[number].inputs[name] for number in holders]
        prepared = {stages[number].metadata.preprocessing for number in holders}
        if len(prepared) == 1 and all(_same(infos[0], info) for info in infos[1:]):
            for number, info in zip(holders, infos, strict=True):
                found.names[number][name] = name
                _name_symbols(found.symbols[number], info.shape, infos[0].shape)
            continue
        found.apart[name] = list(zip(holders, infos, strict=True))
        for number in holders:
            found.names[number][name] = f"{number}/{name}"
    for number, (stage, symbols) in enumerate(zip(stages, found.symbols, strict=True)):
        for info in stage.inputs.values():
            for dim in info.shape or ():
                if isinstance(dim, str):
                    symbols.setdefault(dim, f"{number}/{dim}")
    return found


def _same(one: TensorInfo, other: TensorInfo) -> bool:
    if one.dtype != other.dtype or one.quant != other.quant or (one.shape is None) != (other.shape is None):
        return False
    pairs = list(zip(one.shape or (), other.shape or (), strict=False))
    return len(one.shape or ()) == len(other.shape or ()) and all(
        a == b or (isinstance(a, str) and isinstance(b, str)) for a, b in pairs
    )


def _name_symbols(symbols: dict[str, str], shape: tuple[Dim, ...] | None, shared: tuple[Dim, ...] | None) -> None:
    for own, name in zip(shape or (), shared or (), strict=True):
        if isinstance(own, str) and isinstance(name, str):
            symbols.setdefault(own, name)
