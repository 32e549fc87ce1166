"""The store that holds registered models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from framework_core.errors import FrameworkError, TrackingError
from framework_core.tracking.runs import Runs
from framework_core.tracking.sender import first_line
from framework_core.tracking.store import shown_uri
from framework_core.tracking.store_calls import silent_mlflow

if TYPE_CHECKING:
    from mlflow import MlflowClient

REFUSED = ("PERMISSION_DENIED", "UNAUTHENTICATED")


@contextmanager
def opened(uri: str) -> Iterator[tuple[MlflowClient, str]]:
    """A client of a store, and the store's address.

    Args:
        uri: The store; empty takes MLFLOW_TRACKING_URI, and then a SQLite file here.

    Raises:
        TrackingError: It cannot be used, or does not let registered models be read or changed.
    """
    from mlflow.exceptions import MlflowException

    runs = Runs(uri)
    try:
        with silent_mlflow():
            yield runs.client, runs.uri
    except FrameworkError:
        raise
    except MlflowException as error:
        shown = shown_uri(runs.uri)
        if error.error_code in REFUSED:
            cause = f"it does not let you do that: {first_line(error)}"
            raise TrackingError(shown, cause, possible="Whoever keeps it gives that right.") from error
        raise TrackingError(shown, f"{first_line(error)}") from error
