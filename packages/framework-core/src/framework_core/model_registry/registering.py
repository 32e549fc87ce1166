"""Registering the model of a run as the next version of a registered model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from framework_core.config.registry_settings import registry_settings
from framework_core.errors import RegistryError, RunNotFoundError, quoted
from framework_core.model_registry import aliases
from framework_core.model_registry.lookup import version_in
from framework_core.model_registry.moves import Moves
from framework_core.model_registry.standing import Standing
from framework_core.model_registry.store import opened
from framework_core.model_registry.version import Version, check_name
from framework_core.tracking.journal import FOLDER
from framework_core.tracking.lookup import RUNS, RunRecord, find_run
from framework_core.tracking.progress import Progress
from framework_core.tracking.store_calls import global_store
from framework_core.tracking.sync import store_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Run


def register(run: str, name: str, *, why: str = "", tracking_uri: str = "", output_dir: Path | None = None) -> Version:
    """Register the model of a run; it stands in the first stage then.

    Args:
        run: Its id, the beginning of its id, its name, its folder, or ``last``; in a store also without its folder.
        name: The registered model; it is made where it is not there.
        why: What is to be remembered of it.
        tracking_uri: The store; empty takes the one that has the run.
        output_dir: Where runs are; ``runs`` here.

    Raises:
        RunNotFoundError: There is no such run.
        RegistryError: The store does not have the run, or no model of it, or the name cannot be one.
        TrackingError: The store cannot be used.
    """
    check_name(name)
    stage = registry_settings().stages[0]
    record = _record(run, output_dir or RUNS, anywhere=bool(tracking_uri))
    with opened(tracking_uri or (store_of(record) if record else "")) as (client, uri):
        found = _run(client, run, record)
        logged = _logged_model(client, found)
        _make_model(client, name)
        # MLflow's SQL store looks the model up in the store that is MLflow's own at the time.
        with global_store(uri):
            made = client.create_model_version(
                name, f"models:/{logged.model_id}", found.info.run_id, description=why or None, model_id=logged.model_id
            )
        moves = Moves(client, name)
        moves.register(int(made.version), stage, why=why)
        aliases.show(client, name)
        return version_in(client, uri, name, int(made.version), Standing.after(moves.records()))


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
                possible="A version is registered in the store that has its run.",
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


def _logged_model(client: MlflowClient, run: Run) -> LoggedModel:
    found: Sequence[LoggedModel] = client.search_logged_models(
        [run.info.experiment_id], f"source_run_id = '{run.info.run_id}'", order_by=[{"field_name": "creation_time"}]
    )
    ready = [each for each in found if str(each.status) == "READY"]
    if not ready:
        raise RegistryError(
            f"The run {run.info.run_name!r} has no model in the store.",
            possible="A run stores its model at its end, unless mlops.tracking.log_model=false said otherwise.",
            next_step=f"Train it with its model: fw train --config runs/{quoted(run.info.run_name)}/config.yaml "
            "mlops.tracking.log_model=true",
        )
    return ready[-1]


def _make_model(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
