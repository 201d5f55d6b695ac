"""Which device this computer is, by what the system says of it."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from .catalogue import every

SYSTEM: Final = Path("/")
PRODUCT: Final = ("product_name", "product_version", "board_name")


def facts(root: Path = SYSTEM) -> list[str]:
    """What a profile's `match` may name: "compatible:..." for each name in a device tree, the most specific first,
    "product:..." for a PC's (DMI), "cpu:..." for the CPU's model. root stands in for this system's, for tests."""
    found = [f"compatible:{name}" for name in _read(root / "proc/device-tree/compatible").split("\0") if name]
    dmi = root / "sys/class/dmi/id"
    found += [f"product:{name}" for name in (_read(dmi / file) for file in PRODUCT) if name]
    for line in _read(root / "proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        if key.strip().lower() in ("model name", "model", "uarch") and not value.strip().isdecimal():
            found.append(f"cpu:{value.strip()}")
    return list(dict.fromkeys(found))


def board(root: Path = SYSTEM) -> str | None:
    """The name of the profile whose `match` has a pattern for what this computer says, or None. Where several do, the
    one with the most specific fact is taken."""
    said = facts(root)
    best, place = None, len(said)
    for name, profile in every().items():
        patterns = profile.match
        at = next((i for i, fact in enumerate(said[:place]) if any(fnmatchcase(fact, p) for p in patterns)), None)
        if at is not None:
            best, place = name, at
    return best


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip().rstrip("\0")
    except OSError:
        return ""
