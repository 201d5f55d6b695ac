"""Arrays that leave a command: written to a file, or described in a few numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...runtime.file.atomic import replacing


def write_npz(path: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes a file for numpy.load, whole or not at all; Error where the system refuses.

    numpy.savez itself takes the names as keyword arguments, of which it reserves some, and leaves halves behind.
    """
    import zipfile

    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            # The size of a member is not known before it is written.
            with archive.open(name + ".npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def describe(array: np.ndarray) -> dict[str, Any]:
    """Shape, dtype, and the least, greatest and mean of the finite elements (None where there are none)."""
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
