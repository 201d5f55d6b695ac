"""ONNX's own test cases, which the onnx package brings, through the public API: mj.convert, mj.load and run.

    python tests/onnx_suite.py                        what passes and what does not, by operator and by reason
    python tests/onnx_suite.py --target host LSTM     with kernels; only cases whose names contain the text
    python tests/onnx_suite.py --promote              adds what passes to onnx_cases.txt

What is not in there is in onnx_left_out.txt, with the reason; but for the networks (light/...), which take long.
Cases bear the suite's names, those that are not of single operators behind their kind: simple/test_shrink.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

import millijoule as mj
from millijoule.runtime.errors import Error

LIST = Path(__file__).parent / "onnx_cases.txt"
LEFT_OUT = Path(__file__).parent / "onnx_left_out.txt"
KINDS = "node", "simple", "pytorch-operator", "pytorch-converted", "light"
LIGHT = "onnx/backend/test/data/light/"
"""Where the onnx package has networks without their weights, each of which is one number."""
BFLOAT16_RTOL = 2**-6
"""As ONNX's own runner has it: two units in the last place."""
DataSet = tuple[Sequence[Any], Sequence[Any]]
"""What is fed and what must come out; an array each, a list where the value is a sequence, None where it is empty."""


@dataclass(frozen=True)
class Case:
    """source: the suite's own record of the case."""

    name: str
    source: Any

    @cached_property
    def model(self) -> onnx.ModelProto:
        if self.source.model is not None:
            return self.source.model
        return onnx.load(self._light or Path(self.source.model_dir) / "model.onnx")

    @property
    def _light(self) -> Path | None:
        url = self.source.url or ""
        return Path(onnx.__file__).parent.parent / url if url.startswith(LIGHT) else None

    @cached_property
    def data_sets(self) -> list[DataSet]:
        if self.source.data_sets is not None:
            return [([*map(_array, given)], [*map(_array, wanted)]) for given, wanted in self.source.data_sets]
        if self._light is not None:
            return [_stored_light(self._light, self.model.graph)]
        graph, folders = self.model.graph, sorted(Path(self.source.model_dir).glob("test_data_set_*"))
        return [(_stored(folder, "input", graph.input), _stored(folder, "output", graph.output)) for folder in folders]

    @property
    def operators(self) -> list[str]:
        return list(dict.fromkeys(node.op_type for node in self.model.graph.node))


def listed() -> list[str]:
    return LIST.read_text().split()


def left_out() -> dict[str, str]:
    """Patterns of the names of cases that are not listed, and why."""
    return dict(line.split(maxsplit=1) for line in LEFT_OUT.read_text().splitlines())


@cache
def cases() -> dict[str, Case]:
    """Name -> case, in the order of the suite; without those of single operators where onnx keeps them in files."""
    from onnx.backend.test import loader

    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in KINDS:
            for case in loader.load_model_tests(kind="real" if kind == "light" else kind):
                if case.model is not None or case.model_dir is not None or (case.url or "").startswith(LIGHT):
                    name = case.name if kind == "node" else f"{kind}/{case.name}"
                    found[name] = Case(name, case)
    return found


def _array(data: Any) -> Any:
    if isinstance(data, onnx.TensorProto):
        return numpy_helper.to_array(data)
    return [_array(item) for item in data] if isinstance(data, (list, tuple)) else data


def _stored_light(path: Path, graph: onnx.GraphProto) -> DataSet:
    """What onnx's own runner feeds, numbers from 0 to 1 in their order, and the stored output."""
    constants = {tensor.name for tensor in graph.initializer}
    given = []
    for info in graph.input:
        if info.name not in constants:
            shape = [dim.dim_value or 1 for dim in info.type.tensor_type.shape.dim]
            count = int(np.prod(shape))
            given.append((np.arange(count).reshape(shape) / count).astype(np.float32))
    wanted = path.with_name(f"{path.stem}_output_0.pb").read_bytes()
    return given, [numpy_helper.to_array(onnx.TensorProto.FromString(wanted))]


def _stored(folder: Path, side: str, infos: Sequence[onnx.ValueInfoProto]) -> list[Any]:
    found = list[Any]()
    for index in range(len(list(folder.glob(f"{side}_*.pb")))):
        data = (folder / f"{side}_{index}.pb").read_bytes()
        kind = infos[index].type.WhichOneof("value")
        if kind == "sequence_type":
            found.append(numpy_helper.to_list(onnx.SequenceProto.FromString(data)))
        else:
            found.append(numpy_helper.to_array(onnx.TensorProto.FromString(data)))
    return found


def problem_of(case: Case, target: str = "numpy") -> str | None:
    """What is wrong with the results of a session made of the case's file; None where nothing is."""
    constants = {tensor.name for tensor in case.model.graph.initializer} if "light/" in case.name else set[str]()
    infos = [info for info in case.model.graph.input if info.name not in constants]
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            path.write_bytes(case.model.SerializeToString())
            model = mj.convert(path)
        with mj.load(model, target=target, threads=1) as session:
            for given, wanted in case.data_sets:
                # Old models list what is constant among the inputs, too, behind them.
                names = [info.name for info in infos][: len(given)]
                feeds = {
                    name: held(array, session.input_info[name].dtype) for name, array in zip(names, given, strict=True)
                }
                found = session.run({name: feeds[name] for name in session.input_info})
                for (name, got), expected in zip(found.items(), wanted, strict=True):
                    if problem := difference(got, expected, case.source.rtol, case.source.atol):
                        return f"{name} {problem}"
    except Error as error:
        return str(error)
    return None


