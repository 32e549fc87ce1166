"""The tracking store: whether it answers, takes what a run writes, and is one that this MLflow can read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from framework_core.contracts.config import TrackingConfig
from framework_core.doctor.child import ask
from framework_core.doctor.database import database
from framework_core.doctor.finding import Finding
from framework_core.doctor.server import server
from framework_core.tracking.store import SQLITE, shown_uri, tracking_uri

LIMIT_SECONDS = 60.0
OTHERWISE = "fw train mlops.tracking.uri=URI ..."


def tracking_store(uri: str) -> Iterator[Finding]:
    """Look at the store; nothing is created there.

    Args:
        uri: Which one; empty takes the one that a run would.
    """
    store = tracking_uri(TrackingConfig(uri=uri or None))
    shown = shown_uri(store)
    if store.startswith(SQLITE):
        yield database(Path(store.removeprefix(SQLITE)), shown)
    elif store.startswith(("http://", "https://")):
        yield server(store, shown)
    elif "://" in store and not store.startswith("file:"):
        yield _asked_by_mlflow(store, shown)
    else:
        yield _folder(Path(store.removeprefix("file://").removeprefix("file:")), shown)


def _asked_by_mlflow(store: str, shown: str) -> Finding:
    answer = ask("framework_core.doctor.asking_store", limit=LIMIT_SECONDS, variables={"MLFLOW_TRACKING_URI": store})
    if not answer.said:
        return Finding("tracking", "problem", f"{shown}: {answer.failure}", OTHERWISE)
    (said,) = answer.said
    if said["wrong"]:
        return Finding("tracking", "problem", said["wrong"].replace(store, shown), OTHERWISE)
    return Finding("tracking", "ok", f"{shown} answers")


def _folder(folder: Path, shown: str) -> Finding:
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK):
        return Finding("tracking", "problem", f"{shown}: {there} cannot be written", OTHERWISE)
    detail = f"{shown} is a folder of files; MLflow keeps runs in databases and servers by now"
    return Finding("tracking", "warning", detail, "unset MLFLOW_TRACKING_URI  # runs go to sqlite:///mlflow.db")
