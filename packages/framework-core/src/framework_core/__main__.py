"""``python -m framework_core`` is the same program as ``fw``."""

from framework_core.cli.program import program

program()
