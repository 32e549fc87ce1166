"""The command ``fw drift``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from framework_core.reports.drift import Drift


def drift(
    run: str = typer.Argument(..., help="A run: its id, its beginning, its name, its folder, 'last'; or MODEL@STAGE."),
    place: Path = typer.Argument(..., metavar="LOG|FILES", help="A log of 'fw serve --log', or its folder; or data."),
    limit: float = typer.Option(0.2, "--fail-above", min=0.0, help="The index above which a column has drifted."),
    output: Path | None = typer.Option(None, "--output", "-o", help="Write one page too: drift.html."),
    uri: str = typer.Option("", "--uri", help="A tracking store (default: the one that has the run)."),
    as_json: bool = typer.Option(False, "--json", help="Print as JSON."),
) -> None:
    """Say how far what a model is asked, and what it answers, has moved from its test.

    Ends with 1 where a column has drifted: its population stability index is above the limit and beyond chance.
    """
    from framework_core.cli.compare import check_page
    from framework_core.cli.screen import note, print_json
    from framework_core.reports.drift import drift as look

    if output is not None:
        check_page(output)
    found = look(run, place, limit=limit, tracking_uri=uri)
    if output is not None:
        from framework_core.reports.drift_page import drift_page

        output.write_text(drift_page(found), encoding="utf-8")
        note(f"written  {output}")
    if as_json:
        print_json(_plain(found))
    else:
        _print(found)
    if found.drifted:
        _tell(found)
        raise typer.Exit(1)


def _print(found: Drift) -> None:
    from framework_core.cli.screen import note, print_table
    from framework_core.reports.drift_page import HEAD, row_of, verdict

    if found.shifts:
        print_table([row_of(each, found.limit) for each in found.shifts], HEAD)
    for each in found.not_compared:
        note(f"not compared  {each}")
    if found.left_out:
        note(f"left out      {found.left_out:,} lines of other runs")
    if found.older:
        note(f"left out      {found.older:,} older answers")
    if found.broken:
        note(f"left out      {found.broken:,} lines that are broken")
    print(verdict(found))


def _tell(found: Drift) -> None:
    """Tell the webhook of the project."""
    from framework_core.config.notify_settings import notify_settings
    from framework_core.notify.messages import escaped
    from framework_core.notify.telling import tell
    from framework_core.reports.drift_page import verdict

    tell(notify_settings(), "drift", f"*{escaped(found.run)}*, {escaped(found.place)}\n{escaped(verdict(found))}")


def _plain(found: Drift) -> dict[str, Any]:
    return {
        "run": found.run,
        "place": found.place,
        "samples": {"test": found.samples[0], "now": found.samples[1]},
        "first": found.first,
        "last": found.last,
        "limit": found.limit,
        "verdict": None if found.too_few else bool(found.drifted),
        "columns": [{**vars(each), "drifted": each.exceeds(found.limit)} for each in found.shifts],
        "not_compared": found.not_compared,
        "left_out": found.left_out,
        "broken": found.broken,
        "older": found.older,
    }
