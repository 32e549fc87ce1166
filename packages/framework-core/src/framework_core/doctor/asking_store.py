"""What is run in a process of its own: asking a store through MLflow, whose drivers may hang."""

from __future__ import annotations

from framework_core.contracts.config import TrackingConfig
from framework_core.doctor.child import tell
from framework_core.errors import FrameworkError
from framework_core.tracking.store import check_store, tracking_uri


def main() -> None:
    """Tell what is wrong with the store of the environment."""
    try:
        check_store(tracking_uri(TrackingConfig()))
    except FrameworkError as error:
        tell({"wrong": error.what})
    except ModuleNotFoundError as error:
        tell({"wrong": f"{error.name} is not installed"})
    else:
        tell({"wrong": ""})
