"""millijoule as a backend of onnx (onnx.backend.base), for tools that run models through that interface.

    from millijoule.converters import onnx_backend

    onnx_backend.prepare(model).run([x])  # a tuple of arrays, in the order of the model's outputs

Keyword arguments go to `mj.load`: target, threads, profile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx.backend.base import Backend, BackendRep, Device, DeviceType, namedtupledict

from ..runtime.boxed import TEXT, is_boxed
from ..runtime.errors import Error, InputError
from ..runtime.model import Model
from ..runtime.session import load
from .convert import convert


class Prepared(BackendRep):
    """A model that is ready to run. `close` gives back its memory, as deleting it does."""

    def __init__(self, proto: onnx.ModelProto, model: Model, **options: Any) -> None:
        self._session = load(model, **options)
        self._labels = model.metadata.labels
        constants = {tensor.name for tensor in proto.graph.initializer}
        self._inputs = [info.name for info in proto.graph.input if info.name not in constants]
        self._outputs = {info.name: info.type.tensor_type.elem_type for info in proto.graph.output}
        self._results = namedtupledict("Outputs", list(self._outputs))

    def run(self, inputs: Any, **kwargs: Any) -> Any:
        """inputs: arrays in the model's order, a dict of them by name, or the only one.

        A named tuple: the outputs by position or name, each of the type that the model declares: lists of arrays for
        sequences, None for what is absent. InputError where an input is missing or not the model's.
        """
        if isinstance(inputs, Mapping):
            feeds = dict(inputs)
        else:
            given = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
            if len(given) > len(self._inputs):
                raise InputError(f"{len(given)} inputs are given, and the model has {len(self._inputs)}")
            feeds = dict(zip(self._inputs, given, strict=False))
        known = self._session.input_info
        feeds = {name: _held(data, known[name].dtype) if name in known else data for name, data in feeds.items()}
        found = self._session.run(feeds)
        return self._results(*(self._declared(found[name], code) for name, code in self._outputs.items()))

    def close(self) -> None:
        self._session.close()

    def _declared(self, array: Any, code: int) -> Any:
        """An output as the type that the model says, which may be one that graphs hold in another."""
        if code == TensorProto.STRING:
            return array if array.dtype == TEXT else np.array(self._labels, object)[array]
        return array if not code else array.astype(helper.tensor_dtype_to_np_dtype(code), copy=False)


def _held(data: Any, dtype: np.dtype) -> Any:
    """Numbers of a type that NumPy lacks in the one that the model holds them in; text, sequences and what is absent as
    they are."""
    if is_boxed(dtype):
        return data
    array = np.asarray(data)
    return array if array.dtype.type.__module__ == "numpy" else array.astype(dtype)


class MillijouleBackend(Backend):
    """What the functions of this module are; see onnx.backend.base.Backend."""

    @classmethod
    def is_compatible(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> bool:
        """Whether the model converts."""
        try:
            convert(model)
        except Error:
            return False
        return cls.supports_device(device)

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> Prepared:
        """ModelError where the model cannot be converted, InputError where the device is none of ours."""
        cls._check(device)
        return Prepared(model, convert(model), **kwargs)

    @classmethod
    def run_model(cls, model: onnx.ModelProto, inputs: Any, device: str = "CPU", **kwargs: Any) -> Any:
        """As `prepare` and `Prepared.run` in one."""
        prepared = cls.prepare(model, device, **kwargs)
        try:
            return prepared.run(inputs)
        finally:
            prepared.close()

    @classmethod
    def run_node(
        cls,
        node: onnx.NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[tuple[np.dtype, tuple[int, ...]]] | None = None,
        **kwargs: Any,
    ) -> Any:
        """One node, of the newest operator set or that of opset_version. inputs: arrays by name, or in the order of the
        node's inputs without absent ones."""
        opset = kwargs.pop("opset_version", onnx.defs.onnx_opset_version())
        names = [name for name in dict.fromkeys(node.input) if name]
        if isinstance(inputs, Mapping):
            feeds = {name: np.asarray(inputs[name]) for name in names}
        else:
            feeds = {name: np.asarray(data) for name, data in zip(filter(None, node.input), inputs, strict=True)}
        given = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(data.dtype), data.shape)
            for name, data in feeds.items()
        ]
        made = [onnx.ValueInfoProto(name=name) for name in node.output if name]
        for info, (dtype, shape) in zip(made, outputs_info or (), strict=False):
            info.CopyFrom(
                helper.make_tensor_value_info(info.name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
            )
        graph = helper.make_graph([node], "node", given, made)
        opsets = [helper.make_opsetid("", opset)]
        if node.domain not in ("", "ai.onnx"):
            opsets.append(helper.make_opsetid(node.domain, 1))
        return cls.run_model(helper.make_model(graph, opset_imports=opsets), feeds, device, **kwargs)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether it is the CPU."""
        return device.split(":")[0] == "CPU" and Device(device).type == DeviceType.CPU

    @classmethod
    def _check(cls, device: str) -> None:
        if not cls.supports_device(device):
            raise InputError(f"device '{device}': millijoule runs on the CPU alone")


is_compatible = MillijouleBackend.is_compatible
prepare = MillijouleBackend.prepare
run_model = MillijouleBackend.run_model
run_node = MillijouleBackend.run_node
supports_device = MillijouleBackend.supports_device
