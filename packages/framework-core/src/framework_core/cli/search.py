"""The command ``fw search``."""

from __future__ import annotations

import typer


def search(
    words: list[str] = typer.Argument(..., help="Words to look for in names, summaries, tags and papers."),
    as_json: bool = typer.Option(False, "--json", help="Print as JSON."),
) -> None:
    """Find models and datasets by words."""
    from framework_core.cli.screen import note, print_json, print_table
    from framework_core.plugins.search import find

    found = find(words)
    if as_json:
        print_json(found)
        return
    if not found:
        note(f"Nothing is called or described by {' '.join(words)!r}. See everything: fw list models")
        return
    rows = [[row["kind"], row["name"], row["distribution"], row.get("summary", "")] for row in found]
    print_table(rows, ["kind", "name", "from", "what"])
