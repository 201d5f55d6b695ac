"""Takes a .mj file apart and puts it together again, sound or not, with a checksum that fits."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from millijoule.runtime.file.container import CHECKSUM_MARK, checksum


@dataclass
class Parts:
    """entries: the header's tensors. record: the graph's JSON, parsed. data: the bytes behind the header."""

    entries: dict[str, Any]
    record: dict[str, Any]
    data: bytes

    @property
    def graph(self) -> dict[str, Any]:
        return self.record["graphs"][0]

    def node(self, op: str) -> dict[str, Any]:
        return next(node for node in self.graph["nodes"] if node["op"] == op)

    def index(self, name: str) -> int:
        """Where the main graph's value of this name stands, by which nodes refer to it."""
        return next(at for at, value in enumerate(self.graph["values"]) if value["name"] == name)

    def value(self, name: str) -> dict[str, Any]:
        return self.graph["values"][self.index(name)]


Attack = Callable[[Parts], None]


def compact(content: Any) -> str:
    return json.dumps(content, separators=(",", ":"), sort_keys=True)


def take_apart(file: bytes) -> Parts:
    length = int.from_bytes(file[:8], "little")
    header = json.loads(file[8 : 8 + length])
    record = json.loads(header.pop("__metadata__")["millijoule"])
    return Parts(header, record, file[8 + length :])


def put_together(parts: Parts) -> bytes:
    header = {"__metadata__": {"millijoule": compact(parts.record)}, **parts.entries}
    return with_header(json.dumps(header, separators=(",", ":")).encode(), parts.data)


def with_header(header: bytes, data: bytes) -> bytes:
    """The file of a header as it stands, padded, its checksum made to fit where it has one."""
    header += b" " * (-len(header) % 8)
    file = len(header).to_bytes(8, "little") + header + data
    at = file.find(CHECKSUM_MARK)
    if at < 0:
        return file
    at += len(CHECKSUM_MARK)
    return file[:at] + checksum(file, at) + file[at + 8 :]
