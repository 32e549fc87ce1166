"""The command ``fw reproduce``."""

from __future__ import annotations

from pathlib import Path

import typer


def reproduce(
    run: str = typer.Argument(..., help="A run: its id, the beginning of it, its name, its folder, or 'last'."),
    uri: str = typer.Option("", "--uri", help="A tracking store (default: the one that has the run)."),
    folder: Path | None = typer.Option(
        None, "--in", help="Make its code and its environment again in this folder, and train there."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print what was found as JSON."),
) -> None:
    """Train a run once more from its record, and compare: code, data, packages, hardware, metrics, weights.

    It is trained in the environment that is here, and nothing is left behind. With --in the commit is checked out
    with what was not committed, the packages are installed as they were, and the folder stays.
    Ends with 1 where something differs.
    """
    from framework_core.cli.screen import print_facts, print_json
    from framework_core.cli.training import training_library

    training_library("fw reproduce")
    from framework_core.verification.reproduction import reproduce, reproduce_in

    found = reproduce_in(folder, run, tracking_uri=uri) if folder else reproduce(run, tracking_uri=uri)
    if as_json:
        print_json(
            {
                "run": found.run,
                "identical": found.identical,
                "same_result": found.same_result,
                "changes": [vars(each) for each in found.changes],
                "metrics": found.metrics,
            }
        )
    else:
        result = "the same, to the last bit" if found.same_result else "another"
        print_facts([("identical", "yes" if found.identical else "no"), ("result", result)])
        print_facts((each.kind, each.what) for each in found.changes)
    raise typer.Exit(0 if found.identical else 1)