def held(array: Any, dtype: np.dtype) -> Any:
    """Numbers of a type that NumPy lacks in the wider one that the model holds them in; sequences, absent values and
    text as they are."""
    if array is None or isinstance(array, list) or dtype.hasobject:
        return array
    array = np.asarray(array)
    return array.astype(dtype) if is_narrow(array.dtype) else array


def is_narrow(dtype: np.dtype) -> bool:
    """Whether it is one of ml_dtypes', which the onnx package has for what NumPy lacks."""
    return dtype.type.__module__ != "numpy"


def difference(got: Any, expected: Any, rtol: float, atol: float) -> str | None:
    if expected is None or isinstance(expected, list) or got is None or isinstance(got, list):
        return _different_values(got, expected, rtol, atol)
    if not isinstance(expected, np.ndarray):
        expected = np.asarray(expected)
    if expected.dtype.name == "bfloat16":
        rtol = max(rtol, BFLOAT16_RTOL)
    if is_narrow(expected.dtype):
        got, expected = got.astype(np.float32), expected.astype(np.float32)
    if expected.dtype.kind in "SU":
        expected = expected.astype(object)
    if (got.dtype, got.shape) != (expected.dtype, expected.shape):
        return f"is {got.dtype}{got.shape}, not {expected.dtype}{expected.shape}"
    if expected.dtype.kind in "OSU":
        return None if np.array_equal(_texts(got), _texts(expected)) else "differs"
    if expected.dtype.kind not in "fc":
        return None if np.array_equal(got, expected) else "differs"
    return None if np.allclose(got, expected, rtol=rtol, atol=atol, equal_nan=True) else "differs"


def _different_values(got: Any, expected: Any, rtol: float, atol: float) -> str | None:
    if expected is None or got is None:
        return None if got is expected else "is there, or is not there, where it should"
    if not isinstance(got, list) or not isinstance(expected, list) or len(got) != len(expected):
        return "is no sequence, or not of that length"
    found = [difference(*pair, rtol, atol) for pair in zip(got, expected, strict=True)]
    return next((f"item {place} {problem}" for place, problem in enumerate(found) if problem), None)


def _texts(array: np.ndarray) -> np.ndarray:
    """The elements as str, which the suite has as bytes, too."""
    found = [item.decode() if isinstance(item, bytes) else str(item) for item in array.reshape(-1)]
    return np.array(found, object).reshape(array.shape)


def reason_of(problem: str) -> str:
    """The kind of a problem: without what is of one case alone."""
    lines = [line.strip() for line in problem.splitlines()]
    for line in lines:
        if "must be a constant" in line or "depends on run-time data" in line:
            return "a shape depends on data"
    if len(lines) > 1 and "not supported:" in lines[0]:
        return lines[1][:110]
    return lines[0].split(": ", 1)[-1][:110]


def failures(names: Sequence[str], target: str = "numpy") -> Iterator[tuple[str, str]]:
    """Name and problem of those cases that fail; a case that this version of onnx does not have is left out."""
    known = cases()
    for name in names:
        problem = problem_of(known[name], target) if name in known else None
        if problem is not None:
            yield name, problem


def report(names: Sequence[str], target: str, promote: bool) -> None:
    """Prints the counts; promote: adds what passes to the list, from which nothing is ever taken."""
    problems = dict(failures(names, target))
    by_reason: dict[str, list[str]] = defaultdict(list)
    operators = Counter[str]()
    for name, problem in problems.items():
        by_reason[reason_of(problem)].append(name)
        operators.update(cases()[name].operators[:1] if "/" not in name else ())
    for reason, failing in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        print(f"{len(failing):5} {reason}\n        {', '.join(failing[:4])}")
    print("by operator:", ", ".join(f"{name} {count}" for name, count in operators.most_common()))
    for kind in KINDS:
        group = [name for name in names if (name.split("/")[0] if "/" in name else "node") == kind]
        print(f"{kind}: {sum(name not in problems for name in group)} of {len(group)} pass")
    before = listed()
    lost = sorted(set(problems) & set(before))
    print(f"listed, but failing: {', '.join(lost) or 'none'}")
    if promote:
        passing = {name for name in names if name not in problems and not name.startswith("light/")}
        after = sorted({*before, *passing})
        LIST.write_text("\n".join(after) + "\n")
        print(f"{len(after) - len(before)} cases added to {LIST.name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", nargs="*", help="cases whose names contain one of these (default: all)")
    parser.add_argument("--target", default="numpy", help="as of mj.load; host compiles kernels (default: numpy)")
    parser.add_argument("--promote", action="store_true", help=f"add what passes to {LIST.name}")
    parser.add_argument("--verbose", action="store_true", help="print every problem in full")
    options = parser.parse_args()
    names = [name for name in cases() if not options.text or any(text in name for text in options.text)]
    if options.verbose:
        for name, problem in failures(names, options.target):
            print(f"{name}: {problem}", file=sys.stderr)
        return
    report(names, options.target, options.promote)


if __name__ == "__main__":
    main()
