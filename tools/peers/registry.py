"""Other inference engines that run the same source file, where they are installed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from ...runtime.errors import Error
from ..measure.timing import Contender

Arrays = Mapping[str, np.ndarray]

# name -> (module it is imported as, distribution, this package's adapter, the sources it reads)
PEERS: Final = {
    "litert": ("ai_edge_litert", "ai-edge-litert", "litert_peer", (".tflite", ".lite")),
    "onnxruntime": ("onnxruntime", "onnxruntime", "onnxruntime_peer", (".onnx",)),
    "openvino": ("openvino", "openvino", "openvino_peer", (".onnx", ".tflite")),
}


class PeerError(Error):
    """A peer cannot run a model that it reads in principle."""


def available(source: str) -> list[str]:
    """The peers that are installed and read this kind of source."""
    suffix = Path(source).suffix.lower()
    return [name for name, (module, _, _, kinds) in PEERS.items() if suffix in kinds and find_spec(module) is not None]


def open_peer(name: str, source: str, feeds: Arrays, threads: int) -> Contender:
    """The peer with the source loaded and its inputs of the shapes fed; PeerError where it refuses."""
    adapter = import_module(f".{PEERS[name][2]}", __package__)
    try:
        contender: Contender = adapter.Peer(source, feeds, threads)
    except Exception as error:  # each engine raises kinds of its own
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise PeerError(f"{name} cannot run {source}: {reason[0]}") from error
    return contender
