"""The memory for a model's values beside LiteRT's, for each TFLite MODEL: ours is the arena of the plan, LiteRT's from
the first to the last byte of the tensors that lie together with its first input, by their addresses, scratch memory
among them, and its variables, which lie elsewhere. Its delegate, which has memory of its own that is not seen, is left
out.

    python .ci/litert_arenas.py ../shared/zoo/*.tflite
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from math import prod
from pathlib import Path

from ai_edge_litert.interpreter import Interpreter, OpResolverType

import millijoule
from millijoule.tools.report.display import table

MJ = Path(sys.executable).with_name("mj")
GAP = 4096
"""Bytes between tensors from which on they are not of one arena."""
Span = tuple[int, int]
"""Address of the first byte, and behind the last."""


def span_of(interpreter: Interpreter, index: int) -> Span | None:
    """Where a tensor lies. Found by a process of its own, as asking for one without memory is the end of it."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            tensor = interpreter.tensor(index)()
            first = tensor.__array_interface__["data"][0]
            os.write(write, f"{first} {first + tensor.nbytes}".encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    first, end = map(int, text.split()) if text else (0, 0)
    return (first, end) if first < end else None


def together(spans: Iterable[Span], within: Span) -> int:
    """Bytes of those that lie beside each other around one of them."""
    left, (first, end) = sorted(spans), within
    while found := [span for span in left if span[0] <= end + GAP and span[1] >= first - GAP]:
        left = [span for span in left if span not in found]
        first, end = min(first, *(span[0] for span in found)), max(end, *(span[1] for span in found))
    return end - first


def litert_arena(path: Path) -> int:
    """RuntimeError where LiteRT does not take the model without its delegate."""
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(str(path), experimental_op_resolver_type=resolver, num_threads=1)
    interpreter.allocate_tensors()
    count = interpreter._interpreter.NumTensors(0)
    spans = [span for index in range(count) if (span := span_of(interpreter, index))]
    start = span_of(interpreter, interpreter.get_input_details()[0]["index"])
    assert start is not None
    return together(spans, start)


def our_arena(path: Path) -> int:
    found = subprocess.run([MJ, "inspect", path, "--threads", "1", "--json"], capture_output=True, text=True)
    if found.returncode:
        raise RuntimeError(found.stderr.strip())
    return int(json.loads(found.stdout)["arena"]["bytes"])


def variables(path: Path) -> int:
    """Bytes of what the model keeps from one run to the next: in our arena, and in LiteRT's memory apart from it."""
    model = millijoule.convert(path)
    return sum(prod(shape) * model.graph.values[name].dtype.itemsize for name, shape in model.state_shapes.items())


def row(path: Path) -> list[str]:
    try:
        ours, theirs = our_arena(path), litert_arena(path) + variables(path)
    except (RuntimeError, ValueError) as problem:
        return [path.name, "", "", f"not run: {str(problem).splitlines()[0][:40]}"]
    return [path.name, f"{ours:,}", f"{theirs:,}", f"{ours / theirs:.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL")
    rows = [row(path) for path in parser.parse_args().models]
    table("Bytes of values", ["model", ">millijoule", ">LiteRT", ">ratio"], rows)


if __name__ == "__main__":
    main()
