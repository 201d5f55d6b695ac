"""Which softmax is the fastest for so many bytes."""

from __future__ import annotations

from functools import cache

from ...device_profiles import Profile, ProfileError, load
from ..errors import TargetError
from ..targets.target import Target
from .steps import is_split

ALGORITHMS = ("two-pass", "two-pass-reload", "three-pass-reload", "three-pass-recompute")


@cache
def crossover() -> int:
    """Bytes of input and output above which less traffic is worth a second exponential, where those are computed fast
    enough: with AVX2, AVX512 and on Arm. The profile's softmax_share of its last cache: half of it by default (measured
    with `mj bench softmax` on a Zen 4 with 32 MiB)."""
    return profile().softmax_bytes


def profile() -> Profile:
    """The device's; TargetError where MILLIJOULE_PROFILE names none."""
    try:
        return load()
    except ProfileError as problem:
        raise TargetError(str(problem)) from None


def choose(rows: int, n: int, log: bool, target: Target, threads: int = 1) -> tuple[str, bool]:
    """(algorithm, whether stores bypass the caches) for rows of n float32.

    The logarithm needs no second exponential, so that for it two passes are always fewer.
    """
    large = (target.avx2 or target.family == "arm") and _streams(rows, n, threads)
    if large or log:
        return "two-pass", large
    # The exponentials of a row's parts have references of their own, so that they are not kept.
    return "three-pass-reload" if is_split(rows, n, threads) else "two-pass-reload", False


def streams(rows: int, n: int, algorithm: str, threads: int = 1) -> bool:
    """Whether stores had better bypass the caches. What is reloaded must not."""
    return not algorithm.endswith("reload") and _streams(rows, n, threads)


def _streams(rows: int, n: int, threads: int) -> bool:
    """Threads compute faster, and so wait for memory sooner."""
    return 8 * rows * n * threads > crossover()
