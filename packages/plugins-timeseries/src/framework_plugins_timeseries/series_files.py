"""Files of series on the disk."""

from __future__ import annotations

from pathlib import Path

from framework_core.errors import DataError, near_names, quoted


def content_of(path: Path) -> bytes:
    """What stands in a file.

    Raises:
        DataError: There is none.
    """
    if path.is_file():
        return path.read_bytes()
    beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    near = near_names(path.name, beside)
    raise DataError(
        f"There is no file {path}.",
        paths=[path],
        possible=f"Near it: {', '.join(str(path.parent / name) for name in near)}." if near else "",
        next_step=f"See what is here: ls {quoted(str(path.parent))}",
    )
