"""What plugins promise, as checks: suites for an author's own tests, and what ``fw plugin check`` makes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framework_core.testing.examination import Outcome as Outcome
    from framework_core.testing.examination import examine as examine
    from framework_core.testing.suites import DatasetSuite as DatasetSuite
    from framework_core.testing.suites import ModelSuite as ModelSuite
    from framework_core.testing.suites import PackageSuite as PackageSuite

_HOMES = {
    "DatasetSuite": "suites",
    "ModelSuite": "suites",
    "PackageSuite": "suites",
    "Outcome": "examination",
    "examine": "examination",
}
__all__ = sorted(_HOMES)  # the lazy names of PEP 562: pytest is needed for the suites alone


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
