"""What `mj pair` found, as plain data and as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..report.display import duration, emit, emit_sentence, table
from .samples import Samples

if TYPE_CHECKING:
    from ...device_profiles import Profile
    from .complementarity import Cover
    from .pairs import Found, Member, Point

SHOWN, FRONT = 30, 12
"""Rows of the tables of pairs and of the front, at most; --json has all pairs."""
UNITS = {"energy": "joules", "latency": "seconds", "macs": "multiply-adds"}
COST_COLUMNS = (">multiply-\nadds", ">latency\nmeasured", ">mJ\nmodelled")


def pair_report(
    members: Sequence[Member], found: Found, covers: Sequence[Sequence[Cover]], data: Samples, device: Profile, by: str,
    accuracy: float | None, most: float | None, score: str,
) -> dict[str, Any]:  # fmt: skip
    pairs = []
    for each in found.pairings:
        cover = covers[each.first][each.second]
        pairs.append({
            **_point(each.point, members), "first": members[each.first].name, "second": members[each.second].name,
            "best_accuracy": each.best, "complementarity": cover.complementarity, "exactly_one_right": cover.one_right,
            "oracle": cover.oracle, "on_the_front": each.point in found.front,
        })  # fmt: skip
    return {
        "samples": len(data), "source": data.source, "folders": data.folders, "score": score,
        "goal": _goal(by, accuracy, most),
        "by": by, "profile": device.name,
        "models": [
            {"name": each.name, "accuracy": each.accuracy, "macs": each.macs, "seconds": each.seconds,
             "joules": each.joules, "temperature": each.temperature}
            for each in members
        ],
        "complementarity": [[cover.complementarity for cover in row] for row in covers],
        "exactly_one_right": [[cover.one_right for cover in row] for row in covers],
        "pairs": pairs,
        "front": [_point(point, members) for point in found.front],
        "chosen": pairs[0] if found.pairings[0].point is not None else None,
    }  # fmt: skip


def _goal(by: str, accuracy: float | None, most: float | None) -> str:
    if accuracy is not None:
        return f"accuracy >= {accuracy:g} at the least {by}"
    if most is None:
        return "the best accuracy"
    return f"the best accuracy for at most {most:g} {UNITS[by]}"


def _point(point: Point | None, members: Sequence[Member]) -> dict[str, Any]:
    keys = ("first", "second", "post_check", "threshold", "accuracy", "asked", "macs", "seconds", "joules")
    if point is None:
        return dict.fromkeys(keys)
    a, b = members[point.first], None if point.second is None else members[point.second]
    joules: float | None = a.joules
    if b is not None:
        joules = None if a.joules is None or b.joules is None else a.joules + point.asked * b.joules
    return {
        "first": a.name, "second": None if b is None else b.name, "post_check": point.post_check,
        "threshold": point.threshold, "accuracy": point.accuracy, "asked": point.asked,
        "macs": a.macs + (0 if b is None else point.asked * b.macs),
        "seconds": a.seconds + (0 if b is None else point.asked * b.seconds), "joules": joules,
    }  # fmt: skip


def show(report: Mapping[str, Any]) -> None:
    models = report["models"]
    names = [each["name"] for each in models]
    rows = [
        [each["name"], f"{each['accuracy']:.2%}", *_costs(each), f"{each['temperature']:.4g}"] for each in models
    ]  # fmt: skip
    title = f"{report['samples']} samples of {report['source']}"
    table(title, ["model", ">accuracy", *COST_COLUMNS, ">temperature"], rows)
    title = "Complementarity: twice the smaller of what only one knows / what exactly one knows"
    table(title, ["", *(f">{name}" for name in names)], _matrix_rows(report, names))
    columns = ["first", "second", ">accuracy", ">second\nasked", *COST_COLUMNS, ">threshold", ">oracle", ""]
    pairs, front = report["pairs"], report["front"]
    table(f"Pairs, for {report['goal']}", columns, [_row(pair) for pair in pairs[:SHOWN]])
    if len(pairs) > SHOWN:
        emit(f"{len(pairs) - SHOWN} more pairs with --json\n")
    places = sorted({round(at * (len(front) - 1) / (FRONT - 1)) for at in range(FRONT)})
    title = f"What nothing beats in both accuracy and {report['by']}"
    table(title, columns[:-2], [_row(front[at])[:-2] for at in places])
    if report["folders"]:
        emit_sentence(report["folders"])
    emit_sentence(_verdict(report))
    if report["self_tests_left_out"]:
        listed = " and ".join(report["self_tests_left_out"])
        emit_sentence(
            f"not in it: the self-tests of {listed}, which say nothing of the pair; `mj convert {report['output']} "
            "-o FILE --self-test N` makes one of the whole"
        )
    for name in ("output", "picture"):
        if report.get(name) is not None:
            emit(f"wrote {report[name]}")


def _matrix_rows(report: Mapping[str, Any], names: Sequence[str]) -> list[list[str]]:
    rows = []
    for at, name in enumerate(names):
        both = zip(report["complementarity"][at], report["exactly_one_right"][at], strict=True)
        cells = ["" if at == other else f"{paper:.2%} / {code:.2%}" for other, (paper, code) in enumerate(both)]
        rows.append([name, *cells])
    return rows


def _costs(found: Mapping[str, Any]) -> list[str]:
    joules = found["joules"]
    return [f"{found['macs']:,.0f}", duration(found["seconds"]), "-" if joules is None else f"{joules * 1e3:.3g}"]


def _row(pair: Mapping[str, Any]) -> list[str]:
    if pair["accuracy"] is None:
        reached = f"at most {pair['best_accuracy']:.2%}"
        return [pair["first"], pair["second"], reached, "", "", "", "", "", f"{pair['oracle']:.2%}", ""]
    threshold = "" if pair["threshold"] is None else f"{pair['threshold']:.4f}"
    asked = "" if pair["second"] is None else f"{pair['asked']:.1%}"
    start = [pair["first"], pair["second"] or "alone", f"{pair['accuracy']:.2%}", asked, *_costs(pair), threshold]
    return [*start, f"{pair.get('oracle', 0):.2%}", "on the front" if pair.get("on_the_front") else ""]


def _verdict(report: Mapping[str, Any]) -> str:
    chosen, goal = report["chosen"], report["goal"]
    if chosen is None:
        most = max(pair["best_accuracy"] for pair in report["pairs"])
        return f"{goal}: no pair does; the best accuracy of all is {most:.2%}"
    text = (
        f"{goal}: {chosen['first']}, then {chosen['second']} where that scores less than {chosen['threshold']:.6g}, "
        f"{'the surer answer of both' if chosen['post_check'] else 'whose answer then counts'}: "
        f"accuracy {chosen['accuracy']:.2%}, second asked {chosen['asked']:.1%}"
    )
    key = {"energy": "joules", "latency": "seconds", "macs": "macs"}[report["by"]]
    alone = [each for each in report["models"] if each["accuracy"] >= chosen["accuracy"] and each[key] <= chosen[key]]
    if alone:
        text += f". {alone[0]['name']} alone is as accurate and no dearer"
    return f"{text}. On these samples: on new ones it may be less; `mj tune --guarantee` proves it on others"
