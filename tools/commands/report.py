"""`mj report`: run files of `mj bench` and `mj energy` as a page, Markdown or CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from .. import options

if TYPE_CHECKING:
    from ..report.contents import Named

FORMATS = (".html", ".md", ".csv")


@click.command("report", short_help="Show runs of `mj bench` and `mj energy` as a page, Markdown or CSV.")
@click.argument("runs", metavar="RUN.json...", type=options.FILE, nargs=-1, required=True)
@click.option("-o", "--output", metavar="FILE", required=True, type=options.FILE, help="The file to write: .html for a "
              "page, .md for Markdown, .csv for a spreadsheet.")  # fmt: skip
@options.as_json
def command(runs: tuple[str, ...], output: str, as_json: bool) -> None:
    """Show RUN.json..., the files that `mj bench -o` and `mj energy -o` write, in one document.

    The page needs nothing but a browser: no network and no scripts. It has every run's summary, latencies, layers,
    roofline, power, memory and where it comes from; and of several, accuracy against energy.

    \b
    Examples:
      mj report bench.json energy.json -o report.html
      mj report small.json large.json -o report.md
    """
    from pathlib import Path

    from ...runtime.errors import InputError
    from ...runtime.file.atomic import replacing
    from ..report.contents import named
    from ..report.display import counted, emit, emit_json, size
    from ..report.output import check_output
    from ..report.run_file import read_run

    suffix = Path(output).suffix.lower()
    if suffix not in FORMATS:
        raise InputError(f"-o {output}: a name that ends with {', '.join(FORMATS)} is wanted, which says the format")
    check_output(output, runs)
    found = named([(path, read_run(path)) for path in runs])
    data = _writer(suffix)(found).encode()
    with replacing(output) as file:
        file.write(data)
    if as_json:
        emit_json({"output": output, "output_bytes": len(data), "runs": [each.name for each in found]})
    else:
        emit(f"wrote {output}, {size(len(data))}, of {counted(len(found), 'run')}")


def _writer(suffix: str) -> Callable[[Sequence[Named]], str]:
    if suffix == ".html":
        from ..report.page.page import write_page

        return write_page
    if suffix == ".md":
        from ..report.markdown import write_markdown

        return write_markdown
    from ..report.spreadsheet import write_csv

    return write_csv
