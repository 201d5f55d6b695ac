"""What a .tflite file says, copied out of the flatbuffer into plain objects that are safe to walk."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ...runtime.errors import ModelError

COMPLEX = "COMPLEX64"

OptionValue = bool | int | float | str | list[int] | list[float]


@dataclass(frozen=True, slots=True)
class TensorRecord:
    """shape: sizes, None where the size is dynamic. dtype: None for types that hold no numbers (strings, resources),
    of which type_name tells more; float32 for complex numbers, which are pairs of these, and int8 for int4. scale,
    zero_point: as stored, None where the tensor is not quantized; axis: the quantized dimension. data: a constant's
    elements, in its shape. sizes: the shape as stored, with a size for every dynamic dimension too. variable: it keeps
    its elements from one run to the next."""

    index: int
    name: str
    shape: tuple[int | None, ...]
    type_name: str
    dtype: np.dtype | None
    scale: np.ndarray | None = None
    zero_point: np.ndarray | None = None
    axis: int = 0
    data: np.ndarray | None = None
    problem: str = ""
    sizes: tuple[int, ...] = ()
    variable: bool = False

    @property
    def complex(self) -> bool:
        return self.type_name == COMPLEX

    @property
    def dynamic(self) -> bool:
        return None in self.shape


@dataclass(frozen=True, slots=True)
class OperatorRecord:
    """kind: the builtin operator's name, or "CUSTOM name". inputs: tensor indices, -1 for an absent optional one.
    options: the fields of the options table by their names in the schema, empty where there is no table."""

    index: int
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, OptionValue] = field(default_factory=dict)
    custom_options: bytes = b""


@dataclass(frozen=True, slots=True)
class Signature:
    """A name for one of the subgraphs, by its number, and for its inputs and outputs, by their tensors."""

    name: str
    subgraph: int
    inputs: dict[str, int]
    outputs: dict[str, int]


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """One subgraph of a model. path: how errors call the file. signatures: of all subgraphs of the file. metadata: the
    packed TFLITE_METADATA flatbuffer, if any. subgraphs: of the main one, all that the file holds, itself the first,
    without what concerns the file as a whole."""

    path: str
    tensors: tuple[TensorRecord, ...]
    operators: tuple[OperatorRecord, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    signatures: tuple[Signature, ...] = ()
    metadata: bytes | None = None
    content: bytes = b""
    subgraphs: tuple[ModelRecord, ...] = ()

    def error(self, problem: str) -> ModelError:
        return ModelError(f"{self.path}: {problem}")
