"""What MLflow's page and clients see of the stages: aliases, tags, and the stages that MLflow had before them."""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

from framework_core.model_registry.chain import TAG_HEAD, History
from framework_core.model_registry.standing import Standing

if TYPE_CHECKING:
    from mlflow import MlflowClient

TAG_STAGE = "framework.stage"
"""The tag of a version: the stage that it stands in."""

LEGACY = {"staging": "Staging", "production": "Production"}
"""What MLflow called a stage of that name; every other version is None there."""


def show(client: MlflowClient, name: str) -> None:
    """Set aliases and tags of a model to what its history says.

    Another process may do the same meanwhile, for a history that is longer: it is looked at until it has not changed.
    """
    history, shown = History(client, name), -1
    while (records := history.records()) and records[-1].number != shown:
        shown = records[-1].number
        _set(client, name, Standing.after(records))
        client.set_registered_model_tag(name, TAG_HEAD, f"{shown} {records[-1].hash}")


def _set(client: MlflowClient, name: str, standing: Standing) -> None:
    from mlflow.exceptions import MlflowException

    aliases = client.get_registered_model(name).aliases
    for stage in standing.known:
        version = standing.in_stage(stage)
        if version is None and stage in aliases:
            client.delete_registered_model_alias(name, stage)
        elif version is not None and str(aliases.get(stage)) != str(version):
            # A version that was deleted stays in the history.
            with suppress(MlflowException):
                client.set_registered_model_alias(name, stage, str(version))
    for version in {*standing.registered, *standing.stages.values(), *_all(standing)}:
        with suppress(MlflowException):
            _set_stage(client, name, version, standing.stage_of(version))


def _all(standing: Standing) -> list[int]:
    return [version for earlier in standing.earlier.values() for version in earlier]


def _set_stage(client: MlflowClient, name: str, version: int, stage: str) -> None:
    found = client.get_model_version(name, str(version))
    if found.tags.get(TAG_STAGE, "") != stage:
        client.set_model_version_tag(name, str(version), TAG_STAGE, stage)
    legacy = LEGACY.get(stage.lower(), "None")
    transition = getattr(client, "transition_model_version_stage", None)
    if transition is not None and found.current_stage != legacy:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecated, and still asked for by programs of others
            transition(name, str(version), legacy)
