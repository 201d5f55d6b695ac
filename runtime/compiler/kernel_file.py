"""The kernel file (.mjk): blobs linked for one target or several, with what a loader must know before it may run them.

    offset  size
         0     7  magic
         7     1  version of this format
         8     4  ABI number, little-endian like all that follows
        12     4  size of the description
        16     8  offset of the code, a multiple of the largest page size of the machines in it
        24     8  size of the code; the file ends with it
        32    32  BLAKE2b-256 of the 32 bytes before it, the description and the code
        64        description: UTF-8 JSON, then zeros up to the code

The code is one part for each target, each at a multiple of its machine's largest page size. It is mapped as it is, so
whoever can write one can run code: kernel files are trusted, unlike models.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from ..errors import Error
from ..file.atomic import replacing
from ..system.hashing import blake2b
from .abi import ABI

if TYPE_CHECKING:
    from ..targets.target import Target
    from .linker import Blob

MAGIC: Final = b"MJK\r\n\x1a\n"
VERSION: Final = 1
HEADER: Final = struct.Struct("<7sBIIQQ")
DIGEST_SIZE: Final = 32
DESCRIPTION: Final = HEADER.size + DIGEST_SIZE
# aarch64 Linux runs with pages of 4, 16 or 64 KiB, and a file is mapped at a multiple of the page size.
ALIGNMENT: Final = {"x86-64": 4096, "aarch64": 65536}
MAX_SIZE: Final = 64 << 20


class KernelFileError(Error):
    """A kernel file is damaged, of another version, or for another CPU."""


class Kernel(msgspec.Struct, frozen=True):
    """Where a kernel begins in the code, in bytes, and its parameters as text (see `abi.signature`)."""

    offset: int
    signature: str = ""


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The code for one target. features: what a CPU must have to run it, under LLVM's names. offset: in bytes from the
    beginning of the file's code."""

    target: str
    machine: str
    features: list[str]
    kernels: dict[str, Kernel]
    offset: int
    size: int


class KernelFile(msgspec.Struct, frozen=True):
    """A kernel file that was read and found whole; code_offset is that of `code` in the file."""

    parts: list[Part]
    code_offset: int
    code: memoryview

    @property
    def targets(self) -> list[str]:
        return [part.target for part in self.parts]

    def code_of(self, part: Part) -> memoryview:
        return self.code[part.offset : part.offset + part.size]


class Compiled(NamedTuple):
    """What becomes one part. signatures: kernel -> parameters as text (see `abi.signature`), where it has any."""

    blob: Blob
    target: Target
    signatures: Mapping[str, str]


def encode(compiled: Iterable[Compiled]) -> bytes:
    """The bytes of a kernel file, of one part for each target."""
    parts: list[Part] = []
    code = bytearray()
    for blob, target, signatures in compiled:
        code += bytes(-len(code) % ALIGNMENT[blob.machine])
        kernels = {name: Kernel(offset, signatures.get(name, "")) for name, offset in sorted(blob.symbols.items())}
        parts.append(Part(target.name, blob.machine, sorted(target.features), kernels, len(code), len(blob.code)))
        code += blob.code
    description = msgspec.json.encode(parts)
    alignment = max(ALIGNMENT[part.machine] for part in parts)
    code_offset = -(-(DESCRIPTION + len(description)) // alignment) * alignment
    header = HEADER.pack(MAGIC, VERSION, ABI, len(description), code_offset, len(code))
    start = header + _digest(header, description, code) + description
    return start.ljust(code_offset, b"\0") + code


def write(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes what `encode` gave, whole or not at all; Error where the system refuses."""
    with replacing(path) as file:
        file.write(data)


def decode(data: bytes, name: str) -> KernelFile:
    """Checks the bytes of a kernel file; name is what errors call it.

    Raises KernelFileError where it is no kernel file, of another version or ABI, truncated or damaged. Whether this CPU
    runs any of it is for `part_choice.choose_part` to say.
    """
    if len(data) < DESCRIPTION or not data.startswith(MAGIC):
        raise KernelFileError(f"{name} is not a kernel file; write one with `mj compile MODEL -o FILE.mjk`")
    header = data[: HEADER.size]
    _, version, abi, description_size, code_offset, code_size = HEADER.unpack(header)
    if version != VERSION:
        raise KernelFileError(
            f"{name} is a kernel file of version {version}, this millijoule reads version {VERSION}; compile it again "
            "with the same version of millijoule"
        )
    if abi != ABI:
        raise KernelFileError(
            f"{name} was written for ABI {abi}, this millijoule has ABI {ABI}; compile it again with the same version"
        )
    end = DESCRIPTION + description_size
    if end > code_offset or code_offset + code_size != len(data) or code_size == 0:
        raise KernelFileError(f"{name} is truncated or damaged; copy it again or compile it anew")
    text, code = data[DESCRIPTION:end], memoryview(data)[code_offset:]
    if data[HEADER.size : DESCRIPTION] != _digest(header, text, code) or any(data[end:code_offset]):
        raise KernelFileError(f"{name} is damaged: its checksum does not match; copy it again or compile it anew")
    try:
        parts = msgspec.json.decode(text, type=list[Part])
    except msgspec.MsgspecError as error:
        raise KernelFileError(f"{name}: its description cannot be read: {error}") from error
    _check_parts(parts, code_offset, code_size, name)
    return KernelFile(parts, code_offset, code)


def _check_parts(parts: list[Part], code_offset: int, code_size: int, name: str) -> None:
    targets = [part.target for part in parts]
    if not parts or len(set(targets)) < len(targets):
        raise KernelFileError(f"{name} holds no code, or some for the same target twice")
    for part in parts:
        if part.machine not in ALIGNMENT:
            raise KernelFileError(f"{name} is for machine '{part.machine}', which this millijoule does not know")
        if (code_offset + part.offset) % ALIGNMENT[part.machine]:
            raise KernelFileError(f"{name}: its code for {part.target} does not begin at a page")
        if part.offset < 0 or part.size <= 0 or part.offset + part.size > code_size:
            raise KernelFileError(f"{name}: its code for {part.target} lies outside the file's")
        for kernel, place in part.kernels.items():
            if not 0 <= place.offset < part.size:
                raise KernelFileError(f"{name}: kernel {kernel} lies outside the code for {part.target}")


def _digest(*parts: bytes | bytearray | memoryview) -> bytes:
    digest = blake2b(digest_size=DIGEST_SIZE)
    for part in parts:
        digest.update(part)
    return digest.digest()
