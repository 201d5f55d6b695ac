"""The paper's experiment: one large network, two small ones with a gate, and those with a memory.

    python examples/dual_cnn/experiment.py                       # all of it, for both data sets
    python examples/dual_cnn/experiment.py cifar10 --only latency --count 1000   # times alone, on a quiet machine

Needs millijoule with onnx and pillow, matplotlib for the picture, and the data sets, but not torch. Steps: "models"
makes the int8 models; "pairs" chooses a pair for each goal with `mj pair` on a half of the tune split, and its
thresholds with `mj tune` on the other; "workloads" asks every test image once and twice; "latency" times --count test
images, one thread; "report" puts all together: results.json, the table in docs/cascade.md, the picture beside it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from costs import DEVICES, model_cost
from data import SOURCES, Images, Labels
from measured import UNEQUAL, ask_workloads, read_answers, read_times, save_logits, time_workloads
from pairs import choose_pairs
from picture import draw
from places import LARGE, MODELS, SMALL
from pool import int8_models, labelled
from recipes import state_folder
from results import RESULTS, put_together
from table import replace_between, section
from workloads import ask

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
STEPS = ("models", "pairs", "workloads", "latency", "report")


def take(dataset: str, steps: tuple[str, ...], models: Path, work: Path, count: int, limit: int | None) -> Any:
    """The results, where they are asked for. limit: of images of each part."""
    work.mkdir(parents=True, exist_ok=True)
    built = int8_models(dataset, (LARGE, *SMALL), models, work / "int8")
    parts = {part: (images[:limit], labels[:limit]) for part, (images, labels) in labelled(dataset).items()}
    if "pairs" in steps:
        joules = model_cost(dataset, built[LARGE]).joules[DEVICES[0]]
        choose_pairs(built, _accuracies(built[LARGE], parts), joules, parts, work)
    if "workloads" in steps:
        ask_workloads(built, work, parts["test"][0])
        if built.keys() >= set(UNEQUAL):
            first, second = (built[name] for name in UNEQUAL)
            save_logits(first, second, *parts["test"], work / "logits.npz")
    if "latency" in steps:
        time_workloads(built, work, parts["test"][0][:count])
    if "report" not in steps:
        return None
    return put_together(dataset, built, work, read_answers(work), parts["test"][1], read_times(work))


def _accuracies(large: Path, parts: Mapping[str, tuple[Images, Labels]]) -> dict[str, float]:
    """The large network's on what chooses the pair and on what chooses its thresholds."""
    return {part: float((ask(large, parts[part][0]).label == parts[part][1]).mean()) for part in ("choose", "tune")}


def publish(found: Mapping[str, Any], results: Path, docs: Path) -> None:
    """Results, table and picture, of the data sets that were not run as they were."""
    known = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
    whole = {name: {**known, **found}[name] for name in SOURCES if name in {**known, **found}}
    results.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    replace_between(docs / "cascade.md", section(whole))
    draw(whole, docs / "dual_cnn.svg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("dataset", nargs="?", choices=list(SOURCES), help="default: both")
    parser.add_argument("--only", choices=STEPS, action="append", help="such a step; default: all of them")
    parser.add_argument("--models", type=Path, default=MODELS, help="folder of the exported networks")
    parser.add_argument(
        "--work", type=Path, help="folder for what steps leave to the next (default: by the checkpoints)"
    )
    parser.add_argument("--count", type=int, default=1000, help="test images that are timed")
    parser.add_argument("--limit", type=int, help="take so many images of each part only, to try the script")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file of all figures")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of cascade.md and its picture")
    parser.add_argument("--json", action="store_true", help="print the results instead of the tables")
    arguments = parser.parse_args()
    steps = tuple(arguments.only or STEPS)
    found = {}
    for dataset in [arguments.dataset] if arguments.dataset else SOURCES:
        work = (arguments.work or state_folder()) / dataset / "experiment"
        taken = take(dataset, steps, arguments.models, work, arguments.count, arguments.limit)
        if taken is not None:
            found[dataset] = taken
    if found:
        publish(found, arguments.results, arguments.docs)
        print(json.dumps(found, indent=1) if arguments.json else section(found))


if __name__ == "__main__":
    main()
