"""The files that a store keeps of a run, or of a version of a registered model."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framework_core.errors import FilesInTheWayError, OutputError, RegistryError, near_names, quoted
from framework_core.model_registry.lookup import find
from framework_core.model_registry.store import opened
from framework_core.model_registry.stored_run import stored_run
from framework_core.model_registry.version import read_reference
from framework_core.tracking.lookup import RECORD, RUNS
from framework_core.tracking.store_calls import global_store


@dataclass(frozen=True)
class Artifact:
    """A file or a folder.

    Attributes:
        path: Where it is, from the top.
        size: Its bytes; nothing for a folder.
    """

    path: str
    size: int | None


def artifacts(what: str, path: str = "", *, tracking_uri: str = "", output_dir: Path | None = None) -> list[Artifact]:
    """What a store keeps of a run or a version.

    Args:
        what: A run: its id, the beginning of its id, its name, its folder, or ``last``; or a version: ``NAME@STAGE`` or
            ``NAME/NUMBER``.
        path: A folder in it, or a file.
        tracking_uri: The store; empty takes the one that has the run, MLFLOW_TRACKING_URI, or a SQLite file here.
        output_dir: Where runs are; ``runs`` here.

    Raises:
        RegistryError: There is no such file or folder.
        RunNotFoundError: There is no such run.
        UnknownNameError: There is no such registered model.
    """
    with _kept(what, tracking_uri, output_dir or RUNS) as kept:
        return _listed(kept, what, path)


def fetch(what: str, path: str, folder: Path, *, tracking_uri: str = "", output_dir: Path | None = None) -> list[Path]:
    """Copy what a store keeps of a run or a version into a folder.

    Args:
        what: A run or a version, as for ``artifacts``.
        path: A file or a folder in it; empty takes everything.
        folder: Where; it is made where it is not there.
        tracking_uri: The store, as for ``artifacts``.
        output_dir: Where runs are; ``runs`` here.

    Returns:
        The files that were written.

    Raises:
        RegistryError: There is no such file or folder.
        FilesInTheWayError: One of the files is there already; then none is written.
        OutputError: The folder cannot be written.
    """
    with _kept(what, tracking_uri, output_dir or RUNS) as kept:
        _listed(kept, what, path)
        with _new_folder(folder) as new:
            kept.download_artifacts(path.strip("/"), str(new))
            files = sorted(each.relative_to(new) for each in new.rglob("*") if each.is_file())
            if taken := [folder / each for each in files if (folder / each).exists()]:
                raise FilesInTheWayError(taken)
            for each in files:
                (folder / each).parent.mkdir(parents=True, exist_ok=True)
                (new / each).rename(folder / each)
    return [folder / each for each in files]


@contextmanager
def _kept(what: str, tracking_uri: str, output_dir: Path) -> Iterator[Any]:
    """MLflow's repository of the files."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    if read_reference(what) and not any((each / what / RECORD).is_file() for each in (Path(), output_dir)):
        version = find(what, tracking_uri=tracking_uri)
        with opened(tracking_uri) as (client, uri), global_store(uri):
            yield get_artifact_repository(client.get_model_version_download_uri(version.name, str(version.version)))
        return
    with stored_run(what, tracking_uri, output_dir) as (_, uri, run), global_store(uri):
        yield get_artifact_repository(run.info.artifact_uri)


def _listed(kept: Any, what: str, path: str) -> list[Artifact]:
    asked = path.strip("/")
    found = [
        Artifact(each.path, None if each.is_dir else each.file_size) for each in kept.list_artifacts(asked or None)
    ]
    if found or not asked:
        return found
    # A file has nothing in it, and is in what is above it.
    parent = asked.rpartition("/")[0]
    beside = kept.list_artifacts(parent or None)
    for each in beside:
        if each.path == asked:
            return [] if each.is_dir else [Artifact(each.path, each.file_size)]
    near = near_names(asked, [each.path for each in beside])
    raise RegistryError(
        f"The store has no {path!r} of {what!r}.",
        possible=f"Near it: {', '.join(near)}." if near else "",
        next_step=f"See what there is: fw artifacts ls {quoted(what)}",
    )


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """A folder in another, which is gone afterwards: what is in it can be moved without being copied."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(dir=folder, prefix=".fetching."))
    except OSError as error:
        raise OutputError(folder, f"{error.strerror or error}.", next_step="Choose another: -o FOLDER") from error
    try:
        yield new
    finally:
        shutil.rmtree(new, ignore_errors=True)
