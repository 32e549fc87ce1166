"""The command ``fw completion``."""

from __future__ import annotations

from enum import Enum

import typer


class Shell(str, Enum):
    """The shells for which there is a script."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"


def completion(shell: Shell = typer.Argument(..., help="bash, zsh or fish.")) -> None:
    """Print the script that lets a shell complete commands, settings and names."""
    from framework_core.cli.shells import SCRIPTS

    print(SCRIPTS[shell.value], end="")
