"""Prints docs/python.md from the docstrings: `python docs/make_python.py > docs/python.md`."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any, Literal, get_args, get_origin, get_type_hints

import millijoule as mj

HEADER = """# In Python

Made from the docstrings by `python docs/make_python.py > docs/python.md`; a test holds the two together. Every name
here is one of `import millijoule as mj`; what is not here may change at any time.

```python
import numpy as np
import millijoule as mj

with mj.load("model.tflite") as session:  # or .onnx, or .mj, which loads fastest and needs no converter
    print(session)  # its inputs and outputs
    outputs = session.run({"input": x})  # or run(x), where there is one input; new arrays by name

    session.inputs["input"][...] = x  # the same without copies
    session.invoke()
    session.outputs["output"]

    session.run({"input": session.quantize("input", reals)})  # an input of quantized integers
    for found in session.classify("cat.jpg", top=3):  # images: see preprocessing.md
        print(found.label, found.score)
```
"""

WIDE = 80
"""Characters of parameters from which on each has a line of its own."""
MADE_BY_CALLERS = ("Memory", "Similar", "Cascade", "Gate")
"""Classes whose parameters are printed."""
FOR_TOOLS = (
    "engine",
    "input_shapes",
    "release_pages",
    "store",
    "index",
    "disk",
    "of",
    "thresholds",
    "temperatures",
    "sure",
    "least_score",
    "least_probability",
    "parts",
    "preparing",
    "cascade",
    "written_metadata",
    "exits",
    "state_shapes",
)
SECTIONS: dict[str, tuple[str, ...]] = {
    "Loading and converting": ("load", "convert", "budget", "export", "Model"),
    "Running": ("Session",),
    "Cascades": ("Cascade", "Gate", "Answer"),
    "Earlier answers": ("Memory", "MemoryCounts", "Similar", "FalseHits"),
    "What models say of themselves": ("TensorInfo", "Quantization", "Fidelity", "Preprocessing", "Ranked"),
    "Softmax without a model": ("softmax", "softmax_statistics", "SoftmaxStatistics"),
    "Errors and warnings": (
        "Error", "ModelError", "InputError", "TargetError", "CompilerError", "PreprocessingWarning", "LabelsWarning",
    ),
}  # fmt: skip


def main() -> None:
    print(HEADER, end="")
    for title, names in SECTIONS.items():
        print(f"\n## {title}")
        for name in names:
            describe(name, getattr(mj, name))


def describe(name: str, thing: Any) -> None:
    if not inspect.isclass(thing):
        entry("###", f"mj.{name}", thing, f"{name}{signature(thing)}")
        return
    if issubclass(thing, Exception):
        entry("###", f"mj.{name}", thing, f"class {name}({thing.__mro__[1].__name__})")
        return
    code = f"{name}{signature(thing)}" if name in MADE_BY_CALLERS else "\n".join(fields(thing))
    entry("###", f"mj.{name}", thing, code)
    for member, value in vars(thing).items():
        if member.startswith("_") or member in FOR_TOOLS:
            continue
        if isinstance(value, property):
            entry("####", f"{name}.{member}", value.fget, f"{member}: {annotation(value.fget)}")
        elif callable(value) or isinstance(value, staticmethod):
            function = value.__func__ if isinstance(value, staticmethod) else value
            entry("####", f"{name}.{member}", function, f"{member}{signature(function)}")


def fields(thing: Any) -> list[str]:
    """What an object is made of, with the defaults of those that a caller makes."""
    if hasattr(thing, "__struct_fields__"):
        names, defaults = thing.__struct_fields__, thing.__struct_defaults__
        said = [f"{name}: {kind(thing, name)}" for name in names]
        # What cannot be made of nothing is not made by callers, who need no defaults.
        if len(defaults) < len(names):
            return said
        return [f"{text} = {written(getattr(thing(), name))}" for text, name in zip(said, names, strict=True)]
    if hasattr(thing, "_fields"):
        hints = thing.__annotations__
        return [f"{field}: {getattr(hints[field], '__forward_arg__', hints[field])}" for field in thing._fields]
    found = getattr(thing, "__dataclass_fields__", {})
    return [f"{field}: {known.type}" for field, known in found.items() if not field.startswith("_")]


def kind(thing: Any, field: str) -> str:
    """The annotation, an alias for a few strings spelt out."""
    hint = get_type_hints(thing)[field]
    return (
        " | ".join(map(written, get_args(hint))) if get_origin(hint) is Literal else str(thing.__annotations__[field])
    )


def written(value: object) -> str:
    """As code that ruff would not change, which formats what documents hold of it too."""
    return json.dumps(value) if isinstance(value, str) else repr(value)


def annotation(function: Any) -> str:
    return str(inspect.signature(function).return_annotation)


def entry(level: str, head: str, thing: Any, code: str) -> None:
    print(f"\n{level} {head}\n")
    if code:
        print(f"```python\n{code}\n```\n")
    print(inspect.getdoc(thing))


def signature(function: Callable[..., object]) -> str:
    parts: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        default = "" if parameter.default is parameter.empty else f" = {written(parameter.default)}"
        parts.append(f"{parameter.name}: {parameter.annotation}{default}")
    listed = ", ".join(parts)
    if len(listed) > WIDE:
        listed = "\n    " + ",\n    ".join(parts) + ",\n"
    return f"({listed}) -> {annotation(function)}"


if __name__ == "__main__":
    main()
