"""Other inference engines that run the same source file, where they are installed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from ...runtime.errors import Error
from ..measure.timing import Contender

Arrays = Mapping[str, np.ndarray]


class Engine(NamedTuple):
    """packages: (module it is imported as, distribution), of which the first one installed is used. adapter: this
    package's module for it. sources: the suffixes of what it reads."""

    packages: tuple[tuple[str, str], ...]
    adapter: str
    sources: tuple[str, ...]


PEERS: Final = {
    "litert": Engine(
        (("ai_edge_litert", "ai-edge-litert"), ("tflite_runtime", "tflite-runtime")),
        "litert_peer",
        (".tflite", ".lite"),
    ),
    "onnxruntime": Engine((("onnxruntime", "onnxruntime"),), "onnxruntime_peer", (".onnx",)),
    "openvino": Engine((("openvino", "openvino"),), "openvino_peer", (".onnx", ".tflite")),
}


class PeerError(Error):
    """A peer cannot run a model that it reads in principle."""


def available(source: str) -> list[str]:
    """The peers that are installed and read this kind of source."""
    suffix = Path(source).suffix.lower()
    return [name for name, engine in PEERS.items() if suffix in engine.sources and installed_package(engine)]


def missing(source: str) -> dict[str, str]:
    """What to install, by the names of the peers that read this kind of source and are not there."""
    suffix = Path(source).suffix.lower()
    return {
        name: f"not installed: pip install {engine.packages[0][1]}"
        for name, engine in PEERS.items()
        if suffix in engine.sources and not installed_package(engine)
    }


def installed_package(engine: Engine) -> tuple[str, str] | None:
    """The module and the distribution that the engine is used from, None where it is not installed."""
    return next((package for package in engine.packages if find_spec(package[0]) is not None), None)


def distribution(name: str) -> str:
    """The distribution that an installed peer comes from."""
    return (installed_package(PEERS[name]) or PEERS[name].packages[0])[1]


def open_peer(name: str, source: str, feeds: Arrays, threads: int) -> Contender:
    """The peer with the source loaded and its inputs of the shapes fed; PeerError where it refuses."""
    adapter = import_module(f".{PEERS[name].adapter}", __package__)
    try:
        contender: Contender = adapter.Peer(source, feeds, threads)
    except Exception as error:  # each engine raises kinds of its own
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise PeerError(f"{name} cannot run {source}: {reason[0]}") from error
    return contender
