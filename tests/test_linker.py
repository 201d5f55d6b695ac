"""The linker: objects as LLVM writes them become blobs that run anywhere, or a clear refusal."""

from __future__ import annotations

import ctypes
import random
import re
import struct
from collections.abc import Callable

import pytest
from linking import I8, I16, I32, I64, MACHINES, constant, declare, emit, function, run
from llvmlite import ir

from millijoule.runtime.compiler.elf import LinkError, parse
from millijoule.runtime.compiler.linker import link
from millijoule.runtime.compiler.memory_functions import memory_functions_object
from millijoule.runtime.compiler.relocate_aarch64 import relocate as relocate_aarch64
from millijoule.runtime.compiler.relocate_x86_64 import relocate as relocate_x86_64
from millijoule.runtime.system import executable
from millijoule.runtime.system.executable import map_bytes
from millijoule.runtime.targets.cpu import host_machine

WIDE = ir.VectorType(I64, 2)


def table_reader(module: ir.Module) -> None:
    """read(i) = table[i] through private constants of every size that an access may scale by."""
    _, builder = function(module, "read")
    index = builder.function.args[0]
    total = I64(0)
    for kind in (I8, I16, I32, I64):
        table = constant(module, f"table{kind.width}", [3, 5, 7, 11], kind)
        table.linkage = "private"
        total = builder.add(total, builder.zext(builder.load(builder.gep(table, [I64(0), index])), I64)
                            if kind is not I64 else builder.load(builder.gep(table, [I64(0), index])))  # fmt: skip
    builder.ret(total)


def fixed_reader(module: ir.Module) -> None:
    """fixed(x) = x + constants at fixed places, which is what instructions with scaled offsets load."""
    _, builder = function(module, "fixed")
    total = builder.function.args[0]
    for kind, value in ((I8, 1), (I16, 2), (I32, 4), (I64, 8)):
        single = ir.GlobalVariable(module, kind, name=f"c{kind.width}")
        single.initializer, single.global_constant, single.linkage = ir.Constant(kind, value), True, "internal"
        single.align = 64
        # Volatile, or LLVM would put the number itself into the code.
        loaded = builder.load(single)
        loaded.volatile = True
        total = builder.add(total, loaded if kind is I64 else builder.zext(loaded, I64))
    wide = ir.GlobalVariable(module, WIDE, name="wide")
    wide.initializer, wide.global_constant = ir.Constant(WIDE, [16, 32]), True
    vector = builder.load(wide)
    builder.ret(builder.add(total, builder.add(*(builder.extract_element(vector, I32(i)) for i in (0, 1)))))


def caller(module: ir.Module) -> None:
    """entry(n) = read(n % 4) + fixed(n), both of other objects, the second called by its address."""
    other = declare(module, "fixed")
    _, builder = function(module, "entry")
    n = builder.function.args[0]
    first = builder.call(declare(module, "read"), [builder.and_(n, I64(3))])
    held = builder.alloca(other.type)
    builder.store(other, held)
    builder.ret(builder.add(first, builder.call(builder.load(held), [n])))


def copier(module: ir.Module) -> None:
    """entry(n), n <= 100: the sum of 128 bytes after memset(a, 3, n), memmove(a + 5, a, n) and memcpy(b, a, 128)."""
    memset, memmove, memcpy = declare(module, "memset", I64, I32, I64), *(
        declare(module, name, I64, I64, I64) for name in ("memmove", "memcpy")
    )  # fmt: skip
    _, builder = function(module, "entry")
    n = builder.function.args[0]
    buffers = [builder.ptrtoint(builder.alloca(ir.ArrayType(I8, 128)), I64) for _ in range(2)]
    builder.call(memset, [buffers[0], I32(0), I64(128)])
    builder.call(memset, [buffers[0], I32(3), n])
    builder.call(memmove, [builder.add(buffers[0], I64(5)), buffers[0], n])
    builder.call(memcpy, [buffers[1], buffers[0], I64(128)])
    total = I64(0)
    for i in range(128):
        address = builder.inttoptr(builder.add(buffers[1], I64(i)), I8.as_pointer())
        total = builder.add(total, builder.zext(builder.load(address), I64))
    builder.ret(total)


