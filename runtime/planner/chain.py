"""Chains of calls, each of which alone reads what the one before it wrote."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from ..kernels.copy import fill_border
from ..program.program import Call, PythonStep, touched
from ..program.view import Place, Storage

LONGEST = 16
"""Calls of a chain: what a strip of the last one needs of the first grows with each between them."""
Step = Call | PythonStep
Uses = dict[int, list[int]]
"""By id of a storage, the steps that touch it."""


class Link(msgspec.Struct, frozen=True):
    """What one call writes and the next reads: bytes of `storage`, at first <= i < end of `write` and of `read`, by
    lines that are `write_pitch` and `read_pitch` apart. fill: the call that fills the border around them."""

    storage: Storage
    write: Place
    writes: int
    write_pitch: int
    read: Place
    reads: int
    read_pitch: int
    fill: Call | None = None

    def written(self, lines: int) -> int:
        """Where what the first `lines` lines write ends."""
        return self.write.end - (self.writes - lines) * self.write_pitch if lines else 0

    def wanted(self, lines: int) -> int:
        """Where what the first `lines` lines read ends."""
        return self.read.end - (self.reads - lines) * self.read_pitch

    def begin(self, line: int) -> int:
        """The first byte that a line reads."""
        return self.read.first + line * self.read_pitch

    def needed(self, lines: int) -> int:
        """How many lines are to be written before the first `lines` can be read."""
        return max(0, min(self.writes, -(-(self.wanted(lines) - self.write.first) // self.write_pitch)))


class Chain(msgspec.Struct, frozen=True):
    """calls: one more than links. ends: of each call, the index behind it in the program, where nothing lies between
    them but what fills their borders."""

    calls: list[Call]
    links: list[Link]
    ends: list[int]

    def shorter(self) -> Chain:
        """Without the last call."""
        return Chain(self.calls[:-1], self.links[:-1], self.ends[:-1])


def uses_of(steps: Sequence[Step]) -> Uses:
    found: Uses = {}
    for index, step in enumerate(steps):
        for storage in {id(storage) for storage in touched(step)}:
            found.setdefault(storage, []).append(index)
    return found


def chain_from(steps: Sequence[Step], index: int, uses: Uses, kept: Iterable[int], least: int) -> Chain:
    """The longest chain, of LONGEST calls at most, that begins with the step at `index`, or with the border that it
    fills; without links where there is none. kept: ids of storages that others than steps use. least: bytes of what
    passes between two calls."""
    fill = _fill(steps, index)
    at = index if fill is None else index + 1
    first = _call(steps, at)
    if first is None or first.by_lines is None or (fill is not None and not _same(fill, first)):
        return Chain([], [], [])
    calls, links, ends = [first], list[Link](), [at + 1]
    while len(calls) < LONGEST:
        storage = calls[-1].places["y"].storage
        next_fill = _fill(steps, at + 1)
        after = at + 1 if next_fill is None else at + 2
        reader = _call(steps, after)
        if reader is None or reader.by_lines is None or (next_fill is not None and not _same(next_fill, reader)):
            break
        own = {at, after} if fill is None else {at - 1, at, after}
        if storage.size < least or id(storage) in kept or set(uses[id(storage)]) != own:
            break
        link = _link(calls[-1], reader, fill, storage)
        if link is None:
            break
        calls.append(reader)
        links.append(link)
        ends.append(after + 1)
        fill, at = next_fill, after
    return Chain(calls, links, ends)


def _call(steps: Sequence[Step], index: int) -> Call | None:
    step = steps[index] if index < len(steps) else None
    return step if isinstance(step, Call) and step.jump is None else None


def _fill(steps: Sequence[Step], index: int) -> Call | None:
    step = _call(steps, index)
    return step if step is not None and step.kernel is fill_border else None


def _same(a: Call, b: Call) -> bool:
    """Whether both write into one storage."""
    return a.places["y"].storage is b.places["y"].storage


def _link(a: Call, b: Call, fill: Call | None, storage: Storage) -> Link | None:
    """None where b reads it in another way than by lines, or where parts of it cannot lie elsewhere."""
    assert a.by_lines is not None and b.by_lines is not None
    reading = {name: place for name, place in b.places.items() if place.storage is storage}
    writing = [name for name, place in a.places.items() if place.storage is storage]
    if "x" not in reading or not reading.keys() <= b.by_lines.pitches.keys():
        return None
    ways = {(place.offset, place.first, place.end, b.by_lines.pitches[name]) for name, place in reading.items()}
    if len(ways) > 1 or not set(writing) <= a.by_lines.pitches.keys():
        return None
    link = Link(
        storage, a.places["y"], a.by_lines.count, a.by_lines.pitches["y"],
        b.places["x"], b.by_lines.count, b.by_lines.pitches["x"], fill,
    )  # fmt: skip
    line = link.write.end - link.write.first - (link.writes - 1) * link.write_pitch
    if link.read_pitch <= 0 or not 0 < line <= link.write_pitch:
        return None
    if fill is None:
        return link
    numbers = fill.numbers
    even = numbers["images"] == 1 and numbers["row"] == link.write_pitch and link.read_pitch % link.write_pitch == 0
    inside = numbers["before"] == link.write.first and link.begin(0) <= link.write.first
    return link if even and inside else None
