"""Digests of inputs, by which earlier answers are found again."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Hashable

import numpy as np

from ..system.hashing import blake2b

_SEED = os.urandom(16)
"""Other for every process, so that nobody can prepare inputs that share a digest."""
Digest = Callable[[np.ndarray | bytes, int], Hashable]


def seed_of(text: str) -> int:
    """63 bits that depend on a text and on the process."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8, key=_SEED).digest(), "little") >> 1


def find_digest() -> Digest:
    """digest(an array or its bytes, seed), of an array as of its bytes in C order: xxh3_128 where xxhash is installed,
    else SipHash, which is what CPython finds bytes by and seeds at random, else BLAKE2b."""
    try:
        from xxhash import xxh3_128_digest as known
    except ImportError:
        return _sip if _is_seeded() else _blake

    # Its types know nothing of NumPy's arrays, which it takes.
    xxh3_128_digest: Callable[..., bytes] = known

    def xxh3(data: np.ndarray | bytes, seed: int) -> Hashable:
        try:
            return xxh3_128_digest(data, seed)
        except ValueError:  # an array that is not in C order
            return xxh3_128_digest(_in_order(data), seed)

    return xxh3


def _sip(data: np.ndarray | bytes, seed: int) -> Hashable:
    return hash(_in_order(data)) ^ seed


def _blake(data: np.ndarray | bytes, seed: int) -> Hashable:
    return blake2b(_in_order(data), digest_size=16, key=_SEED, salt=seed.to_bytes(8, "little")).digest()


def _in_order(data: np.ndarray | bytes) -> bytes:
    return data if isinstance(data, bytes) else data.tobytes()


def _is_seeded() -> bool:
    """Whether this interpreter's own hashes are SipHash with a seed that nobody chose."""
    chosen = os.environ.get("PYTHONHASHSEED", "") not in ("", "random") and not sys.flags.ignore_environment
    return sys.hash_info.algorithm.startswith("siphash") and bool(sys.flags.hash_randomization) and not chosen


digest = find_digest()
"""What has the same digest is not taken for the same: whoever looks up compares the bytes."""
