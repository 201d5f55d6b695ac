"""Prints the first commands of a README as a script, so that what runs is what readers copy.

Usage: readme_commands.py README.md COUNT. COUNT: how many of its ```sh blocks, from the top.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    path, count = Path(sys.argv[1]), int(sys.argv[2])
    blocks = re.findall(r"^```sh\n(.*?)^```$", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    if len(blocks) < count:
        print(f"{path} has {len(blocks)} blocks of shell commands; {count} are wanted", file=sys.stderr)
        return 1
    print("".join(blocks[:count]), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
