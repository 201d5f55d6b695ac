"""Prints docs/operators.md from the code: `python docs/make_operators.py > docs/operators.md`.

Needs the extras onnx and tflite.
"""

from __future__ import annotations

import inspect

import onnx.defs

from millijoule.converters.onnx import convert  # noqa: F401  imports every handler
from millijoule.converters.onnx import handlers as onnx_handlers
from millijoule.converters.tflite import handlers as tflite_handlers
from millijoule.runtime.lowering import registry as lowerings
from millijoule.runtime.ops import registry as ops

HEADER = """# Operators

Made from the code by `python docs/make_operators.py > docs/operators.md`; a test holds the two together.

## In the graph

Operators bear ONNX names and mean what ONNX's newest operator set says, with spatial operators channels-last. Every one
of them runs; those with a kernel run as machine code where the node's types and attributes allow it (`mj inspect` tells
for a model), all others in NumPy inside the same program.

| operator | inputs | attributes | kernel |
| --- | --- | --- | --- |
"""

ONNX = """
## From ONNX

Operator sets 7 to current, and older ones as onnx's version converter brings them up to 7. Operators that ONNX defines
by others are replaced by those where they have no handler.

- Sequences of tensors and optional values: where their lengths are known at conversion nothing is left of them but the
  tensors. Others are values of the graph, by operators that run in NumPy. As inputs and outputs they are lists of
  arrays, and None where an optional value is absent.
- Text, as NumPy's arrays of `str`: its operators run in NumPy, and what looks it up, such as the categories of
  encoders, gives numbers that kernels compute with. A classifier whose classes have names gives their numbers 0, 1,
  ..., and the names are the model's labels. Patterns are of RE2's syntax, without Unicode's classes.
- Maps are no inputs. A ZipMap's are the rows of a matrix, in the order of the classes.
- Tools that run models through onnx's backend interface find it in `millijoule.converters.onnx_backend`.

"""

TFLITE = """
## From TFLite

The first graph of a file, or that of a signature (`mj convert --signature NAME`, in Python `signature=`), with the
names that it gives to inputs and outputs.

"""


def main() -> None:
    print(HEADER, end="")
    for name in ops.names():
        print(row(name))
    print(ONNX + ", ".join(sorted(from_onnx())))
    print(TFLITE + ", ".join(sorted(tflite_handlers.names())))


def from_onnx() -> set[str]:
    """Operators with a handler, under their domain where that is not ONNX's own, and those that need none."""
    handled = {name if not domain else f"{domain}.{name}" for domain, name in onnx_handlers.handled()}
    return handled | {name for name in ops.names() if onnx.defs.has(name)}


def row(name: str) -> str:
    op = ops.find(name)
    assert op is not None
    parameters = inspect.signature(op.reference).parameters.values()
    inputs = []
    for p in parameters:
        if p.kind is p.VAR_POSITIONAL:
            inputs.append(f"{p.name}...")
        elif p.kind is p.POSITIONAL_OR_KEYWORD:
            inputs.append(p.name if p.default is p.empty else f"[{p.name}]")
    attributes = ", ".join(op.defaults)
    lowering = lowerings.find(name)
    kernel = "" if lowering is None else f"yes: {lowering.limits}" if lowering.limits else "yes"
    return f"| {name} | {', '.join(inputs)} | {attributes} | {kernel} |"


if __name__ == "__main__":
    main()
