"""How a step is cut for threads: into rows of pixels, so that a thread finds in its core's cache what it wrote in the
step before, or into blocks of output channels, so that a weight is read by one core only."""

from __future__ import annotations

from ..program.builder import Builder

HEAVY = 2
"""Bytes of weights per byte of input and output above which the weights, not the pixels, are divided."""


def blocks_of_a_chunk(b: Builder, lines: int, blocks: int, weights: int = 0, data: int = 1) -> int:
    """`blocks` where a chunk is one line of all blocks, 1 where it is one line of one block.

    weights, data: bytes that are read and, of data, written.
    """
    few = lines < 2 * b.threads and lines % b.threads != 0
    return 1 if few or weights > HEAVY * data else blocks
