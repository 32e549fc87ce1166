"""The part of the library that trains, and what to install where it is missing."""

from __future__ import annotations

from types import ModuleType

from framework_core.errors import MissingPackageError

EXTRA = "framework-core[train]"


def training_library(needed_for: str) -> ModuleType:
    """Import ``framework_core.run``.

    Args:
        needed_for: The command, for the message.

    Raises:
        MissingPackageError: framework-core was installed without what training needs.
    """
    try:
        from framework_core import run
    except ModuleNotFoundError as error:
        missing = (error.name or "torch").partition(".")[0]
        if missing == "framework_core":
            raise
        raise MissingPackageError(missing, needed_for=needed_for, requirement=EXTRA) from error
    return run
