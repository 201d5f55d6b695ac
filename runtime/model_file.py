"""A .mj file that was opened, and is not read further than somebody asks."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from .arguments import check_path, flag
from .errors import ModelError
from .file.mapping import map_file, release_pages
from .system.hashing import blake2b

if TYPE_CHECKING:
    from .model import Model

PACE = 1 << 20
"""Bytes that are digested before their pages are given back."""


class ModelFile:
    """path: of the file, which is mapped; what replaces it there is not seen. verify: whether `decode` checks its
    checksum. ModelError, naming the file, where it cannot be read."""

    def __init__(self, path: str | os.PathLike[str], verify: bool = True) -> None:
        check_path(path, "a model is the path of a .mj file")
        self.name = os.fspath(path)
        self.verify = flag("verify", verify)
        try:
            self.mapping = map_file(path)
        except ModelError as error:
            raise ModelError(f"{self.name}: {error}") from None

    @cached_property
    def digest(self) -> str:
        """Of all its bytes, as they are when it is first asked for."""
        return self.digest_now()

    def digest_now(self) -> str:
        """Of what its bytes are now."""
        found = blake2b(digest_size=32)
        with memoryview(self.mapping) as view:
            for at in range(0, len(view), PACE):
                found.update(view[at : at + PACE])
                self.release_pages()
        return found.hexdigest()

    def decode(self) -> Model:
        """The model; ModelError, naming the file, where it is damaged, unsafe or of a newer version."""
        from .model import decode

        try:
            model = decode(self)
        except ModelError as error:
            other = "" if self.name.endswith(".mj") else "; what is converted is named .onnx, .tflite or .lite"
            raise ModelError(f"{self.name}: {error}{other}") from None
        self.release_pages()
        return model

    def release_pages(self) -> None:
        """See mapping.release_pages."""
        release_pages(self.mapping)
