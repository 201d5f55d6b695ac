"""Which exact model an answer belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from ..file import schema
from ..file.encode import encode_model
from ..file.metadata import Metadata
from ..system.hashing import blake2b

if TYPE_CHECKING:
    from ..model import Model

FINGERPRINT_BYTES = 16


def fingerprint(model: Model) -> bytes:
    """BLAKE2b of all that decides what a model answers: its graph with its weights, its preprocessing and its labels.
    The same for a model that was saved and read again."""
    record, tensors = encode_model(model.graph, Metadata())
    found = blake2b(schema.encoder.encode(record), digest_size=FINGERPRINT_BYTES)
    for part in (model, *model.parts):
        found.update(schema.encoder.encode(msgspec.structs.replace(part.metadata, producer="")))
    for key in sorted(tensors):
        data = tensors[key]
        found.update(f"{key} {data.dtype.str} {data.shape}".encode())
        found.update(np.ascontiguousarray(data).reshape(-1).view(np.uint8).data)
    return found.digest()
