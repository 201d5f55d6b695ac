"""Builds the wheel from the tracked files and proves that it holds exactly what it should.

Expected: every tracked Python file below the folders that setup.cfg maps, the device profiles, py.typed, and the usual
metadata with the licence; nothing else. The build happens in a copy, so that no stale build folder adds to it.
Usage: check_wheel.py [--keep FOLDER] [--no-build-isolation] [--checkout FOLDER]. Exit status 1 names every difference.
"""

from __future__ import annotations

import argparse
import configparser
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

METADATA = ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "top_level.txt", "licenses/LICENSE")


def tracked(checkout: Path) -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=checkout, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if name and (checkout / name).is_file()]


def read_config(checkout: Path) -> configparser.ConfigParser:
    config = configparser.ConfigParser()
    config.read(checkout / "setup.cfg", encoding="utf-8")
    return config


def pairs(text: str) -> dict[str, str]:
    """The `name = value` lines of one setup.cfg entry."""
    split = (line.split("=", 1) for line in text.splitlines() if line.strip())
    return {name.strip(): value.strip() for name, value in split}


def expected(checkout: Path) -> set[str]:
    """Paths inside the wheel, from what git tracks."""
    config = read_config(checkout)
    home = {PurePosixPath(folder): package for package, folder in pairs(config["options"]["package_dir"]).items()}
    data = config["options.package_data"].items()
    patterns = [f"{package.replace('.', '/')}/{pattern}" for package, text in data for pattern in text.split()]
    result = {f"{config['metadata']['name']}-{config['metadata']['version']}.dist-info/{name}" for name in METADATA}
    for name in map(PurePosixPath, tracked(checkout)):
        top = PurePosixPath(name.parts[0])
        if top not in home or len(name.parts) == 1:
            continue
        inside = PurePosixPath(*home[top].split("."), *name.parts[1:])
        if name.suffix == ".py" or any(inside.match(pattern) for pattern in patterns):
            result.add(str(inside))
    return result


def build(checkout: Path, folder: Path, *, isolated: bool) -> Path:
    """The wheel, built in a copy of the tracked files. RuntimeError with pip's words where that fails."""
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "source"
        for name in tracked(checkout):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(checkout / name, source / name)
        command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(source)]
        if not isolated:
            command.append("--no-build-isolation")
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the wheel does not build:\n{done.stdout}{done.stderr}")
    (wheel,) = folder.glob("*.whl")
    return wheel


def main() -> int:
    parser = argparse.ArgumentParser(description="Builds the wheel and compares its files with what git tracks.")
    parser.add_argument("--checkout", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--keep", type=Path, help="put the wheel into this folder")
    parser.add_argument("--no-build-isolation", action="store_true", help="use the setuptools that is installed")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        try:
            wheel = build(arguments.checkout, Path(scratch), isolated=not arguments.no_build_isolation)
        except RuntimeError as error:
            print(error)
            return 1
        with zipfile.ZipFile(wheel) as archive:
            found = {name for name in archive.namelist() if not name.endswith("/")}
        size = wheel.stat().st_size
        if arguments.keep:
            arguments.keep.mkdir(parents=True, exist_ok=True)
            shutil.copy(wheel, arguments.keep)
    wanted = expected(arguments.checkout)
    for name in sorted(wanted - found):
        print(f"missing from the wheel: {name} (is its package listed under [options] packages in setup.cfg?)")
    for name in sorted(found - wanted):
        print(f"should not be in the wheel: {name}")
    if wanted != found:
        return 1
    print(f"{wheel.name}: {len(found)} files, {size} bytes, exactly what git tracks")
    return 0


if __name__ == "__main__":
    sys.exit(main())
