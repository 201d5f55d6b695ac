"""Prints commands of a README as a script, so that what runs is what readers copy.

Usage: readme_commands.py README.md NUMBER... NUMBER: one of its ```sh blocks, 1 for the first.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path


def main() -> int:
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    path, numbers = Path(sys.argv[1]), [int(number) for number in sys.argv[2:]]
    blocks = re.findall(r"^```sh\n(.*?)^```$", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    if not 1 <= min(numbers) <= max(numbers) <= len(blocks):
        print(f"{path} has {len(blocks)} blocks of shell commands; wanted are {numbers}", file=sys.stderr)
        return 1
    print("".join(blocks[number - 1] for number in numbers), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