@pytest.mark.parametrize("machine", MACHINES)
def test_objects_that_call_each_other(machine: str) -> None:
    objects = [emit(build, machine) for build in (caller, table_reader, fixed_reader)]
    blob = link(objects, {"kernel": "entry"})
    assert blob.machine == machine and list(blob.symbols) == ["kernel"]
    for n in (0, 1, 2, 3, 6):
        assert run(blob, "kernel", n) == 4 * (3, 5, 7, 11)[n % 4] + 63 + n


@pytest.mark.parametrize("machine", MACHINES)
def test_copies_are_linked_in(machine: str) -> None:
    blob = link([emit(copier, machine)], {"kernel": "entry"})
    for n in (0, 1, 15, 16, 17, 33, 60):
        assert run(blob, "kernel", n) == 3 * (n + min(n, 5))
    without = link([emit(table_reader, machine)], {"kernel": "read"})
    assert len(without.code) < 512 < len(blob.code)


@pytest.mark.parametrize("code_model", ["small", "large"])
def test_x86_64_code_models(code_model: str) -> None:
    """The large model reaches private constants through distances from the table of addresses, which need no table."""
    blob = link([emit(table_reader, "x86-64", code_model=code_model)], {"read": "read"})
    assert run(blob, "read", 2) == 28


def test_x86_64_large_model_needs_a_table_for_other_objects() -> None:
    objects = [emit(build, "x86-64", code_model="large") for build in (caller, table_reader, fixed_reader)]
    with pytest.raises(LinkError, match=r"kernel k, .*codemodel='small'"):
        link(objects, {"k": "entry"})


def test_x86_64_calls_and_jumps_through_the_table_become_direct() -> None:
    def build(module: ir.Module) -> None:
        other = declare(module, "fixed")
        other.attributes.add("nonlazybind")
        _, builder = function(module, "calls")
        builder.ret(builder.add(builder.call(other, builder.function.args), I64(1)))
        _, builder = function(module, "jumps")
        call = builder.call(other, builder.function.args, tail="musttail")
        builder.ret(call)

    data = emit(build, "x86-64")
    assert b"\xff\x15" in data and b"\xff\x25" in data
    blob = link([data, emit(fixed_reader, "x86-64")], {"calls": "calls", "jumps": "jumps"})
    assert b"\xff\x15" not in blob.code and b"\xff\x25" not in blob.code
    assert run(blob, "calls", 7) == 71 and run(blob, "jumps", 7) == 70


