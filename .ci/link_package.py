"""Lays the import package out as a folder of links to the checkout, as setup.cfg maps it.

For what cannot use an editable install: an emulated interpreter, and type checkers, which do not follow import hooks.
Usage: link_package.py FOLDER, then put FOLDER on PYTHONPATH or MYPYPATH. Run again at will: it replaces what differs.
"""

from __future__ import annotations

import configparser
import os
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


def mapped_folders(config: configparser.ConfigParser) -> dict[str, str]:
    """Import package -> folder relative to the checkout, read from `package_dir` in setup.cfg."""
    lines = (line for line in config["options"]["package_dir"].splitlines() if line.strip())
    pairs = (line.split("=", 1) for line in lines)
    return {name.strip(): folder.strip() for name, folder in pairs}


def link(target: Path, at: Path) -> None:
    """Make `at` a link to `target`, in one step, so that a process running beside this one never misses it."""
    if at.is_symlink() and os.readlink(at) == str(target):
        return
    spare = Path(tempfile.mkdtemp(dir=at.parent)) / at.name
    spare.symlink_to(target)
    spare.replace(at)
    spare.parent.rmdir()


def write_metadata(site: Path, name: str, version: str) -> None:
    """A dist-info with name and version, from which `importlib.metadata` answers."""
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(exist_ok=True)
    spare = info / f"METADATA.{os.getpid()}"
    spare.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    spare.replace(info / "METADATA")


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    config = configparser.ConfigParser()
    config.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    site = Path(sys.argv[1])
    for package, folder in mapped_folders(config).items():
        at = site.joinpath(*package.split("."))
        if "." in package:
            link(CHECKOUT / folder, at)
            continue
        at.mkdir(parents=True, exist_ok=True)
        for source in (CHECKOUT / folder).iterdir():
            if source.is_file():
                link(source, at / source.name)
    write_metadata(site, config["metadata"]["name"], config["metadata"]["version"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
