"""Links kernels' object files into one position-independent blob that needs nothing at load time.

A blob is mapped read+execute at any page-aligned address and patched never, so every relocation is resolved here: by
distance, which is fixed, and never by address, which is not. Only what the entries reach is kept, section by section.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from . import relocate_aarch64, relocate_x86_64
from .elf import SHF_TLS, SHF_WRITE, SHN_LORESERVE, SHT_NOBITS, LinkError, Object, Section, parse

# Undefined symbols that LLVM may ask for on its own; they are linked in from `memory_functions`.
MEMORY_FUNCTIONS: Final = frozenset({"memcpy", "memmove", "memset"})
GOT: Final = "_GLOBAL_OFFSET_TABLE_"

_RELOCATE: Final = {"x86-64": relocate_x86_64.relocate, "aarch64": relocate_aarch64.relocate}
# What lies between functions is never executed; if it is, it traps.
_PADDING: Final = {"x86-64": b"\xcc", "aarch64": b"\0"}

# Functions begin at cache lines, so that their speed does not depend on what they are linked with.
_LINE: Final = 64

_Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Blob:
    """Position-independent machine code.

    machine: "x86-64" or "aarch64". code: to be mapped at a multiple of 4096. symbols: entry -> byte offset in code.
    """

    machine: str
    code: bytes
    symbols: dict[str, int]


def link(objects: Sequence[bytes], entries: Mapping[str, str]) -> Blob:
    """Links object files into one blob.

    entries: name in the blob -> symbol that defines it in one of the objects. Objects are scopes: a name is looked up
    in its own object first, then among the other objects' global symbols.

    Raises LinkError where an object is damaged, a symbol is missing or ambiguous, writable or zero-initialised data
    is reached, or an address would have to be known; the text names the symbol and the entry that reaches it.
    """
    return _Link(objects).blob(entries)


class _Link:
    def __init__(self, objects: Sequence[bytes]) -> None:
        self.objects = [parse(data) for data in objects]
        machines = {item.machine for item in self.objects}
        if len(machines) != 1:
            found = ", ".join(sorted(machines)) or "none"
            raise LinkError(f"one blob is linked from objects for one machine; these are for {found}")
        self.machine = machines.pop()
        self.own: list[dict[str, int]] = []
        self.globals: dict[str, list[_Place]] = {}
        for item in self.objects:
            self._index(item)
        self.reached: dict[_Place, str] = {}
        self.address: dict[_Place, int] = {}

    def blob(self, entries: Mapping[str, str]) -> Blob:
        starts = {entry: self._entry(entry, symbol) for entry, symbol in entries.items()}
        for entry, (scope, index) in starts.items():
            self._reach(entry, scope, index)
        code = self._lay_out()
        for place in self.address:
            self._relocate(code, place)
        return Blob(self.machine, bytes(code), {e: self._address_of(*place) for e, place in starts.items()})

    def _index(self, item: Object) -> None:
        scope, names = len(self.own), {}
        for index, symbol in enumerate(item.symbols):
            if symbol.defined and symbol.name:
                names[symbol.name] = index
                if not symbol.local:
                    self.globals.setdefault(symbol.name, []).append((scope, index))
        self.own.append(names)

    def _entry(self, entry: str, symbol: str) -> _Place:
        places = self.globals.get(symbol, [])
        if len(places) != 1:
            raise LinkError(f"kernel {entry}: {len(places)} objects define its symbol {symbol}, exactly one must")
        return places[0]

    def _resolve(self, scope: int, index: int, entry: str) -> _Place:
        symbol = self.objects[scope].symbols[index]
        if symbol.defined:
            return scope, index
        if symbol.name in self.own[scope]:
            return scope, self.own[scope][symbol.name]
        if symbol.name in MEMORY_FUNCTIONS and symbol.name not in self.globals:
            from .memory_functions import memory_functions_object

            provided = parse(memory_functions_object(self.machine))
            self.objects.append(provided)
            self._index(provided)
        places = self.globals.get(symbol.name, [])
        if not places:
            raise LinkError(
                f"kernel {entry} calls {symbol.name}, which no object defines: kernels may not use the numba runtime, "
                "Python, the C library or libm"
            )
        if len(places) > 1:
            raise LinkError(f"kernel {entry} calls {symbol.name}, which {len(places)} objects define")
        return places[0]

    def _reach(self, entry: str, scope: int, index: int) -> None:
        """Marks the section of a symbol, and all that it refers to, as kept."""
        pending = [(scope, index)]
        while pending:
            scope, index = pending.pop()
            item = self.objects[scope]
            symbol = item.symbols[index]
            if symbol.name == GOT and not symbol.defined:
                continue
            scope, index = self._resolve(scope, index, entry)
            item = self.objects[scope]
            symbol = item.symbols[index]
            if symbol.section >= SHN_LORESERVE:
                raise LinkError(f"kernel {entry} uses {symbol.name}, which is not code or constant data")
            place = scope, symbol.section
            if place in self.reached:
                continue
            section = item.sections[symbol.section]
            _check(section, symbol.name or section.name, entry)
            self.reached[place] = entry
            pending.extend((scope, relocation.symbol) for relocation in section.relocations)

    def _lay_out(self) -> bytearray:
        """Gives every kept section an address, code before data, equal constants once; returns the unpatched bytes."""
        code = bytearray()
        shared: dict[bytes, int] = {}
        for place in sorted(self.reached, key=lambda place: not self._section(place).executable):
            section = self._section(place)
            constant = bytes(section.data)
            mergeable = not section.executable and not section.relocations
            earlier = shared.get(constant) if mergeable else None
            if earlier is not None and earlier % section.align == 0:
                self.address[place] = earlier
                continue
            code += _PADDING[self.machine] * (-len(code) % max(section.align, _LINE if section.executable else 1))
            self.address[place] = len(code)
            if mergeable:
                shared[constant] = len(code)
            code += section.data
        return code

    def _relocate(self, code: bytearray, place: _Place) -> None:
        section = self._section(place)
        start, scope, entry = self.address[place], place[0], self.reached[place]
        for relocation in section.relocations:
            symbol = self.objects[scope].symbols[relocation.symbol]
            target = 0 if symbol.name == GOT and not symbol.defined else self._target(scope, relocation.symbol, entry)
            try:
                patch = _RELOCATE[self.machine]
                patch(code, start + relocation.offset, relocation.kind, target, relocation.addend)
            except (LinkError, struct.error) as error:
                name = symbol.name or self.objects[scope].sections[symbol.section].name
                raise LinkError(f"kernel {entry}, reference to {name} in {section.name}: {error}") from None

    def _target(self, scope: int, index: int, entry: str) -> int:
        return self._address_of(*self._resolve(scope, index, entry))

    def _address_of(self, scope: int, index: int) -> int:
        symbol = self.objects[scope].symbols[index]
        return self.address[scope, symbol.section] + symbol.value

    def _section(self, place: _Place) -> Section:
        return self.objects[place[0]].sections[place[1]]


def _check(section: Section, symbol: str, entry: str) -> None:
    if section.flags & SHF_TLS:
        problem = "which is thread-local"
    elif section.flags & SHF_WRITE or section.kind == SHT_NOBITS:
        problem = f"which is writable or needs addresses filled in at load time (section {section.name})"
    else:
        return
    raise LinkError(f"kernel {entry} uses {symbol}, {problem}; a blob has only code and constants")
