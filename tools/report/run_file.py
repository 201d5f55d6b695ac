"""The files that measurements leave behind, for `mj report` and for other programs; docs/runs.md goes through them
field by field."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from ...runtime.errors import InputError
from ...runtime.file.atomic import replacing
from .bench_run import BenchRun
from .energy_run import EnergyRun
from .run_parts import VERSION

AnyRun = BenchRun | EnergyRun


class _Head(msgspec.Struct):
    """What is looked at first, as the rest of a later version may be of another form."""

    kind: str
    version: int


def write_run(run: AnyRun, path: str) -> None:
    """Error where the file cannot be written; what was there before stays until the new one is whole."""
    with replacing(path) as file:
        file.write(_on_lines(msgspec.json.format(msgspec.json.encode(run), indent=1)) + b"\n")


def read_run(path: str) -> AnyRun:
    """InputError where the file is no run of `mj bench` or `mj energy`, or of a later version."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    try:
        head = msgspec.json.decode(data, type=_Head)
        if head.version > VERSION:
            raise InputError(f"{path} is a run file of version {head.version}; this millijoule reads {VERSION}")
        return msgspec.json.decode(data, type=AnyRun)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no run file of `mj bench` or `mj energy`: {error}") from None


def _on_lines(text: bytes) -> bytes:
    """Lists of numbers on one line each: there are thousands of them. No string holds a line's end as it is."""
    return re.sub(rb"\[\n\s*((?:[-+.\deE]+|null)(?:,\s*(?:[-+.\deE]+|null))*)\s*\]", _joined, text)


def _joined(found: re.Match[bytes]) -> bytes:
    return b"[" + b", ".join(part.strip() for part in found[1].split(b",")) + b"]"
