"""Finding a run in a store, whether or not its folder is on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from framework_core.errors import RegistryError, RunNotFoundError, quoted
from framework_core.model_registry.store import opened
from framework_core.tracking.journal import FOLDER
from framework_core.tracking.lookup import RunRecord, find_run
from framework_core.tracking.progress import Progress
from framework_core.tracking.sync import store_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


@contextmanager
def stored_run(run: str, tracking_uri: str, output_dir: Path) -> Iterator[tuple[MlflowClient, str, Run]]:
    """The store that has a run, its address, and the run as the store has it.

    Args:
        run: Its id, the beginning of its id, its name, its folder, or ``last``; in a store that is named also one
            whose folder is not here, by its id or its name.
        tracking_uri: The store; empty takes the one that has the run.
        output_dir: Where runs are.

    Raises:
        RunNotFoundError: There is no such run.
        RegistryError: It is in no store yet.
        TrackingError: The store cannot be used.
    """
    record = _record(run, output_dir, anywhere=bool(tracking_uri))
    with opened(tracking_uri or (store_of(record) if record else "")) as (client, uri):
        yield client, uri, _run(client, run, record)


@dataclass(frozen=True)
class StoredFiles:
    """The files of a run in a store.

    Args:
        client: The store.
        run_id: The run.
        folder: Where they are downloaded to.
    """

    client: MlflowClient
    run_id: str
    folder: Path

    def read(self, path: str, /) -> bytes:
        """A file; nothing in it where the store has none."""
        if path not in self._listed(path.rpartition("/")[0]):
            return b""
        return Path(self.client.download_artifacts(self.run_id, path, str(self.folder))).read_bytes()

    def names(self, folder: str, /) -> list[str]:
        """The files of a folder."""
        return sorted(path.rpartition("/")[2] for path in self._listed(folder))

    def _listed(self, folder: str) -> set[str]:
        return {each.path for each in self.client.list_artifacts(self.run_id, folder or None)}


def _record(run: str, output_dir: Path, *, anywhere: bool) -> RunRecord | None:
    """The run's folder; nothing where it may still be in the store that was named."""
    try:
        return find_run(run, output_dir=output_dir)
    except RunNotFoundError:
        if not anywhere and not _is_id(run):
            raise
        return None


def _is_id(run: str) -> bool:
    return len(run) == 32 and run.isalnum()


def _run(client: MlflowClient, run: str, record: RunRecord | None) -> Run:
    from mlflow.exceptions import MlflowException

    run_id = run
    if record is not None:
        run_id = Progress.read(record.directory / FOLDER).run_id or record.run_id
        if run_id == record.name:
            raise RegistryError(
                f"The run {record.name!r} is in no tracking store yet.",
                possible="What a store has can be used when the run is there.",
                next_step=f"Send it first: fw runs sync {quoted(record.name)}",
            )
    elif not _is_id(run):
        run_id = _id_of_name(client, run)
    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise RunNotFoundError(run, "the store does not have it.") from error


def _id_of_name(client: MlflowClient, name: str) -> str:
    experiments = [each.experiment_id for each in client.search_experiments()]
    quoted_name = name.replace("'", "\\'")
    found = client.search_runs(experiments, f"attributes.run_name = '{quoted_name}'", max_results=2)
    if len(found) != 1:
        cause = "several runs of the store have that name." if found else "the store has none of that name."
        raise RunNotFoundError(name, cause)
    return str(found[0].info.run_id)
