"""The command ``fw report``."""

from __future__ import annotations

from pathlib import Path

import typer


def report(
    run: str = typer.Argument(..., help="A run: its id, the beginning of it, its name, its folder, or 'last'."),
    output: Path = typer.Option(Path("report.html"), "--output", "-o", help="The page to write."),
    uri: str = typer.Option("", "--uri", help="A tracking store (default: the one that has the run)."),
) -> None:
    """Write one page about a run: model card, figures, curves, tables, use of the machine, settings.

    The page is one file that loads nothing. Of a run that still goes on it tells what there is.
    """
    from framework_core.cli.compare import check_page
    from framework_core.cli.screen import print_facts

    check_page(output)
    from framework_core.reports.recorded_run import open_run
    from framework_core.reports.run_page import run_page

    with open_run(run, tracking_uri=uri) as (recorded, files):
        output.write_text(run_page(recorded, files), encoding="utf-8")
    print_facts([("written", str(output))])
