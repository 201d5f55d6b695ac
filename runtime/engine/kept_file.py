"""The file of a kept plan (.mjp): a record, and packed weights that are mapped as they are.

    offset  size
         0     8  magic
         8    32  BLAKE2b-256 of all that follows
        40     8  size of the record, little-endian like all that follows
        48     8  offset of the weights, a multiple of the largest page size of machines with kernels
        56     8  size of the weights; the file ends with them
        64        record: MessagePack; then zeros up to the weights

It lies in the kernel cache, which is trusted: what a table of steps says is done. The digest finds damage.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
import numpy as np

from ..system.hashing import blake2b

if TYPE_CHECKING:
    import mmap

MAGIC: Final = b"MJP\r\n\x1a\n\x01"
DIGEST_SIZE: Final = 32
SIZES: Final = struct.Struct("<QQQ")
DIGESTED: Final = len(MAGIC) + DIGEST_SIZE
HEADER: Final = DIGESTED + SIZES.size
PAGE: Final = 65536

T = TypeVar("T")


class Damaged(Exception):
    """It is no such file, or not as it was written."""


def encode(record: msgspec.Struct, weights: memoryview) -> Sequence[bytes | memoryview]:
    """The parts of a file, one behind the other."""
    data = msgspec.msgpack.encode(record)
    at = -(-(HEADER + len(data)) // PAGE) * PAGE if len(weights) else HEADER + len(data)
    gap = bytes(at - HEADER - len(data))
    rest: list[bytes | memoryview] = [SIZES.pack(len(data), at, len(weights)), data, gap, weights]
    digest = blake2b(digest_size=DIGEST_SIZE)
    for part in rest:
        digest.update(part)
    return [MAGIC, digest.digest(), *rest]


def decode(file: mmap.mmap, kind: type[T]) -> tuple[T, np.ndarray]:
    """The record, and the weights as uint8 in the file's memory. Damaged where anything is not as it was written."""
    if len(file) < HEADER or file[: len(MAGIC)] != MAGIC:
        raise Damaged
    with memoryview(file) as view, view[DIGESTED:] as rest:
        if blake2b(rest, digest_size=DIGEST_SIZE).digest() != file[len(MAGIC) : DIGESTED]:
            raise Damaged
        size, at, count = SIZES.unpack(rest[: SIZES.size])
        if HEADER + size > at or at + count != len(file):
            raise Damaged
        try:
            record = msgspec.msgpack.decode(rest[SIZES.size : SIZES.size + size], type=kind)
        except msgspec.MsgspecError as problem:
            raise Damaged from problem
    return record, np.frombuffer(file, np.uint8)[at:]
