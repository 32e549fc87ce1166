"""Finding registered models and their versions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from framework_core.config.registry_settings import registry_settings
from framework_core.errors import UnknownNameError, VersionNotFoundError
from framework_core.model_registry.chain import History
from framework_core.model_registry.standing import Standing
from framework_core.model_registry.store import opened
from framework_core.model_registry.version import Version, read_reference

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

PAGE = 100


@dataclass(frozen=True)
class RegisteredModel:
    """A registered model.

    Attributes:
        name: Its name.
        description: What it is said to be.
        stages: The version in each stage.
        versions: All of them, the newest first.
    """

    name: str
    description: str
    stages: dict[str, int]
    versions: tuple[Version, ...]


def find(reference: str, *, tracking_uri: str = "") -> Version:
    """Find a version.

    Args:
        reference: ``NAME@production``, ``NAME@3`` or ``NAME/3``; any alias of MLflow's will do for the stage.
        tracking_uri: The store; empty takes MLFLOW_TRACKING_URI, and then a SQLite file here.

    Raises:
        UnknownNameError: There is no such model, or no such stage.
        VersionNotFoundError: It has no such version, or none stands in that stage.
        TrackingError: The store cannot be used.
    """
    read = read_reference(reference)
    if read is None:
        raise VersionNotFoundError(reference)
    name, which = read
    with opened(tracking_uri) as (client, uri):
        aliases = model_in(client, name).aliases
        standing = Standing.after(History(client, name).records())
        if which.isdecimal():
            return version_in(client, uri, name, int(which), standing)
        number = standing.in_stage(which) or aliases.get(which)
        if number is None:
            check_stage(which, [*registry_settings().stages, *standing.known, *aliases])
            raise VersionNotFoundError(name, stage=which, stages={**aliases, **standing.now})
        return version_in(client, uri, name, int(number), standing)


def models(*, tracking_uri: str = "") -> list[RegisteredModel]:
    """Every registered model of a store, by name."""
    with opened(tracking_uri) as (client, uri):
        return [_model(client, uri, each) for each in sorted(all_models(client), key=lambda each: each.name)]


def model(name: str, *, tracking_uri: str = "") -> RegisteredModel:
    """A registered model with its versions.

    Raises:
        UnknownNameError: There is no such model.
    """
    with opened(tracking_uri) as (client, uri):
        return _model(client, uri, model_in(client, name))


def model_in(client: MlflowClient, name: str) -> Any:
    """A registered model as MLflow has it.

    Raises:
        UnknownNameError: There is no such model.
    """
    from mlflow.exceptions import MlflowException

    try:
        return client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        known = [each.name for each in all_models(client)]
        hint = "" if known else "Register one: fw registry register RUN NAME"
        raise UnknownNameError("registered model", name, known, listing="fw registry list", hint=hint) from error


def version_in(client: MlflowClient, uri: str, name: str, number: int, standing: Standing) -> Version:
    """A version by its number.

    Raises:
        VersionNotFoundError: There is no such version.
    """
    from mlflow.exceptions import MlflowException

    try:
        return _version(client.get_model_version(name, str(number)), uri, standing)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise VersionNotFoundError(name, number, versions=numbers_of(client, name)) from error


def check_stage(stage: str, stages: Iterable[str]) -> None:
    """See that there is a stage of that name.

    Raises:
        UnknownNameError: There is none.
    """
    known = list(dict.fromkeys(stages))
    if stage not in known:
        raise UnknownNameError("stage", stage, known, hint="Stages are set by mlops.registry.stages in config.yaml")


def numbers_of(client: MlflowClient, name: str) -> list[int]:
    """The numbers of a model's versions."""
    return sorted(int(each.version) for each in all_versions(client, name))


def _model(client: MlflowClient, uri: str, found: Any) -> RegisteredModel:
    standing = Standing.after(History(client, found.name).records())
    versions = [_version(each, uri, standing) for each in all_versions(client, found.name)]
    newest_first = tuple(sorted(versions, key=lambda each: each.version, reverse=True))
    return RegisteredModel(found.name, found.description or "", standing.now, newest_first)


def _version(found: ModelVersion, uri: str, standing: Standing) -> Version:
    number = int(found.version)
    stage = standing.stage_of(number)
    return Version(
        name=found.name,
        version=number,
        stages=(stage,) if stage else (),
        run_id=found.run_id or "",
        source=found.source or "",
        registered=found.creation_timestamp / 1000,
        tracking_uri=uri,
    )


def all_models(client: MlflowClient) -> Iterator[Any]:
    """Every registered model as MLflow has it."""
    return _pages(lambda token: client.search_registered_models(max_results=PAGE, page_token=token))


def all_versions(client: MlflowClient, name: str) -> Iterator[Any]:
    """Every version of a registered model as MLflow has it."""
    quoted = name.replace("'", "\\'")
    return _pages(lambda token: client.search_model_versions(f"name='{quoted}'", max_results=PAGE, page_token=token))


def _pages(ask: Any) -> Iterator[Any]:
    token = None
    while True:
        page = ask(token)
        yield from page
        token = page.token
        if not token:
            return
