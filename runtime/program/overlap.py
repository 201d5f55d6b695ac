"""What a kernel may write before it has read all: where its output may lie over an input that nobody needs afterwards.

Blacker, Bentley et al., "Diagonal Memory Optimisation for Machine Learning on Micro-controllers" (2020).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from ..compiler.abi import ARENA
from .program import Call, PythonStep
from .view import Place, Storage

Leads = Mapping[tuple[int, int], int]
"""(id of the storage that is written, id of one that is read): so many bytes before the second one's begin, or earlier,
the first one may begin, although both are alive in one step."""
NO_LEADS: Leads = MappingProxyType({})


def lead_of(read: Place, written: Place, count: int, read_pitch: int, write_pitch: int, at_once: int) -> int | None:
    """How many bytes before the storage that is read the other one has to begin, for a call on one thread that goes
    over `count` lines, `at_once` of them before it looks at the next: whatever it writes up to one such group ends
    before what that group and the later ones read. None where lines do not go upwards.

    Of lines that are no multiple of `at_once`, the last group begins where it is a whole one.
    """
    if read_pitch < 0 or write_pitch < 0 or at_once > count:
        return None
    last = -(-count // at_once) - 1
    leads = []
    for group in {0, max(0, last - 1), last}:
        begin, end = min(group * at_once, count - at_once), min(count, (group + 1) * at_once)
        wrote = written.end - (count - end) * write_pitch
        leads.append(wrote - read.first - begin * read_pitch)
    return max(leads)


def overlaps(steps: Sequence[Call | PythonStep]) -> Leads:
    """Of storages that know from which step to which they live."""
    found = {}
    for index, step in enumerate(steps):
        if isinstance(step, Call) and step.leads and not step.grain:
            written = step.places["y"].storage
            for read, leads in _read(step, written):
                if written.first == read.last == index:
                    found[id(written), id(read)] = max(leads)
    return found


def _read(step: Call, written: Storage) -> Iterable[tuple[Storage, list[int]]]:
    """The storages that a step reads in known order alone, and how far behind it writes."""
    leads: dict[int, list[int]] = {}
    places = (place.storage for place in step.places.values())
    storages = {id(storage): storage for storage in places if storage.base == ARENA and storage is not written}
    unknown = {id(place.storage) for name, place in step.places.items() if name not in step.leads}
    for name, lead in step.leads.items():
        leads.setdefault(id(step.places[name].storage), []).append(lead)
    return [(storages[key], each) for key, each in leads.items() if key in storages and key not in unknown]
