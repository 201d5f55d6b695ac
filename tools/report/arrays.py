"""Arrays that leave a command: written to a file, or described in a few numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ...runtime.boxed import TEXT
from ...runtime.file.atomic import replacing

MOST_TEXTS, MOST_SHOWN = 10, 60
"""How many texts are shown, and how many characters of each."""


def write_npz(path: str, arrays: Mapping[str, Any]) -> None:
    """Writes a file for numpy.load, whole or not at all; Error where the system refuses. Text becomes NumPy's arrays of
    characters; the tensors of a sequence are y.0, y.1, ...; what is absent is not there.

    numpy.savez itself takes the names as keyword arguments, of which it reserves some, and leaves halves behind.
    """
    import zipfile

    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in _flat(arrays):
            # The size of a member is not known before it is written.
            with archive.open(name + ".npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def _flat(arrays: Mapping[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    for name, array in arrays.items():
        if isinstance(array, list):
            yield from _flat({f"{name}.{place}": item for place, item in enumerate(array)})
        elif array is not None:
            yield name, array.astype(str) if array.dtype == TEXT else array


def describe(array: Any) -> dict[str, Any]:
    """Shape, dtype, and the least, greatest and mean of the finite elements (None where there are none). Of text the
    first elements, of a sequence what its tensors are; the shape is None where an optional value is absent."""
    nothing: dict[str, Any] = {"min": None, "max": None, "mean": None, "not_finite": 0}
    if array is None:
        return {"shape": None, "dtype": "absent", **nothing}
    if isinstance(array, list):
        return {"shape": [len(array)], "dtype": "sequence", **nothing, "items": [describe(item) for item in array]}
    if array.dtype == TEXT:
        texts = [text[:MOST_SHOWN] for text in array.reshape(-1)[:MOST_TEXTS]]
        return {"shape": list(array.shape), "dtype": "text", **nothing, "texts": texts}
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    some = finite.size > 0 and array.dtype.kind in "fiub"
    return {
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        "min": float(finite.min()) if some else None,
        "max": float(finite.max()) if some else None,
        "mean": float(finite.mean(dtype=np.float64)) if some else None,
        "not_finite": int(array.size - finite.size),
    }
