"""Prints, as a table for the documentation, how far each model of the zoo is from its oracle.

python tests/zoo_report.py [NAME]... [--target NAME]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from zoo_models import BY_NAME, MODELS, judge, missing


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="models, without suffix; all by default")
    parser.add_argument("--target", help="what to compile for")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in BY_NAME]
    if unknown:
        parser.error(f"no model {unknown[0]}; there are {', '.join(BY_NAME)}")
    failed = False
    print("| model | measure | ours | limit | |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for model in [BY_NAME[name] for name in arguments.names] or MODELS:
            if reason := missing(model):
                print(f"| {model.file} | {reason} | | | |")
                continue
            verdict = judge(model, Path(folder), target=arguments.target)
            failed |= bool(verdict.problems())
            for what, ours, limit in verdict.measures():
                mark = "" if ours <= limit else "**too far**"
                print(f"| {model.file} | {what} | {ours:.2g} | {limit:.2g} | {mark} |", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
