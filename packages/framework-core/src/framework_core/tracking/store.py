"""Which tracking store a run goes to, and whether it can be used."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from framework_core.cache import cache_folder
from framework_core.config.saved import without_credentials
from framework_core.contracts.config import TrackingConfig
from framework_core.errors import OutputError, TrackingError

SQLITE = "sqlite:///"
DEFAULT_URI = f"{SQLITE}mlflow.db"
"""A SQLite file in the working directory: MLflow's own default, so ``mlflow ui`` here shows it too."""

SQLITE_HEADER = b"SQLite format 3\0"
"""What every SQLite file begins with."""

TIMEOUT_SECONDS = 5.0


def tracking_uri(config: TrackingConfig) -> str:
    """The store's URI: from the settings, else from MLFLOW_TRACKING_URI, else a SQLite file here.

    A SQLite file is named by its whole path: MLflow keeps a connection for each URI, wherever the program goes.
    """
    uri = config.uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
    file = uri.removeprefix(SQLITE)
    return f"{SQLITE}{Path(file).resolve()}" if uri.startswith(SQLITE) and file else uri


def shown_uri(uri: str) -> str:
    """The URI for people: no credentials, and a SQLite file here by its name."""
    file = Path(uri.removeprefix(SQLITE))
    if uri.startswith(SQLITE) and file.is_relative_to(Path.cwd()):
        return f"{SQLITE}{file.relative_to(Path.cwd())}"
    return without_credentials(uri)


@contextmanager
def opened_by_one(uri: str) -> Iterator[None]:
    """Let one process at a time open a SQLite file: MLflow makes its tables then, and two that make them both fail."""
    if not uri.startswith(SQLITE):
        yield
        return
    from filelock import FileLock

    name = hashlib.sha256(str(Path(uri.removeprefix(SQLITE)).resolve()).encode()).hexdigest()[:16]
    lock = FileLock(cache_folder() / "stores" / f"{name}.lock")
    with ExitStack() as stack:
        with suppress(OSError):  # a cache that cannot be written: then it has to go without
            Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(lock)
        yield


def check_store(uri: str) -> None:
    """See that the store can be used, without creating anything.

    Raises:
        TrackingError: Nothing answers there, or no installed package knows such a store.
        OutputError: It is a local file that cannot be written.
    """
    scheme = urlsplit(uri).scheme
    if scheme == "sqlite":
        _check_file(Path(uri.removeprefix(SQLITE)))
    elif scheme in ("http", "https"):
        _check_server(uri)
    elif scheme not in ("", "file"):
        _check_by_asking(uri)


def _check_file(path: Path) -> None:
    folder = path.resolve().parent
    if not folder.is_dir():
        raise OutputError(path, f"there is no folder {folder}.", next_step=f"Make it: mkdir -p {folder}")
    target = path if path.exists() else folder
    if not os.access(target, os.W_OK):
        raise OutputError(
            path,
            f"{target} is read-only.",
            next_step="Start it in another folder, or choose a store: mlops.tracking.uri=sqlite:////path/mlflow.db",
        )
    if path.is_file() and path.stat().st_size and not _is_database(path):
        raise TrackingError(shown_uri(f"{SQLITE}{path}"), "the file is no SQLite database.")


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(SQLITE_HEADER)) == SQLITE_HEADER


def _check_server(uri: str) -> None:
    import requests

    shown = without_credentials(uri)
    try:
        requests.get(f"{uri.rstrip('/')}/health", timeout=TIMEOUT_SECONDS)
    except requests.RequestException as error:
        cause = "it did not answer in time" if isinstance(error, requests.Timeout) else "nothing answers there"
        raise TrackingError(shown, f"{cause}.") from error


def _check_by_asking(uri: str) -> None:
    from mlflow import MlflowClient
    from mlflow.tracking.registry import UnsupportedModelRegistryStoreURIException

    shown = without_credentials(uri)
    try:
        MlflowClient(uri).search_experiments(max_results=1)
    except UnsupportedModelRegistryStoreURIException as error:
        scheme = urlsplit(uri).scheme
        cause = f"no installed package offers MLflow a store for {scheme}:// addresses."
        raise TrackingError(shown, cause) from error
    except Exception as error:  # each store's driver has errors of its own
        raise TrackingError(shown, f"{type(error).__name__}: {str(error).splitlines()[0][:200]}") from error
