"""Registering the model of a run as the next version of a registered model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from framework_core.config.registry_settings import registry_settings
from framework_core.errors import RegistryError, quoted
from framework_core.model_registry import aliases
from framework_core.model_registry.lookup import version_in
from framework_core.model_registry.moves import Moves
from framework_core.model_registry.standing import Standing
from framework_core.model_registry.stored_run import stored_run
from framework_core.model_registry.telling import tell_of_move
from framework_core.model_registry.version import Version, check_name
from framework_core.tracking.lookup import RUNS
from framework_core.tracking.store_calls import global_store

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
    with stored_run(run, tracking_uri, output_dir or RUNS) as (client, uri, found):
        logged = _logged_model(client, found)
        _make_model(client, name)
        # MLflow's SQL store looks the model up in the store that is MLflow's own at the time.
        with global_store(uri):
            made = client.create_model_version(
                name, f"models:/{logged.model_id}", found.info.run_id, description=why or None, model_id=logged.model_id
            )
        moves = Moves(client, name)
        record = moves.register(int(made.version), stage, why=why)
        aliases.show(client, name)
        tell_of_move(name, record)
        return version_in(client, uri, name, int(made.version), Standing.after(moves.records()))


def _logged_model(client: MlflowClient, run: Run) -> LoggedModel:
    found: Sequence[LoggedModel] = client.search_logged_models(
        [run.info.experiment_id], f"source_run_id = '{run.info.run_id}'", order_by=[{"field_name": "creation_time"}]
    )
    ready = [each for each in found if str(each.status) == "READY"]
    if not ready:
        raise RegistryError(
            f"The run {run.info.run_name!r} has no model in the store.",
            possible="A run stores its model at its end, unless mlops.tracking.log_model=false said otherwise.",
            next_step=f"Send it, if the store was away: fw runs sync {quoted(run.info.run_name)}\n"
            "Or train again: fw train --config runs/RUN/config.yaml mlops.tracking.log_model=true",
        )
    return ready[-1]


def _make_model(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
