"""Memory: the settings of a result memory and the answers in it."""

from __future__ import annotations

from .store import MemoryCounts, Store

ENTRIES, MAX_BYTES = 4096, 16 << 20


class Memory:
    """Earlier answers of models, looked up instead of computed: mj.load(path, memory=mj.Memory()).

    entries, max_bytes: how many answers are kept at most, and how many bytes they take together with the inputs that
    they belong to, Python's own overhead included. Then the one that was asked for the longest time ago makes room.
    expire: seconds after which an answer is computed anew. min_score: answers that are less sure are not kept: by the
    score of a cascade's gate, None for what the gate is not sure of; of a classifier alone by its largest probability,
    None for all. All answers of other models are kept.

    An answer is given again for the same input, byte for byte, of the same shapes and dtypes, by the same model: its
    weights, graph and preprocessing. Models, sessions and threads may share a memory. Inputs are found by a digest
    (xxh3_128 where the package xxhash is installed, else SipHash, with a seed of the process's own) and then compared,
    so that two inputs with one digest never get each other's answer.
    InputError where a bound is negative or expire is not above 0.
    """

    def __init__(
        self,
        entries: int = ENTRIES,
        max_bytes: int = MAX_BYTES,
        *,
        expire: float | None = None,
        min_score: float | None = None,
    ) -> None:
        from ..errors import InputError

        if entries < 0 or max_bytes < 0:
            raise InputError(f"a memory of {entries} entries and {max_bytes} bytes cannot be: neither may be below 0")
        if expire is not None and not expire > 0:
            raise InputError(f"expire = {expire}: answers are kept for some seconds, or without end (None)")
        self.entries, self.max_bytes, self.expire, self.min_score = entries, max_bytes, expire, min_score
        self.similar = None
        self._store = Store(entries, max_bytes, expire)

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

    @property
    def store(self) -> Store:
        """The answers themselves, for sessions."""
        return self._store

    def least_score(self, sure: float) -> float:
        """The lowest score of an answer that is kept, where the gate is sure from that one on."""
        return sure if self.min_score is None else self.min_score

    def least_probability(self) -> float | None:
        """The lowest probability of a classifier's answer that is kept, where it has no gate; None: all are."""
        return self.min_score

    def clear(self) -> None:
        """Forgets every answer; the counts stay."""
        self._store.clear()
