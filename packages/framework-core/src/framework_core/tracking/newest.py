"""The newest runs of a store that can tell them without MLflow, whose import alone takes a second.

The entry-point group ``framework.newest_runs`` has, by the scheme of a store's URI, a function that takes the URI and,
by name, ``experiments``, ``without_tag`` and ``most``. It returns a mapping for each run, the newest first: `run_id`,
`name`, `experiment`, MLflow's `status`, `start` and `end` in milliseconds since 1970, the latest `metrics` and their
`steps`, `params` and `tags`. It returns None, and raises nothing, where the store is to be asked through MLflow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Any
from urllib.parse import urlsplit

from framework_core.contracts.config import TrackingConfig
from framework_core.tracking.runs import TAG_REGISTRY, RunRow
from framework_core.tracking.store import tracking_uri

GROUP = "framework.newest_runs"
OF_MLFLOW = ("", "file", "sqlite", "http", "https")

Tells = Callable[..., Sequence[dict[str, Any]] | None]


def newest_runs(uri: str, *, experiments: Sequence[str], most: int) -> list[RunRow] | None:
    """Return the newest runs of a store; None where MLflow has to be asked.

    Args:
        uri: The store; empty takes MLFLOW_TRACKING_URI, and then a SQLite file here.
        experiments: The names of their experiments; empty takes all.
        most: How many at most.
    """
    uri = tracking_uri(TrackingConfig(uri=uri or None))
    scheme = urlsplit(uri).scheme
    if scheme in OF_MLFLOW:
        return None
    for entry in entry_points(group=GROUP, name=scheme):
        tells: Tells = entry.load()
        found = tells(uri, experiments=experiments, without_tag=TAG_REGISTRY, most=most)
        return None if found is None else [RunRow.of(**each) for each in found]
    return None