def test_aarch64_has_no_adrp_left() -> None:
    """Erratum 843419 needs one; ADR takes its place."""
    objects = [emit(build, "aarch64") for build in (caller, table_reader, fixed_reader, copier)]
    blob = link(objects[:3], {"kernel": "entry"})
    words = struct.unpack(f"<{len(blob.code) // 4}I", blob.code[: len(blob.code) // 4 * 4])
    assert not [word for word in words if word & 0x9F000000 == 0x90000000]
    assert any(relocation.kind == 275 for section in parse(objects[1]).sections for relocation in section.relocations)


@pytest.mark.parametrize("machine", MACHINES)
def test_a_blob_is_the_same_whatever_its_address(machine: str) -> None:
    objects = [emit(build, machine) for build in (caller, table_reader, fixed_reader)]
    blob = link(objects, {"kernel": "entry"})
    assert link(objects, {"kernel": "entry"}) == blob
    if machine != host_machine():
        return
    prototype = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)
    copies = [map_bytes(blob.code) for _ in range(3)]
    assert len({copy.address for copy in copies}) == 3
    assert [copy.function(prototype, blob.symbols["kernel"])(1) for copy in copies] == [84] * 3
    assert all(ctypes.string_at(copy.address, len(blob.code)) == blob.code for copy in copies)


@pytest.mark.parametrize("machine", MACHINES)
def test_only_what_entries_reach_is_kept(machine: str) -> None:
    def unlinkable(module: ir.Module) -> None:
        _, builder = function(module, "unused")
        builder.ret(builder.call(declare(module, "NRT_Allocate"), [I64(8)]))

    def unused_globals(module: ir.Module) -> None:
        table_reader(module)
        environment = ir.GlobalVariable(module, I64, name="_ZN08NumbaEnv4test")
        environment.linkage, environment.initializer = "common", I64(0)
        pointers = ir.GlobalVariable(module, I64.as_pointer(), name="pointers")
        pointers.initializer = environment

    alone = link([emit(table_reader, machine)], {"read": "read"})
    assert link([emit(unused_globals, machine), emit(unlinkable, machine)], {"read": "read"}) == alone


@pytest.mark.parametrize("machine", MACHINES)
def test_equal_constants_are_kept_once(machine: str) -> None:
    def build(name: str, first: int) -> bytes:
        def fill(module: ir.Module) -> None:
            _, builder = function(module, name)
            table = constant(module, "table", [first, *range(1000, 1100)])
            table.linkage = "private"
            builder.ret(builder.load(builder.gep(table, [I64(0), builder.function.args[0]])))

        return emit(fill, machine)

    shared = link([build("a", 1), build("b", 1)], {"a": "a", "b": "b"})
    apart = link([build("a", 1), build("b", 2)], {"a": "a", "b": "b"})
    assert len(shared.code) <= len(apart.code) - 800
    assert [run(blob, "b", 0) for blob in (shared, apart)] == [1, 2]


def test_names_are_looked_up_in_their_own_object_first() -> None:
    def build(name: str, value: int) -> bytes:
        def fill(module: ir.Module) -> None:
            helper, builder = function(module, "helper")
            builder.ret(builder.add(builder.function.args[0], I64(value)))
            _, builder = function(module, name)
            builder.ret(builder.call(helper, builder.function.args))

        return emit(fill, "x86-64")

    objects = [build("a", 10), build("b", 20)]
    blob = link(objects, {"a": "a", "b": "b"})
    assert run(blob, "a", 1) == 11 and run(blob, "b", 1) == 21
    with pytest.raises(LinkError, match="2 objects define its symbol helper"):
        link(objects, {"h": "helper"})
    with pytest.raises(LinkError, match="0 objects define its symbol nothing"):
        link(objects, {"h": "nothing"})


def undefined(module: ir.Module) -> None:
    _, builder = function(module, "entry")
    builder.ret(builder.call(declare(module, "NRT_Allocate"), [I64(8)]))


def writable(module: ir.Module) -> None:
    _, builder = function(module, "entry")
    counter = ir.GlobalVariable(module, I64, name="counter")
    counter.initializer, counter.linkage = I64(5), "internal"
    builder.store(builder.add(builder.load(counter), builder.function.args[0]), counter)
    builder.ret(I64(0))


def zeroed(module: ir.Module) -> None:
    _, builder = function(module, "entry")
    counter = ir.GlobalVariable(module, I64, name="counter")
    counter.initializer, counter.linkage = I64(0), "internal"
    builder.store(builder.add(builder.load(counter), builder.function.args[0]), counter)
    builder.ret(I64(0))


def common(module: ir.Module) -> None:
    _, builder = function(module, "entry")
    environment = ir.GlobalVariable(module, I64, name="_ZN08NumbaEnv4test")
    environment.linkage, environment.initializer = "common", I64(0)
    builder.ret(builder.load(environment))


def pointer_table(module: ir.Module) -> None:
    _, builder = function(module, "entry")
    kind = ir.ArrayType(builder.function.type, 2)
    pointers = ir.GlobalVariable(module, kind, name="pointers")
    pointers.initializer, pointers.global_constant = ir.Constant(kind, [builder.function] * 2), True
    pointers.linkage = "internal"
    picked = builder.load(builder.gep(pointers, [I64(0), builder.function.args[0]]))
    builder.ret(builder.call(picked, [I64(0)]))


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("build", "message"),
    [
        (undefined, r"kernel conv calls NRT_Allocate, which no object defines"),
        (writable, r"kernel conv uses .*data.*writable"),
        (zeroed, r"kernel conv uses .*bss.*writable"),
        (common, r"kernel conv uses _ZN08NumbaEnv4test, which is not code or constant data"),
        (pointer_table, r"kernel conv uses .*data\.rel\.ro"),
    ],
)
def test_refused(build: Callable[[ir.Module], None], message: str, machine: str) -> None:
    with pytest.raises(LinkError, match=message):
        link([emit(build, machine)], {"conv": "entry"})


