"""The kernel file (.mjk): a linked blob with what a loader must know before it may run it.

    offset  size
         0     8  magic
         8     4  ABI number, little-endian like all that follows
        12     4  size of the description
        16     8  offset of the code, a multiple of the largest page size of the machine
        24     8  size of the code; the file ends with it
        32    32  BLAKE2b-256 of the 32 bytes before it, the description and the code
        64        description: UTF-8 JSON, then zeros up to the code

It is mapped as it is, so whoever can write one can run code: kernel files are trusted, unlike models.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from ..errors import Error
from ..file.atomic import replacing
from ..system.hashing import blake2b
from ..targets.cpu import host_features, host_machine
from .abi import ABI

if TYPE_CHECKING:
    from ..targets.target import Target
    from .linker import Blob

MAGIC: Final = b"MJK\r\n\x1a\n\0"
HEADER: Final = struct.Struct("<8sIIQQ")
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


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the JSON part says. features: what a CPU must have to run the code, under LLVM's names."""

    target: str
    machine: str
    features: list[str]
    kernels: dict[str, Kernel]


class KernelFile(msgspec.Struct, frozen=True):
    """A kernel file that was read and found whole; code_offset is that of `code` in the file."""

    description: Description
    code_offset: int
    code: memoryview


def encode(blob: Blob, target: Target, signatures: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a kernel file. signatures: kernel -> parameters as text, for those that have any."""
    texts = signatures or {}
    kernels = {name: Kernel(offset, texts.get(name, "")) for name, offset in sorted(blob.symbols.items())}
    description = msgspec.json.encode(Description(target.name, blob.machine, sorted(target.features), kernels))
    alignment = ALIGNMENT[blob.machine]
    code_offset = -(-(DESCRIPTION + len(description)) // alignment) * alignment
    header = HEADER.pack(MAGIC, ABI, len(description), code_offset, len(blob.code))
    start = header + _digest(header, description, blob.code) + description
    return start.ljust(code_offset, b"\0") + blob.code


def write(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes what `encode` gave, whole or not at all; Error where the system refuses."""
    with replacing(path) as file:
        file.write(data)


def decode(data: bytes, name: str) -> KernelFile:
    """Checks the bytes of a kernel file; name is what errors call it.

    Raises KernelFileError where it is no kernel file, of another ABI, truncated or damaged. Whether this CPU runs it is
    for `check_host` to say.
    """
    if len(data) < DESCRIPTION or not data.startswith(MAGIC):
        raise KernelFileError(f"{name} is not a kernel file; write one with `mj compile MODEL -o FILE.mjk`")
    header = data[: HEADER.size]
    _, abi, description_size, code_offset, code_size = HEADER.unpack(header)
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
        description = msgspec.json.decode(text, type=Description)
    except msgspec.MsgspecError as error:
        raise KernelFileError(f"{name}: its description cannot be read: {error}") from error
    _check_description(description, code_offset, code_size, name)
    return KernelFile(description, code_offset, code)


def check_host(description: Description, name: str) -> None:
    """Raises KernelFileError where this CPU cannot run code of that description, TargetError where none can be run."""
    machine = host_machine()
    if machine != description.machine:
        raise KernelFileError(
            f"{name} holds {description.machine} code for target {description.target}, this CPU is {machine}; "
            "compile with the target of this computer (`mj doctor` names it)"
        )
    lacking = sorted(set(description.features) - host_features())
    if lacking:
        raise KernelFileError(
            f"{name} is for target {description.target}, and this CPU lacks {', '.join(lacking)}; "
            "compile with the target of this computer (`mj doctor` names it)"
        )


def _check_description(description: Description, code_offset: int, code_size: int, name: str) -> None:
    if description.machine not in ALIGNMENT:
        raise KernelFileError(f"{name} is for machine '{description.machine}', which this millijoule does not know")
    if code_offset % ALIGNMENT[description.machine]:
        raise KernelFileError(f"{name}: its code does not begin at a page")
    for kernel, place in description.kernels.items():
        if not 0 <= place.offset < code_size:
            raise KernelFileError(f"{name}: kernel {kernel} lies outside the code")


def _digest(*parts: bytes | memoryview) -> bytes:
    digest = blake2b(digest_size=DIGEST_SIZE)
    for part in parts:
        digest.update(part)
    return digest.digest()
