"""In which file an operator is, so that only those that a model needs are imported.

An operator is in the file of its name, GatherND in gather_nd.py; or beside others of its kind in one of FAMILIES.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from typing import Final

FAMILIES: Final = (
    *("unary", "arithmetic", "quantize", "softmax", "reduce", "comparison", "logic", "cast", "global_pool"),
    *(
        "depth_to_space",
        "arg_max",
        "scatter",
        "is_nan",
        "bitwise",
        "cum_sum",
        "dft",
        "roi_align",
        "control_flow",
        "non_max_suppression",
        "detection_post_process",
        "svm",
        "sequence",
        "optional",
        "text_numbers",
    ),
)
"""Files of several operators, those that most models have first, as they are searched in this order."""


@cache
def files() -> frozenset[str]:
    """The names of this folder's files, without their ending."""
    found = os.listdir(os.path.dirname(__file__))
    return frozenset(name.removesuffix(".py") for name in found if name.endswith(".py") and name != "__init__.py")


def files_of(name: str) -> Iterator[str]:
    """Files that may hold the operator, one after another. The name may be any text."""
    own = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    if own in files():
        yield own
    yield from FAMILIES
