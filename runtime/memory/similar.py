"""Similar: when images are so alike that a memory gives one the answer to the other."""

from __future__ import annotations

import math
from dataclasses import dataclass

DHASH, MOMENTS = "dhash", "moments"
RADII = {DHASH: 4.0, MOMENTS: 0.02}
LARGEST = {DHASH: 16.0, MOMENTS: 0.5}
SURE = 0.9
"""The least probability of a classifier's answer that is given to similar inputs, where the memory says no other."""


@dataclass(frozen=True, slots=True)
class Similar:
    """Images that look alike get one answer: mj.Memory(similar=mj.Similar()). That is a guess, and may be wrong.

    fingerprint: by what like images are found: "dhash", whether the image gets lighter or darker from left to right at
    64 places; "moments", six moment invariants of its brightness, which turning it does not change. radius: how far two
    fingerprints may be apart: bits for dhash (0..16, None: 4), the largest difference for moments (0..0.5, None: 0.02).
    tolerance: what is found is compared with the image that was answered, pixel by pixel: in no block of an 8 x 8 grid
    may they differ by more than this, in standard deviations of that image, in the mean over the block; with moments
    after turning it by any multiple of 90 degrees. audit: the share, 0..1, of what would be answered so that is
    computed all the same, see Memory.false_hits.
    InputError where a number is none that these can be.
    """

    fingerprint: str = DHASH
    radius: float | None = None
    tolerance: float = 0.15
    audit: float = 0.05

    def __post_init__(self) -> None:
        from ..arguments import one_of, real
        from ..errors import InputError

        one_of("fingerprint", self.fingerprint, RADII)
        radius = RADII[self.fingerprint] if self.radius is None else real("radius", self.radius)
        if not 0 <= radius <= LARGEST[self.fingerprint]:
            raise InputError(f"radius {radius:g}: 0 to {LARGEST[self.fingerprint]:g} is wanted")
        if not 0 <= real("tolerance", self.tolerance) < math.inf:
            raise InputError(f"tolerance {self.tolerance}: some standard deviations of an image are wanted")
        if not 0 <= real("audit", self.audit) <= 1:
            raise InputError(f"audit {self.audit}: a share of 0 to 1 is wanted")
        for name, number in (("radius", radius), ("tolerance", self.tolerance), ("audit", self.audit)):
            object.__setattr__(self, name, float(number))
