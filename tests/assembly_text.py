"""Reads the assembly that LLVM writes: instructions, innermost loops, and vectors that a loop keeps on the stack."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from millijoule.runtime.compiler.numba_bridge import assembly
from millijoule.runtime.simd.isa import Isa
from millijoule.runtime.targets.target import Target

LABEL = re.compile(r"(\.?\w+):")
BRANCH = re.compile(r"(b|b\.\w+|cbn?z|tbn?z|j\w+)\s.*?(\.L\w+)$")
ENDS = re.compile(r"(ret|retq|brk|udf|ud2|br|jmpq?\s+\*)\b")
STACK = re.compile(r"\[sp\b|\(%rsp\b")
COMMENT = re.compile(r"(#\s|//).*")
VECTOR = re.compile(r"\b[qdsv]\d+\b|%[xyz]mm\d+")


def instructions(text: str) -> list[str]:
    """One a line, with single blanks, without labels and directives."""
    lines = (COMMENT.sub("", line).rstrip() for line in text.splitlines())
    return [" ".join(line.split()) for line in lines if line.startswith("\t") and not line.startswith("\t.")]


def innermost_loops(text: str) -> list[list[str]]:
    """The instructions of every loop of one basic block, in order; its body ends with the jump to its own label."""
    found: list[list[str]] = []
    label, body = "", list[str]()
    for line in text.splitlines():
        if mark := LABEL.match(line):
            label, body = mark.group(1), []
            continue
        for instruction in instructions(line):
            body.append(instruction)
            if branch := BRANCH.match(instruction):
                if branch.group(2) == label:
                    found.append(body)
                label, body = "", []
    return found


def innermost_bodies(text: str) -> list[list[str]]:
    """The instructions of every loop that has no other in it, also of those with branches inside."""
    blocks, after = _blocks(text)
    inside = _dominators(after)
    bodies: dict[int, set[int]] = {}
    for block, following in enumerate(after):
        for head in following:
            if head in inside[block]:
                bodies.setdefault(head, {head}).update(_reaching(block, head, after))
    return [
        [line for block in sorted(body) for line in blocks[block]]
        for head, body in bodies.items()
        if not any(other in body for other in bodies if other != head)
    ]


def _blocks(text: str) -> tuple[list[list[str]], list[list[int]]]:
    """The first function's basic blocks that can be reached, and which may follow each."""
    blocks: list[list[str]] = [[]]
    labels: dict[str, int] = {}
    for line in text.splitlines():
        if mark := LABEL.match(line):
            if blocks[-1]:
                blocks.append([])
            labels[mark.group(1)] = len(blocks) - 1
        for instruction in instructions(line):
            blocks[-1].append(instruction)
            if BRANCH.match(instruction) or ENDS.match(instruction):
                blocks.append([])
    after: list[list[int]] = []
    for index, block in enumerate(blocks):
        branch = BRANCH.match(block[-1]) if block else None
        found = [labels[branch.group(2)]] if branch and branch.group(2) in labels else []
        falls = not block or not (ENDS.match(block[-1]) or re.match(r"(b|jmp)\s", block[-1]))
        after.append(found + [index + 1] * (falls and index + 1 < len(blocks)))
    return blocks, after


def _dominators(after: list[list[int]]) -> list[set[int]]:
    """For each block those through which every way to it leads, itself among them; none for what cannot be reached."""
    everything = set(range(len(after)))
    found: list[set[int]] = [{0}, *(everything for _ in after[1:])]
    before: list[list[int]] = [[] for _ in after]
    for block, following in enumerate(after):
        for other in following:
            before[other].append(block)
    changed = True
    while changed:
        changed = False
        for block in range(1, len(after)):
            ways = [found[other] for other in before[block]]
            new = {block} | (set.intersection(*ways) if ways else everything)
            if new != found[block]:
                found[block], changed = new, True
    reached, todo = {0}, [0]
    while todo:
        for other in after[todo.pop()]:
            if other not in reached:
                reached.add(other)
                todo.append(other)
    return [doms if block in reached else set() for block, doms in enumerate(found)]


def _reaching(block: int, head: int, after: list[list[int]]) -> set[int]:
    """The blocks from which `block` is reached without going through `head`."""
    found, todo = {block}, [block]
    if block == head:
        return found
    while todo:
        target = todo.pop()
        for other, following in enumerate(after):
            if target in following and other not in found and other != head:
                found.add(other)
                todo.append(other)
    return found


def loop_of(text: str, pattern: str) -> list[str]:
    """The innermost loop with the most instructions that match."""
    return max(innermost_loops(text), key=lambda loop: count(loop, pattern))


def count(lines: list[str], pattern: str) -> int:
    return sum(re.match(pattern, line) is not None for line in lines)


def stacked(lines: list[str]) -> list[str]:
    """Instructions that move vectors to or from the stack."""
    return [line for line in lines if STACK.search(line) and VECTOR.search(line)]


def spilled(lines: list[str]) -> list[str]:
    """Instructions that move anything to or from the stack."""
    return [line for line in lines if STACK.search(line)]


def compiled(factory: Callable[..., Callable[..., None]], target: Target, **constants: Any) -> str:
    """The assembly text of one kernel."""
    return assembly(factory(Isa(target), **constants), target)
