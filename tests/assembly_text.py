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