def test_absolute_addresses_are_refused_with_the_reason() -> None:
    data = emit(table_reader, "x86-64", code_model="large", reloc="static")
    with pytest.raises(LinkError, match=r"kernel conv, reference to .*: an absolute address.*reloc='pic'"):
        link([data], {"conv": "read"})


def test_objects_for_two_machines_or_none() -> None:
    with pytest.raises(LinkError, match="aarch64, x86-64"):
        link([emit(table_reader, machine) for machine in MACHINES], {"a": "read"})
    with pytest.raises(LinkError, match="none"):
        link([], {})
    with pytest.raises(LinkError, match="not a 64-bit"):
        link([b"\x7fELF" + bytes(100)], {})


@pytest.mark.parametrize("machine", MACHINES)
def test_damaged_objects_are_link_errors_or_blobs(machine: str) -> None:
    original = emit(caller, machine)
    others = [emit(table_reader, machine), emit(fixed_reader, machine)]
    generator = random.Random(5)
    refused = 0
    for _ in range(1500):
        data = bytearray(original)
        if generator.random() < 0.2:
            del data[generator.randrange(len(data)) :]
        else:
            for _ in range(generator.randrange(1, 4)):
                data[generator.randrange(len(data))] = generator.randrange(256)
        try:
            link([bytes(data), *others], {"kernel": "entry"})
        except LinkError:
            refused += 1
    assert refused > 300


@pytest.mark.parametrize("machine", MACHINES)
def test_the_object_of_memory_functions_is_whole(machine: str) -> None:
    item = parse(memory_functions_object(machine))
    assert {symbol.name for symbol in item.symbols if not symbol.local} == {"memcpy", "memmove", "memset"}


def test_memory_functions_are_those_of_c() -> None:
    names = ("memcpy", "memmove", "memset")
    blob = link([memory_functions_object(host_machine())], {name: name for name in names})
    code = map_bytes(blob.code)
    copy, move = (
        code.function(ctypes.CFUNCTYPE(ctypes.c_void_p, *[ctypes.c_void_p] * 2, ctypes.c_size_t), blob.symbols[name])
        for name in names[:2]
    )
    fill = code.function(
        ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t), blob.symbols["memset"]
    )
    generator = random.Random(3)
    for _ in range(500):
        expected = bytearray(generator.randbytes(200))
        buffer = (ctypes.c_char * 200).from_buffer_copy(expected)
        base, size = ctypes.addressof(buffer), generator.choice((0, 1, 15, 16, 17, generator.randrange(100)))
        to, source = generator.randrange(100), generator.randrange(100)
        assert move(base + to, base + source, size) == base + to
        expected[to : to + size] = expected[source : source + size]
        assert bytes(buffer) == expected
        assert fill(base + to, generator.randrange(-5, 300) & ~0xFF | 0xA7, size) == base + to
        expected[to : to + size] = b"\xa7" * size
        other = (ctypes.c_char * 200)()
        assert copy(ctypes.addressof(other), base, 200) == ctypes.addressof(other)
        assert bytes(other) == expected


