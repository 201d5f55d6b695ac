"""BLAKE2b on its own: hashlib would load OpenSSL beside it, several megabytes that nothing here uses."""

from __future__ import annotations

try:
    from _blake2 import blake2b
except ImportError:  # not CPython
    from hashlib import blake2b

__all__ = ["blake2b"]
