"""Chains of calls made strip by strip, as depth-first schedules do it: each call goes over the lines that the next one
needs for a few of its own, and so on, so that what passes between them stays in a core's cache, in memory for as many
lines as are needed at once.

Such memory holds a window of the whole, whose first byte moves on from strip to strip: what the next strip reads again
is moved to its beginning, and what fills the border is written where it comes to lie.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import add

import msgspec
import numpy as np
from msgspec.structs import replace

from ..program.copies import Move, move
from ..program.program import Call, Jump
from ..program.view import Place, Storage, View
from ..targets.target import Target
from .chain import Chain, Link, Step, chain_from, uses_of

GAIN = 2
"""How many times smaller the memory between the calls of a chain has to become."""
TRIED = 1 << 15
"""Strips of single calls that are looked at in one program: some tenths of a second, and thousands serve most."""


class Cut(msgspec.Struct, frozen=True):
    """A chain in strips. ends: of each strip, the lines that each call has done after it. windows: of each link, the
    first byte of the whole that its memory holds during each strip. sizes: of each link's memory."""

    ends: list[list[int]]
    windows: list[list[int]]
    sizes: list[int]


def in_strips(
    steps: Sequence[Step], kept: Iterable[Storage], target: Target, room: int, sparing: bool
) -> tuple[list[Step], list[Storage]]:
    """The steps with chains in strips, and the memory that these take between their calls. kept: what must be whole
    after the last step. room: bytes that pass between two calls from which on that is done, and of all memory of a
    strip. sparing: not where a chain takes more memory than its calls one after the other, as all that it reads and
    writes lives as long as it does."""
    uses = uses_of(steps)
    whole = {id(storage) for storage in kept}
    entries = {step.jump.to for step in steps if step.jump is not None}
    made: list[Step] = []
    places: list[int] = []
    storages: list[Storage] = []
    cutter, index = _Cutter(room, sparing), 0
    while index < len(steps):
        chain = chain_from(steps, index, uses, whole, room)
        while chain.links and entries & set(range(index + 1, chain.ends[-1])):
            chain = chain.shorter()
        cut = None
        while chain.links and (cut := cutter.cut(chain)) is None:
            chain = chain.shorter()
        if cut is None:
            places.append(len(made))
            made.append(steps[index])
            index += 1
            continue
        places += [len(made)] * (chain.ends[-1] - index)
        dropped = {id(step) for step in (*chain.calls, *(link.fill for link in chain.links))}
        made += [step for step in steps[index : chain.ends[-1]] if id(step) not in dropped]
        strips = _Strips(chain, cut, target)
        made += strips.steps
        storages += strips.storages
        index = chain.ends[-1]
    places.append(len(made))
    for at, step in enumerate(made):
        if step.jump is not None:
            made[at] = replace(step, jump=Jump(step.jump.flag, places[step.jump.to]))
    return made, storages


def _spare(chain: Chain) -> int:
    """Bytes of memory between the calls of a chain that take no more room than the calls one after the other do."""
    between = [link.storage.size for link in chain.links]
    sizes = [chain.calls[0].places["x"].storage.size, *between, chain.calls[-1].places["y"].storage.size]
    return max(map(add, sizes, sizes[1:])) - sizes[0] - sizes[-1]


