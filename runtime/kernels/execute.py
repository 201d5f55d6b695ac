"""The loop that walks a program's table of steps, alone or with helper threads.

A record of the table is six int32: code offset, offset of the parameter block from the table, chunks, grain, grains,
unused. A step with grains > 1 is shared: the leader publishes a ticket (sequence number, grains left); whoever
decrements it owns one grain. A helper may arrive late or not at all: the leader never waits for a thread, only for
grains that were taken. Whoever finds nothing to do for some 20 us sleeps on a futex: a helper until a step is shared
again, the leader until a helper, which the system may have taken off its core, has finished a grain.

Control block (int64 words; the ticket and the count of finished grains have cache lines of their own): see the offsets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..compiler.abi import Bases, Int, Ptr

if TYPE_CHECKING:
    from ..compiler.isa import Isa

RECORD_WORDS = 6
RECORD = 4 * RECORD_WORDS
TICKET, DONE, WAITING = 0, 64, 72
CODE, TABLE, CURRENT, BASES, GENERATION, PARKED, STOP = 128, 136, 144, 152, 192, 200, 208
CONTROL_BYTES = 256
SPINS = {"x86": 600, "arm": 4000}
WAIT_PRIVATE, WAKE_PRIVATE = 128, 129
MASK = 0xFFFFFFFF


def enter(isa: Isa) -> Callable[..., None]:
    """Calls the machine code that the words at `call` say: its address, then its arguments. For callers to whom every
    argument that they pass costs time."""
    call_kernel, load = isa.call_kernel, isa.scalar_load("i64")

    def kernel(start: Int, stop: Int, call: Bases) -> None:
        call_kernel(load(call), load(call + 8), load(call + 16), load(call + 24), load(call + 32))

    return kernel


def execute(isa: Isa) -> Callable[..., None]:
    """Runs steps start <= i < stop of a table as the only thread."""
    call, load = isa.call_kernel, isa.scalar_load("i32")
    flush, restore = isa.flush_denormals, isa.restore_mode

    def kernel(start: Int, stop: Int, code: Ptr, table: Ptr, bases: Ptr) -> None:
        mode = flush()
        record = table + start * RECORD
        for _ in range(stop - start):
            call(code + load(record), bases, table + load(record + 4), 0, load(record + 8))
            record = record + RECORD
        restore(mode)

    return kernel


def lead(isa: Isa) -> Callable[..., None]:
    """Runs steps start <= i < stop of a table, sharing grains with the helpers of a control block."""
    call, load, store8 = isa.call_kernel, isa.scalar_load("i32"), isa.scalar_store("i64")
    flush, restore, pause, futex = isa.flush_denormals, isa.restore_mode, isa.pause, isa.futex
    atomic_load, atomic_store, atomic_add, exchange = (
        isa.atomic_load, isa.atomic_store, isa.atomic_add, isa.compare_exchange,
    )  # fmt: skip
    spins = SPINS[isa.target.family]

    def kernel(start: Int, stop: Int, code: Ptr, table: Ptr, bases: Ptr, control: Ptr) -> None:
        mode = flush()
        store8(code, control + CODE)
        store8(table, control + TABLE)
        store8(bases, control + BASES)
        sequence = (atomic_load(control + TICKET) >> 32) + 1
        record = table + start * RECORD
        for _ in range(stop - start):
            step, params = code + load(record), table + load(record + 4)
            chunks, grain, grains = load(record + 8), load(record + 12), load(record + 16)
            if grains <= 1:
                call(step, bases, params, 0, chunks)
            else:
                store8(record, control + CURRENT)
                store8(0, control + DONE)
                atomic_store(((sequence & 0x7FFFFFFF) << 32) | grains, control + TICKET)
                sequence = sequence + 1
                if atomic_load(control + PARKED) > 0:
                    atomic_add(control + GENERATION, 1)
                    futex(control + GENERATION, WAKE_PRIVATE, MASK >> 1)
                finished = 0
                while True:
                    ticket = atomic_load(control + TICKET)
                    left = ticket & MASK
                    if left == 0:
                        break
                    if exchange(control + TICKET, ticket, ticket - 1):
                        first = (grains - left) * grain
                        call(step, bases, params, first, min(first + grain, chunks))
                        finished = finished + 1
                idle = 0
                while True:
                    done = atomic_load(control + DONE)
                    if done + finished >= grains:
                        break
                    idle = idle + 1
                    pause()
                    if idle > spins:
                        atomic_store(1, control + WAITING)
                        futex(control + DONE, WAIT_PRIVATE, done)
                        atomic_store(0, control + WAITING)
                        idle = 0
            record = record + RECORD
        restore(mode)

    return kernel


def assist(isa: Isa) -> Callable[..., None]:
    """A helper's whole life: takes grains until the control block says stop. bases_at: its own base registers'
    distance from the leader's."""
    call, load, load8 = isa.call_kernel, isa.scalar_load("i32"), isa.scalar_load("i64")
    flush, restore, pause, futex = isa.flush_denormals, isa.restore_mode, isa.pause, isa.futex
    atomic_load, atomic_add, exchange = isa.atomic_load, isa.atomic_add, isa.compare_exchange
    spins = SPINS[isa.target.family]

    def kernel(start: Int, stop: Int, control: Ptr, bases_at: Int) -> None:
        mode = flush()
        idle = 0
        while atomic_load(control + STOP) == 0:
            ticket = atomic_load(control + TICKET)
            left = ticket & MASK
            if left > 0:
                if exchange(control + TICKET, ticket, ticket - 1):
                    record, code, table = load8(control + CURRENT), load8(control + CODE), load8(control + TABLE)
                    bases = load8(control + BASES) + bases_at
                    chunks, grain, grains = load(record + 8), load(record + 12), load(record + 16)
                    first = (grains - left) * grain
                    call(code + load(record), bases, table + load(record + 4), first, min(first + grain, chunks))
                    atomic_add(control + DONE, 1)
                    if atomic_load(control + WAITING) != 0:
                        futex(control + DONE, WAKE_PRIVATE, 1)
                idle = 0
            else:
                idle = idle + 1
                pause()
                if idle > spins:
                    generation = atomic_load(control + GENERATION)
                    atomic_add(control + PARKED, 1)
                    if atomic_load(control + TICKET) & MASK == 0 and atomic_load(control + STOP) == 0:
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
