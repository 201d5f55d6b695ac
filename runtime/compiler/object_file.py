"""A compiled kernel at rest: its ELF object and its signature, with a checksum over both."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from ..system.hashing import blake2b

MAGIC: Final = b"MJO\r\n\x1a\n\1"
DIGEST_SIZE: Final = 32


class CompiledKernel(NamedTuple):
    """An ELF object, the symbol in it that is the kernel, and the kernel's parameters as text (`abi.signature`)."""

    object: bytes
    symbol: str
    signature: str


class DamagedObject(Exception):
    """Not the bytes that `pack_object` gave."""


def pack_object(kernel: CompiledKernel) -> bytes:
    body = msgspec.msgpack.encode(kernel)
    return MAGIC + blake2b(body, digest_size=DIGEST_SIZE).digest() + body


def unpack_object(data: bytes) -> CompiledKernel:
    """Raises DamagedObject where the data are not whole."""
    start = len(MAGIC) + DIGEST_SIZE
    body = data[start:]
    digest = blake2b(body, digest_size=DIGEST_SIZE).digest()
    if not data.startswith(MAGIC) or data[len(MAGIC) : start] != digest:
        raise DamagedObject("the checksum does not match")
    return msgspec.msgpack.decode(body, type=CompiledKernel)