class _Cutter:
    """Looks for strips with so much room, in one program."""

    def __init__(self, room: int, sparing: bool) -> None:
        self._room, self._sparing, self._left = room, sparing, TRIED

    def cut(self, chain: Chain) -> Cut | None:
        """The largest strips whose memory has room and is much less than the whole; None where there are none, or too
        many would have to be looked at."""
        last = chain.calls[-1].by_lines
        assert last is not None
        whole = sum(link.storage.size for link in chain.links)
        room = min(self._room, whole // GAIN, *([_spare(chain)] if self._sparing else []))
        lines = min(last.count // 2, last.count * room // whole) // last.least * last.least
        while lines >= last.least:
            self._left -= (last.count // lines + 1) * len(chain.calls)
            cut = _cut_at(chain, lines) if self._left > 0 else None
            if cut is None:
                return None
            size = sum(cut.sizes)
            if size <= room:
                return cut
            lines = min(lines - last.least, lines * room // size // last.least * last.least)
        return None


def _cut_at(chain: Chain, lines: int) -> Cut | None:
    """With so many lines of the last call in each strip; None where a window would move by less than it keeps."""
    last = chain.calls[-1].by_lines
    assert last is not None
    ends, done = list[list[int]](), [0] * len(chain.calls)
    for end in (*range(lines, last.count - last.least + 1, lines), last.count):
        if end > done[-1]:
            done = _advanced(chain, done, end)
            ends.append(done)
    windows, sizes = [], []
    for stage, link in enumerate(chain.links):
        # Borders lie where they did, if a window moves by whole lines.
        begin, unit = link.begin(0), 1 if link.fill is None else link.write_pitch
        moved, size, held, written, read = list[int](), 0, 0, 0, 0
        for now in ends:
            first = link.begin(read) if now[stage + 1] > read else begin
            if now[stage] > written:
                first = min(first, link.write.first + written * link.write_pitch)
            distance = (first - begin) // unit * unit
            if max(0, held - begin - distance) > distance > 0:
                return None
            begin += distance
            written, read = now[stage], now[stage + 1]
            held = _held(link, written, read)
            moved.append(begin)
            size = max(size, held - begin)
        if link.fill is not None and size < link.written(1) - link.begin(0):
            return None
        windows.append(moved)
        sizes.append(size)
    return Cut(ends, windows, sizes)


def _advanced(chain: Chain, done: Sequence[int], end: int) -> list[int]:
    """The lines that every call has done once the last one has done `end`."""
    now = [*done[:-1], end]
    for stage in range(len(chain.links) - 1, -1, -1):
        lines = chain.calls[stage].by_lines
        assert lines is not None
        wanted = -(-chain.links[stage].needed(now[stage + 1]) // lines.least) * lines.least
        wanted = max(done[stage], wanted)
        # A rest that is too short for a part of its own is done with this one.
        now[stage] = lines.count if lines.count - wanted < lines.least else wanted
    return now


def _held(link: Link, written: int, read: int) -> int:
    """Where what memory has to hold ends, after so many lines."""
    return max(link.wanted(read), link.written(written))


class _Strips:
    """The steps of a chain in strips. storages: what is between its calls."""

    def __init__(self, chain: Chain, cut: Cut, target: Target) -> None:
        self.chain, self.cut, self.target = chain, cut, target
        self.storages = [Storage(size) for size in cut.sizes]
        self.steps: list[Step] = []
        self._numbers: dict[tuple[int, int], dict[str, int | float]] = {}
        self._copies: dict[int, Call] = {}
        done = [0] * len(chain.calls)
        for strip, now in enumerate(cut.ends):
            for stage, call in enumerate(chain.calls):
                if stage < len(chain.links):
                    self._enter(stage, strip, done)
                if now[stage] > done[stage]:
                    self.steps.append(self._part(call, stage, strip, done[stage], now[stage]))
                if stage < len(chain.links):
                    self._fill_end(stage, strip, now)
            done = now

    def _enter(self, stage: int, strip: int, done: Sequence[int]) -> None:
        """Moves the window of the memory behind a call to where it is in this strip."""
        link, storage, windows = self.chain.links[stage], self.storages[stage], self.cut.windows[stage]
        if strip == 0:
            if link.fill is not None:
                self.steps.append(_border(link, link.fill, storage, windows[0]))
            return
        kept = _held(link, done[stage], done[stage + 1]) - windows[strip]
        if windows[strip] > windows[strip - 1] and kept > 0:
            self.steps.append(self._moved(stage, storage, windows[strip] - windows[strip - 1], kept))

    def _fill_end(self, stage: int, strip: int, now: Sequence[int]) -> None:
        """Fills the border behind the last line."""
        link, first = self.chain.links[stage], self.cut.windows[stage][strip]
        begin, end = max(link.write.end, first), link.wanted(now[stage + 1])
        if link.fill is None or end <= begin:
            return
        numbers = {**link.fill.numbers, "image": end - begin, "rows": 1, "before": end - begin, "inside": 0, "after": 0}
        place = Place(self.storages[stage], begin - first, begin - first, end - first)
        self.steps.append(replace(link.fill, places={"y": place}, numbers=numbers, part_of=link.fill))

    def _part(self, call: Call, stage: int, strip: int, first: int, end: int) -> Call:
        """The lines first <= i < end of a call, between memory as it is during a strip."""
        lines = call.by_lines
        assert lines is not None
        near = {
            id(self.chain.links[i].storage): (self.storages[i], self.cut.windows[i][strip])
            for i in (stage - 1, stage)
            if 0 <= i < len(self.storages)
        }
        places = {}
        for name, place in call.places.items():
            pitch = lines.pitches.get(name)
            if pitch is not None:
                storage, window = near.get(id(place.storage), (place.storage, 0))
                begin, rest = first * pitch - window, (lines.count - end) * pitch
                place = Place(storage, place.offset + begin, place.first + begin, place.end - rest - window)
            places[name] = place
        count = end - first
        key = id(call.numbers), count
        if key not in self._numbers:
            self._numbers[key] = {**call.numbers, **dict.fromkeys(lines.counted, count)}
        return replace(
            call, places=places, numbers=self._numbers[key], chunks=lines.chunks * count or call.chunks,
            work=call.work * count // lines.count, by_lines=None, part_of=call, leads={},
        )  # fmt: skip

    def _moved(self, stage: int, storage: Storage, distance: int, size: int) -> Call:
        """Copies bytes from `distance` on to the beginning."""
        found = moving_bytes(storage, distance, size, self.target)
        places = {name: value for name, value in found.arguments.items() if isinstance(value, Place)}
        numbers = {name: value for name, value in found.arguments.items() if not isinstance(value, Place)}
        node = self.chain.calls[stage].node
        call = Call(found.kernel, found.constants, found.chunks, places, numbers, node, work=size)
        return replace(call, part_of=self._copies.setdefault(stage, call))


def moving_bytes(storage: Storage, distance: int, size: int, target: Target) -> Move:
    """How bytes from `distance` on get to the beginning of a storage; by the same kernel whatever their number."""
    source, destination = (View(storage, at, (size,), (1,), np.dtype(np.uint8)) for at in (distance, 0))
    found = move(source, destination, target)
    assert found is not None
    return found


def _border(link: Link, fill: Call, storage: Storage, first: int) -> Call:
    """Fills everything around the lines that a window from `first` on can hold."""
    before, row = link.write.first - first, link.write_pitch
    inside = row - int(fill.numbers["gap"])
    rows = max(1, (storage.size - before - inside) // row + 1)
    after = storage.size - before - (rows - 1) * row - inside
    numbers = {**fill.numbers, "image": storage.size, "rows": rows, "before": before, "after": after}
    return replace(fill, places={"y": Place(storage, 0, 0, storage.size)}, numbers=numbers, part_of=fill)
