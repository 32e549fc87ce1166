"""Taking points back: MLflow has no call for it, its stores' own sessions do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from framework_core.tracking.journal import Point
from framework_core.tracking.store_calls import identity

if TYPE_CHECKING:
    from mlflow import MlflowClient

KEYS_A_QUERY = 100


def remove(client: MlflowClient, run_id: str, points: Sequence[Point]) -> bool:
    """Take points out of a store.

    Returns:
        Whether the store can do that: an SQL store can, and one that offers ``remove_points``; a server cannot.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store: Any = client._tracking_client.store
    if isinstance(store, SqlAlchemyStore):
        _remove_from_sql(store, run_id, points)
        return True
    own: Callable[..., None] | None = getattr(store, "remove_points", None)
    if own is None:
        return False
    own(run_id, [(point.key, point.step, point.timestamp, point.value) for point in points])
    return True


def _remove_from_sql(store: Any, run_id: str, points: Sequence[Point]) -> None:
    from mlflow.store.tracking.dbmodels import models

    metrics: Any = models.SqlMetric
    gone = {identity(point) for point in points}
    keys = sorted({point.key for point in points})
    with _session(store) as session:
        for first in range(0, len(keys), KEYS_A_QUERY):
            some = keys[first : first + KEYS_A_QUERY]
            for row in session.query(metrics).filter(metrics.run_uuid == run_id, metrics.key.in_(some)):
                if (row.key, row.step, row.timestamp, None if row.is_nan else row.value) in gone:
                    session.delete(row)
        session.flush()
        for key in keys:
            _set_latest(session, run_id, key)


def _session(store: Any) -> Any:
    """A session that may write; MLflow before 3.17 knows no others."""
    try:
        return store.ManagedSessionMaker(read_only=False)
    except TypeError:
        return store.ManagedSessionMaker()


def _set_latest(session: Any, run_id: str, key: str) -> None:
    """MLflow keeps the newest point of each curve in a table of its own."""
    from mlflow.store.tracking.dbmodels import models

    metrics: Any = models.SqlMetric
    latest: Any = models.SqlLatestMetric
    session.query(latest).filter_by(run_uuid=run_id, key=key).delete()
    newest = (
        session.query(metrics)
        .filter_by(run_uuid=run_id, key=key)
        .order_by(metrics.step.desc(), metrics.timestamp.desc(), metrics.value.desc())
        .first()
    )
    if newest is not None:
        facts = {name: getattr(newest, name) for name in ("run_uuid", "key", "value", "timestamp", "step", "is_nan")}
        session.add(latest(**facts))
