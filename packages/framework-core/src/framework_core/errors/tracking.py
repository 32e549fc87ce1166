"""Tracking stores, and searches in them."""

from __future__ import annotations

from framework_core.errors.base import RequestError


class TrackingError(RequestError):
    """A tracking store that cannot be used.

    Args:
        uri: Its address, without credentials.
        cause: What is wrong with it.
        possible: What would have been right.
        next_step: What to do about it.

    Example::

        $ fw train --model mine.py:Net --dataset mine.py:Iris mlops.tracking.uri=http://127.0.0.1:9
        error: The tracking store http://127.0.0.1:9 cannot be used: nothing answers there.
          A store is a SQLite file (sqlite:///mlflow.db), an MLflow server (http://SERVER:5000), or what a package adds.
          Use another with mlops.tracking.uri=URI, or send the run there later: mlops.tracking.offline=true
    """

    def __init__(self, uri: str, cause: str, *, possible: str = "", next_step: str = "") -> None:
        self.uri = uri
        self.cause = cause
        stores = "a SQLite file (sqlite:///mlflow.db), an MLflow server (http://SERVER:5000), or what a package adds"
        super().__init__(
            f"The tracking store {uri} cannot be used: {cause}",
            possible=possible or f"A store is {stores}.",
            next_step=next_step
            or "Use another with mlops.tracking.uri=URI, or send the run there later: mlops.tracking.offline=true",
        )


class RunSearchError(RequestError):
    """A filter or an order of runs that MLflow cannot read.

    Args:
        where: The filter as it was typed.
        cause: What MLflow says of it.

    Example::

        $ fw runs list --filter "metric loss < 1"
        error: Runs cannot be searched by 'metric loss < 1': Invalid clause(s) in filter string: 'metric'
          A filter is MLflow's: metrics.`val/accuracy` > 0.9 and params.`model.name` = 'resnet50'
          See what a run has: fw runs list --json --limit 1
    """

    def __init__(self, where: str, cause: str) -> None:
        self.where = where
        self.cause = cause
        super().__init__(
            f"Runs cannot be searched by {where!r}: {cause}",
            possible="A filter is MLflow's: metrics.`val/accuracy` > 0.9 and params.`model.name` = 'resnet50'",
            next_step="See what a run has: fw runs list --json --limit 1",
        )
