"""The command ``fw doctor``."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from framework_core.doctor.finding import Finding

COLOURS = {"problem": "red", "warning": "yellow", "ok": "green"}


def doctor(
    checks: list[str] = typer.Argument(
        None, metavar="[CHECK]...", help="Only packages, torch, plugins, machine, tracking, folders or environment."
    ),
    uri: str = typer.Option("", "--uri", help="A tracking store (default: MLFLOW_TRACKING_URI, else mlflow.db here)."),
    output_dir: Path = typer.Option(Path("runs"), "--output-dir", help="The folder of runs."),
    as_json: bool = typer.Option(False, "--json", help="Print as JSON."),
) -> None:
    """Look at everything that makes a run fail later, and say how to mend it.

    Exit code 1 where something is broken; a warning alone is none.
    """
    from framework_core.cli.screen import print_json
    from framework_core.doctor.examination import examine

    if sys.stderr.isatty():
        print("Looking; this takes some seconds ...", end="", file=sys.stderr, flush=True)
    findings = examine(checks or [], uri=uri, output_dir=output_dir)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    if as_json:
        print_json([vars(finding) for finding in findings])
    else:
        _print_findings(findings)
    if any(finding.state == "problem" for finding in findings):
        raise typer.Exit(1)


def _print_findings(findings: Sequence[Finding]) -> None:
    """One line each, cut into lines where a terminal ends; below what is wrong, how to mend it."""
    from framework_core.cli.screen import note

    width = max(len(finding.check) for finding in findings)
    indent = " " * (len("problem") + width + 4)
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
    for finding in findings:
        text = f"{finding.state:7}  {finding.check.ljust(width)}  {finding.detail}"
        lines = textwrap.wrap(text, columns, subsequent_indent=indent, break_on_hyphens=False)
        coloured = typer.style(finding.state, fg=COLOURS[finding.state], bold=finding.state != "ok")
        print((coloured if sys.stdout.isatty() else finding.state) + lines[0][len(finding.state) :])
        for line in lines[1:]:
            print(line)
        if finding.mend:
            # Not cut: a command is copied whole.
            print(f"{indent}mend: {finding.mend}")
    counts = {state: sum(finding.state == state for finding in findings) for state in COLOURS}
    note(f"\n{_counted(counts['problem'], 'problem')}, {_counted(counts['warning'], 'warning')}, {counts['ok']} fine")


def _counted(count: int, word: str) -> str:
    return f"{count or 'no'} {word}{'' if count == 1 else 's'}"
