"""The files of a registered version, from the store: the run's folder need not be on this machine."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from framework_core.cache import cache_folder
from framework_core.errors import RegistryError
from framework_core.model_registry.store import opened
from framework_core.model_registry.version import Version

if TYPE_CHECKING:
    from mlflow import MlflowClient

WEIGHTS = "weights.safetensors"
INSIDE = "data/model"
"""Where MLflow keeps the folder that ``tracking.logged_model`` has written."""

OF_THE_RUN = ("config.yaml", "data.json")


def model_files(version: Version, folder: Path) -> Path:
    """Put the model of a version into a folder: ``weights.safetensors``, ``model.json`` and ``data.json``.

    Args:
        version: Which, from ``find``.
        folder: Where; it is made where it is not there.

    Returns:
        The folder.

    Raises:
        RegistryError: The version holds no model of this framework.
        TrackingError: The store cannot be used.
    """
    with opened(version.tracking_uri) as (client, uri), _beside(folder) as new:
        _model(client, uri, version, new)
        folder.mkdir(parents=True, exist_ok=True)
        for file in new.iterdir():
            file.replace(folder / file.name)
    return folder


def run_files(version: Version) -> Path:
    """The model of a version with the settings of its run, in a folder of the cache that is filled once.

    Raises:
        RegistryError: The version holds no model of this framework, or its run is gone.
        TrackingError: The store cannot be used.
    """
    what = f"{version.tracking_uri} {version} {version.source}"
    folder = cache_folder() / "registered" / hashlib.sha256(what.encode()).hexdigest()[:32]
    if not folder.is_dir():
        with opened(version.tracking_uri) as (client, uri), _beside(folder) as new:
            _model(client, uri, version, new)
            for name in OF_THE_RUN:
                _download(uri, f"runs:/{version.run_id}/{name}", new, version)
            if not folder.is_dir():
                new.rename(folder)
    return folder


def _model(client: MlflowClient, uri: str, version: Version, folder: Path) -> None:
    place = client.get_model_version_download_uri(version.name, str(version.version))
    found = _download(uri, f"{place.rstrip('/')}/{INSIDE}", folder, version)
    for file in found.iterdir():
        file.rename(folder / file.name)
    found.rmdir()
    if not (folder / WEIGHTS).is_file():
        raise _no_model(version)


def _download(uri: str, artifact: str, folder: Path, version: Version) -> Path:
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        return Path(mlflow.artifacts.download_artifacts(artifact, dst_path=str(folder), tracking_uri=uri))
    except (MlflowException, OSError) as error:
        raise _no_model(version) from error


def _no_model(version: Version) -> RegistryError:
    return RegistryError(
        f"{version} holds no model that this framework has trained.",
        possible=f"The store has it from {version.source}.",
        next_step=f"See what is in it: fw artifacts ls {version}",
    )


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A new folder beside another, which is gone afterwards."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        yield new
    finally:
        shutil.rmtree(new, ignore_errors=True)
