"""A limit of what a quantized model may take on a device, predicted as `mj estimate` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...converters.quantize.budget import Budget, given, parse
from ...runtime.arguments import path, text, whole
from ...runtime.errors import InputError
from ..models.devices import described
from ..models.sources import concrete_shapes
from .estimate import Estimate, estimate

if TYPE_CHECKING:
    from ...runtime.model import Model


def budget(limit: str, profile: str = "host", threads: int | None = None) -> Budget:
    """What a model may take at most, for `mj.convert(budget=)`.

    limit: as in "size=200KB", "latency=5ms", "energy=2mJ" (of an inference, in all). profile: a device that `mj
    profiles` lists, or a profile's file. threads: the profile's by default.

    InputError where the limit is none, or the profile knows no energy; TargetError where there is no such profile.
    """
    what, most = parse(text("limit", limit))
    path("profile", profile)
    if threads is not None:
        whole("threads", threads, 1)
    if what == "size":
        return given(limit)
    device, _ = described(profile)
    if what == "energy" and device.energy is None:
        raise InputError(f"profile '{profile}' knows no energy; a latency can be limited there")

    def predicted(model: Model) -> Estimate:
        return estimate(model, concrete_shapes(model, {}), device, threads)

    def joules(model: Model) -> float:
        found = predicted(model).joules
        assert found is not None
        return found

    return Budget(what, most, joules if what == "energy" else lambda model: predicted(model).seconds, device.name)
