"""The loop that walks a program's table of steps, alone or with helper threads.

A record of the table is six int32: code offset, offset of the parameter block from the table, chunks, grain, grains,
skip. A step with skip > 0 is not shared, and that many steps behind it are left out where the int32 that lies `grain`
bytes into the arena is not 0. A step with grains > 1 is shared: the leader gives every thread a range of its grains.
Neighbouring grains stay with one thread, and the same part of an image with the same thread in every step, so that what
a step reads lies in the cache of the core that wrote it. Who is done with its own range takes grains off the ends of
the others'. A helper may arrive late or not at all: the leader never waits for a thread, only for grains that were
taken. Whoever finds nothing to do for some time sleeps on a futex: a helper until a step is shared again, the leader
until a helper, which the system may have taken off its core, has finished its grains.

Control block (int64 words in cache lines by who writes them): see the offsets. SPINS is how often an idle thread polls
before it sleeps. A thread's slot is a cache line with all that it has to read: its range, which is the next grain
(16 bits), the end (16 bits) and the step's sequence number; then the step's record. DONE counts the grains that helpers
have finished, ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..compiler.abi import ARENA, Bases, Int, Ptr

if TYPE_CHECKING:
    from ..simd.isa import Isa

RECORD_WORDS = 6
RECORD = 4 * RECORD_WORDS
CODE, TABLE, BASES, WAITING, SPINS, DONE, GENERATION, PARKED, STOP, SLOTS = 0, 8, 16, 24, 32, 64, 128, 136, 192, 256
SLOT, STEP = 64, 8
POLLS_PER_US = {"x86-64": 2000, "aarch64": 200}
"""About."""
POLLS_PER_PAUSE = {"x86": 128, "arm": 1}
"""Hypervisors of x86 take a core away from who pauses again and again in close succession."""
WAIT_PRIVATE, WAKE_PRIVATE = 128, 129
MASK = 0xFFFFFFFF


def enter(isa: Isa) -> Callable[..., None]:
    """Calls the machine code that the words at `call` say: its address, then its arguments. For callers to whom every
    argument that they pass costs time."""
    call_kernel, load = isa.call_kernel, isa.scalar_load("i64")

    def kernel(start: Int, stop: Int, call: Bases) -> None:
        call_kernel(load(call), load(call + 8), load(call + 16), load(call + 24), load(call + 32))

    return kernel


def enter_with_arrays(isa: Isa) -> Callable[..., None]:
    """As `enter`, after it has put the addresses of the data of two NumPy arrays into the first two base registers.

    Further words of the call: where the two objects are; how far into them the address of their data is; bytes of data
    that must be the same or apart; and, to be read afterwards, whether they are not, in which case nothing was done.
    """
    call_kernel, load, store = isa.call_kernel, isa.scalar_load("i64"), isa.scalar_store("i64")

    def kernel(start: Int, stop: Int, call: Bases) -> None:
        bases, place, size = load(call + 8), load(call + 56), load(call + 64)
        x, y = load(load(call + 40) + place), load(load(call + 48) + place)
        if x != y and x < y + size and y < x + size:
            store(1, call + 72)
        else:
            store(0, call + 72)
            store(x, bases)
            store(y, bases + 8)
            call_kernel(load(call), bases, load(call + 16), load(call + 24), load(call + 32))

    return kernel


def _following(isa: Isa) -> Callable[[int, int], int]:
    """following(record, bases): the record of the step to do after this one."""
    load, load8 = isa.scalar_load("i32"), isa.scalar_load("i64")

    def following(record: int, bases: int) -> int:
        skip = load(record + 20)
        if skip > 0 and load(load8(bases + 8 * ARENA) + (load(record + 12) & MASK)) != 0:
            record = record + skip * RECORD
        return record + RECORD

    found: Callable[[int, int], int] = isa.inline(following)
    return found


def execute(isa: Isa) -> Callable[..., None]:
    """Runs steps start <= i < stop of a table as the only thread."""
    call, load, following = isa.call_kernel, isa.scalar_load("i32"), _following(isa)
    flush, restore = isa.flush_denormals, isa.restore_mode

    def kernel(start: Int, stop: Int, code: Ptr, table: Ptr, bases: Ptr) -> None:
        mode = flush()
        record, end = table + start * RECORD, table + stop * RECORD
        while record < end:
            call(code + load(record), bases, table + load(record + 4), 0, load(record + 8))
            record = following(record, bases)
        restore(mode)

    return kernel


def _taking(isa: Isa) -> tuple[Callable[..., None], Callable[..., int]]:
    """run(control, bases, record, grain) runs one grain of a step. take(control, bases, threads, own) runs grains
    until none is left, those of thread `own` first, and returns how many they were."""
    call, load, load8 = isa.call_kernel, isa.scalar_load("i32"), isa.scalar_load("i64")
    atomic_load, exchange = isa.atomic_load, isa.compare_exchange

    @isa.inline
    def run(control: int, bases: int, record: int, grain: int) -> None:
        code, table = load8(control + CODE), load8(control + TABLE)
        chunks, size = load(record + 8), load(record + 12)
        call(code + load(record), bases, table + load(record + 4), grain * size, min(grain * size + size, chunks))

    @isa.inline
    def take(control: int, bases: int, threads: int, own: int) -> int:
        done = 0
        for i in range(threads):
            thread = own + i
            if thread >= threads:
                thread = thread - threads
            slot = control + SLOTS + thread * SLOT
            while True:
                word = atomic_load(slot)
                begin, end = word & 0xFFFF, (word >> 16) & 0xFFFF
                if begin >= end:
                    break
                grain, rest = begin, word + 1
                if i > 0:
                    grain, rest = end - 1, word - 0x10000
                if exchange(slot, word, rest):
                    run(control, bases, load8(slot + STEP), grain)
                    done = done + 1
        return done

    return run, take


def lead(isa: Isa) -> Callable[..., None]:
    """Runs steps start <= i < stop of a table, sharing grains with the helpers of a control block."""
    call, load, load8, store8 = isa.call_kernel, isa.scalar_load("i32"), isa.scalar_load("i64"), isa.scalar_store("i64")
    flush, restore, pause, futex = isa.flush_denormals, isa.restore_mode, isa.pause, isa.futex
    atomic_load, atomic_store, atomic_add, publish = isa.atomic_load, isa.atomic_store, isa.atomic_add, isa.publish
    run, take = _taking(isa)
    following = _following(isa)
    polls = POLLS_PER_PAUSE[isa.target.family]

    def kernel(start: Int, stop: Int, code: Ptr, table: Ptr, bases: Ptr, control: Ptr, threads: Int) -> None:
        mode = flush()
        store8(code, control + CODE)
        store8(table, control + TABLE)
        store8(bases, control + BASES)
        sequence, awaited, spins = load8(control + SLOTS) >> 32, atomic_load(control + DONE), load8(control + SPINS)
        record, end_of_steps = table + start * RECORD, table + stop * RECORD
        while record < end_of_steps:
            chunks, grains = load(record + 8), load(record + 16)
            if grains <= 1:
                call(code + load(record), bases, table + load(record + 4), 0, chunks)
            else:
                sequence = (sequence + 1) & 0x7FFFFFFF
                begin = 1
                for i in range(threads):
                    end = (grains * (i + 1) + threads - 1) // threads
                    slot = control + SLOTS + i * SLOT
                    store8(record, slot + STEP)
                    publish((sequence << 32) | (end << 16) | begin, slot)
                    begin = end
                if atomic_load(control + PARKED) > 0:
                    atomic_add(control + GENERATION, 1)
                    futex(control + GENERATION, WAKE_PRIVATE, MASK >> 1)
                # The first grain is the leader's without asking, which would wait until the helpers' slots are written.
                run(control, bases, record, 0)
                awaited = awaited + grains - 1 - take(control, bases, threads, 0)
                idle = 0
                while True:
                    done = atomic_load(control + DONE)
                    if done == awaited:
                        break
                    idle = idle + 1
                    if idle % polls == 0:
                        pause()
                    if idle > spins:
                        atomic_store(1, control + WAITING)
                        futex(control + DONE, WAIT_PRIVATE, done)
                        atomic_store(0, control + WAITING)
                        idle = 0
            record = following(record, bases)
        restore(mode)

    return kernel


def assist(isa: Isa) -> Callable[..., None]:
    """A helper's whole life: takes grains until the control block says stop. own: its number, from 1 on; bases_at: its
    base registers' distance from the leader's."""
    load8 = isa.scalar_load("i64")
    flush, restore, pause, futex = isa.flush_denormals, isa.restore_mode, isa.pause, isa.futex
    atomic_load, atomic_add = isa.atomic_load, isa.atomic_add
    _, take = _taking(isa)
    polls = POLLS_PER_PAUSE[isa.target.family]

    def kernel(start: Int, stop: Int, control: Ptr, threads: Int, own: Int, bases_at: Int) -> None:
        mode = flush()
        slot = control + SLOTS + own * SLOT
        spins, idle, seen = load8(control + SPINS), 0, 0
        while atomic_load(control + STOP) == 0:
            sequence = atomic_load(slot) >> 32
            if sequence != seen:
                seen, idle = sequence, 0
                done = take(control, load8(control + BASES) + bases_at, threads, own)
                if done > 0:
                    atomic_add(control + DONE, done)
                    if atomic_load(control + WAITING) != 0:
                        futex(control + DONE, WAKE_PRIVATE, 1)
            else:
                idle = idle + 1
                if idle % polls == 0:
                    pause()
                if idle > spins:
                    generation = atomic_load(control + GENERATION)
                    atomic_add(control + PARKED, 1)
                    if atomic_load(slot) >> 32 == seen and atomic_load(control + STOP) == 0:
                        futex(control + GENERATION, WAIT_PRIVATE, generation & MASK)
                    atomic_add(control + PARKED, -1)
                    idle = 0
        restore(mode)

    return kernel


def dismiss(isa: Isa) -> Callable[..., None]:
    """Tells the helpers of a control block to return."""
    atomic_store, atomic_add, futex = isa.atomic_store, isa.atomic_add, isa.futex

    def kernel(start: Int, stop: Int, control: Ptr) -> None:
        atomic_store(1, control + STOP)
        atomic_add(control + GENERATION, 1)
        futex(control + GENERATION, WAKE_PRIVATE, MASK >> 1)

    return kernel