@pytest.mark.parametrize(
    ("kind", "word", "place", "symbol", "addend", "expected"),
    [
        (283, 0x94000000, 0x10, 0x2000, 0, 0x94000000 | 0x1FF0 >> 2),  # CALL26, forward
        (282, 0x14000000, 0x2000, 0x10, 0, 0x14000000 | -(0x1FF0 >> 2) & 0x3FFFFFF),  # JUMP26, backward
        (274, 0x10000001, 0x100, 0x1235, 0, 0x10000001 | (0x1135 & 3) << 29 | 0x1135 >> 2 << 5),  # ADR_PREL_LO21
        (275, 0x90000002, 0x3008, 0x4234, 8, 0x10000002 | 0xFF8 >> 2 << 5),  # ADR_PREL_PG_HI21 becomes adr of 0x4000
        (311, 0x90000002, 0x3008, 0x1234, 0, 0x10000002 | (-0x2008 >> 2 & 0x7FFFF) << 5),  # ADR_GOT_PAGE, backward
        (277, 0x91000021, 0, 0x1234, 8, 0x91000021 | 0x23C << 10),  # ADD_ABS_LO12_NC
        (278, 0x39400021, 0, 0x1235, 0, 0x39400021 | 0x235 << 10),  # LDST8
        (284, 0x79400021, 0, 0x1236, 0, 0x79400021 | 0x236 >> 1 << 10),  # LDST16
        (285, 0xB9400021, 0, 0x1234, 0, 0xB9400021 | 0x234 >> 2 << 10),  # LDST32
        (286, 0xF9400021, 0, 0x1238, 0, 0xF9400021 | 0x238 >> 3 << 10),  # LDST64
        (299, 0x3DC00021, 0, 0x1240, 0, 0x3DC00021 | 0x240 >> 4 << 10),  # LDST128
        (312, 0xF9400043, 0, 0x1238, 0, 0x91000043 | 0x238 << 10),  # LD64_GOT_LO12_NC becomes add x3, x2
        (273, 0x58000004, 0x100, 0x180, 0, 0x58000004 | 0x80 >> 2 << 5),  # LD_PREL_LO19
        (261, 0, 0x100, 0x80, 4, -0x7C & 0xFFFFFFFF),  # PREL32
    ],
)
def test_aarch64_relocations(kind: int, word: int, place: int, symbol: int, addend: int, expected: int) -> None:
    code = bytearray(place + 8)
    struct.pack_into("<I", code, place, word)
    relocate_aarch64(code, place, kind, symbol, addend)
    assert struct.unpack_from("<I", code, place)[0] == expected


@pytest.mark.parametrize(
    ("kind", "word", "symbol", "message"),
    [
        (275, 0x90000000, 1 << 21, "1 MiB"),
        (283, 0x94000000, 1 << 28, "reach"),
        (286, 0xF9400021, 0x1234, "multiple"),
        (312, 0xB9400021, 0x1230, "64-bit load"),
        (275, 0x10000000, 0x1000, "adrp"),
        (257, 0, 0, "absolute"),
        (269, 0, 0, "269 of aarch64 is not known"),
    ],
)
def test_aarch64_refusals(kind: int, word: int, symbol: int, message: str) -> None:
    with pytest.raises(LinkError, match=message):
        relocate_aarch64(bytearray(struct.pack("<I", word)), 0, kind, symbol, 0)


@pytest.mark.parametrize(
    ("kind", "size", "symbol", "addend", "expected"),
    [
        (2, 4, 0x100, -4, 0x100 - 4 - 8),
        (4, 4, 0, -4, -12),
        (24, 8, 0x100, 0, 0xF8),
        (25, 8, 0x100, 2, 0x102),
        (26, 4, 0, 3, 3 - 8),
        (29, 8, 0, 9, 1),
    ],
)
def test_x86_64_relocations(kind: int, size: int, symbol: int, addend: int, expected: int) -> None:
    code = bytearray(16)
    relocate_x86_64(code, 8, kind, symbol, addend)
    assert int.from_bytes(code[8 : 8 + size], "little", signed=True) == expected


@pytest.mark.parametrize(
    ("kind", "before", "symbol", "message"),
    [
        (2, b"\0\0", 1 << 32, "does not fit"),
        (1, b"\0\0", 0, "absolute"),
        (42, b"\x85\x05", 0, "other than to load"),  # test rax, [rip + ...]
        (42, b"\x03\x05", 0, "other than to load"),  # add rax, [rip + ...]
        (19, b"\0\0", 0, "19 of x86-64 is not known"),
    ],
)
def test_x86_64_refusals(kind: int, before: bytes, symbol: int, message: str) -> None:
    with pytest.raises(LinkError, match=re.escape(message)):
        relocate_x86_64(bytearray(before + bytes(8)), 2, kind, symbol, -4)


def test_memory_that_is_left_when_python_ends_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """By then the names of modules are None."""
    code = map_bytes(b"\0")
    monkeypatch.setattr(executable, "sys", None)
    monkeypatch.setattr(executable, "_libc", None)
    code.__del__(lambda: True)
    assert code.address
    monkeypatch.undo()
    code.__del__()
    assert not code.address
