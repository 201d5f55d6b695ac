"""Memory: the settings of a result memory and the answers in it."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, NamedTuple

from .binomial import upper_bound
from .similar import SURE, Similar
from .store import MemoryCounts, Store

if TYPE_CHECKING:
    from .disk import Disk
    from .index import Index

ENTRIES, MAX_BYTES = 4096, 16 << 20


class FalseHits(NamedTuple):
    """audited: answers to similar inputs that were computed all the same. wrong: how many of them had another class.
    rate: wrong of audited, 0 where nothing was audited. upper: what the rate is at most in the long run, with this
    confidence, of inputs like those so far (Clopper and Pearson 1934); 0 wrong of 299 leave 1 % possible, at 95 %."""

    audited: int
    wrong: int
    rate: float
    upper: float
    confidence: float


class Memory:
    """Earlier answers of models, looked up instead of computed: mj.load(path, memory=mj.Memory()).

    entries, max_bytes: how many answers are kept at most, and how many bytes they take together with the inputs that
    they belong to, Python's own overhead included. Then the one that was asked for the longest time ago makes room.
    expire: seconds after which an answer is computed anew. min_score: answers that are less sure are not kept: by the
    score of a cascade's gate, None for what the gate is not sure of; of a classifier alone by its largest probability,
    None for all, or 0.9 with `similar`. All answers of other models are kept. similar: takes images that look alike for
    the same, of classifiers of images; None: takes nothing for the same but the same. path: of a file (SQLite, for its
    owner only) that keeps the answers for the next process; None: they end with this one.

    An answer is given again for the same input, byte for byte, of the same shapes and dtypes, by the same model: its
    weights, graph and preprocessing. Models, sessions and threads may share a memory. Inputs are found by a digest
    (xxh3_128 where the package xxhash is installed, else SipHash, with a seed of the process's own) and then compared,
    so that two inputs with one digest never get each other's answer.
    InputError where a bound is negative, expire is not above 0 or min_score is not finite. Error where the path is
    another program's file, or another user may write to it. A damaged file begins anew, and where a disk is full or
    fails answers are kept in memory only: both with a RuntimeWarning.
    """

    def __init__(
        self,
        entries: int = ENTRIES,
        max_bytes: int = MAX_BYTES,
        *,
        expire: float | None = None,
        min_score: float | None = None,
        similar: Similar | None = None,
        path: str | os.PathLike[str] | None = None,
    ) -> None:
        from ..arguments import path as path_of
        from ..arguments import real
        from ..errors import InputError

        for name, bound in (("entries", entries), ("max_bytes", max_bytes)):
            if not 0 <= real(name, bound) < math.inf:
                raise InputError(f"{name}={bound!r}: a memory has a bound, of 0 or more")
        if expire is not None and not real("expire", expire) > 0:
            raise InputError(f"expire = {expire}: answers are kept for some seconds, or without end (None)")
        if min_score is not None and not math.isfinite(real("min_score", min_score)):
            raise InputError(f"min_score = {min_score} is no score")
        if similar is not None and not isinstance(similar, Similar):
            raise InputError(f"similar={similar!r}: an mj.Similar is wanted, such as mj.Similar('dhash')")
        if path is not None:
            path_of("path", path)
        self.entries, self.max_bytes = int(entries), int(max_bytes)
        self.expire = None if expire is None or expire == math.inf else float(expire)
        self.min_score = None if min_score is None else float(min_score)
        self.similar = similar
        self._store = Store(self.entries, self.max_bytes, self.expire)
        self.index: Index | None = None
        if similar is not None:
            from .index import Index  # which only those who take similar for the same need

            self.index = Index.of(self._store, similar)
        self.disk: Disk | None = None
        if path is not None:
            from .disk import Disk  # SQLite, which only those who keep answers need

            self.disk = Disk(path, self._store, self.entries, self.max_bytes)

    def __repr__(self) -> str:
        counts = self.counts
        return (
            f"<Memory: {len(self)} of {self.entries} entries, {self.bytes} of {self.max_bytes} bytes, "
            f"{counts.hits} hits, {counts.misses} misses>"
        )

    def __len__(self) -> int:
        """How many answers are kept."""
        return len(self._store)

    @property
    def bytes(self) -> int:
        """How many bytes they take."""
        return self._store.bytes

    @property
    def counts(self) -> MemoryCounts:
        """Hits, misses and what else happened since the memory was made."""
        return self._store.counts()

    def false_hits(self, confidence: float = 0.95) -> FalseHits:
        """What the audited answers to similar inputs say of the others: how often they have another class than the
        model would have given. confidence: of the upper bound, above 0 and below 1; else InputError."""
        from ..errors import InputError

        if not 0 < confidence < 1:
            raise InputError(f"confidence {confidence}: above 0 and below 1 is wanted")
        counts = self.counts
        rate = counts.false / counts.audited if counts.audited else 0.0
        bound = upper_bound(counts.false, counts.audited, confidence)
        return FalseHits(counts.audited, counts.false, rate, bound, confidence)

    @property
    def store(self) -> Store:
        """The answers themselves, for sessions."""
        return self._store

    def least_score(self, sure: float) -> float:
        """The lowest score of an answer that is kept, where the gate is sure from that one on."""
        return sure if self.min_score is None else self.min_score

    def least_probability(self) -> float | None:
        """The lowest probability of a classifier's answer that is kept, where it has no gate; None: all are."""
        return SURE if self.min_score is None and self.similar is not None else self.min_score

    def flush(self) -> None:
        """Writes what is not yet on the disk, where there is a path. A process that ends by itself does so, too."""
        if self.disk is not None:
            self.disk.flush()

    def close(self) -> None:
        """As `flush`, and lets go of the file; the memory goes on without it."""
        if self.disk is not None:
            self.disk.close()

    def clear(self) -> None:
        """Forgets every answer; the counts stay."""
        self._store.clear()
