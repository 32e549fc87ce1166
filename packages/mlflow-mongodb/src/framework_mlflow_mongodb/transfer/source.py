"""The store that is copied: opened without making one where there is none, and read to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlflow.entities import (
    DatasetRecord,
    EvaluationDataset,
    Experiment,
    Issue,
    LoggedModel,
    Run,
    ScorerVersion,
    Trace,
    TraceInfo,
    ViewType,
)
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.entities.webhook import Webhook
from mlflow.exceptions import MlflowException
from mlflow.utils.file_utils import local_file_uri_to_path
from sqlalchemy.exc import SQLAlchemyError

from framework_mlflow_mongodb.errors import invalid
from framework_mlflow_mongodb.uri import SCHEMES

_PAGE = 500


@dataclass(frozen=True)
class Source:
    """The tracking store and the model registry of another MLflow.

    Args:
        name: What it is, without credentials.
        tracking: Its tracking store.
        registry: Its model registry.
    """

    name: str
    tracking: Any
    registry: Any

    def experiments(self) -> Iterator[Experiment]:
        """All experiments, the deleted ones too."""
        yield from _pages(lambda token: self.tracking.search_experiments(ViewType.ALL, _PAGE, page_token=token))

    def runs(self, experiment_id: str) -> Iterator[Run]:
        """All runs of an experiment, the deleted ones too, each with everything."""
        found = _pages(lambda token: self.tracking.search_runs([experiment_id], "", ViewType.ALL, _PAGE, None, token))
        for run in found:
            yield self.tracking.get_run(run.info.run_id)

    def logged_models(self, experiment_id: str) -> Iterator[LoggedModel]:
        """The logged models of an experiment that are not deleted."""
        yield from _pages(
            lambda token: self.tracking.search_logged_models([experiment_id], max_results=_PAGE, page_token=token)
        )

    def deleted_logged_models(self) -> Iterator[LoggedModel]:
        """The logged models that are deleted and not yet removed."""
        find = getattr(self.tracking, "_get_deleted_logged_models", None)
        for model_id in find() if find else []:
            yield self.tracking.get_logged_model(model_id, allow_deleted=True)

    def evaluation_datasets(self) -> Iterator[EvaluationDataset]:
        """All datasets for evaluation."""
        yield from _pages(lambda token: self.tracking.search_datasets(max_results=_PAGE, page_token=token))

    def evaluation_records(self, dataset_id: str) -> Iterator[DatasetRecord]:
        """The records of a dataset for evaluation."""
        yield from _pages(lambda token: self.tracking._load_dataset_records(dataset_id, _PAGE, token))

    def scorers(self, experiment_id: str) -> Iterator[ScorerVersion]:
        """All versions of the scorers of an active experiment."""
        for scorer in self.tracking.list_scorers(experiment_id):
            yield from self.tracking.list_scorer_versions(experiment_id, scorer.scorer_name)

    def issues(self, experiment_id: str) -> Iterator[Issue]:
        """The issues of an active experiment."""
        yield from _pages(lambda token: self.tracking.search_issues(experiment_id, max_results=_PAGE, page_token=token))

    def label_schemas(self, experiment_id: str) -> Iterator[Any]:
        """The label schemas of an active experiment."""
        yield from _pages(lambda token: self.tracking.list_label_schemas(experiment_id, _PAGE, token))

    def webhooks(self) -> Iterator[Webhook]:
        """The webhooks of the registry, with their secrets."""
        yield from _pages(lambda token: self.registry.list_webhooks(_PAGE, token))

    def traces(self, experiment_id: str) -> Iterator[Trace]:
        """The traces of an experiment, with the spans that the store itself holds."""
        for info in _pages(lambda token: self._search_traces(experiment_id, token)):
            yield self.trace(info)

    def _search_traces(self, experiment_id: str, token: str | None) -> tuple[list[TraceInfo], str | None]:
        found: tuple[list[TraceInfo], str | None] = self.tracking.search_traces(
            experiment_ids=[experiment_id], max_results=_PAGE, page_token=token
        )
        return found

    def trace(self, info: TraceInfo) -> Trace:
        """Return a trace; its spans may be kept with the artifacts instead, and stay there."""
        return trace_with_spans(self.tracking, info)

    def registered_models(self) -> Iterator[RegisteredModel]:
        """All registered models, prompts among them."""
        yield from _pages(lambda token: self.registry.search_registered_models(None, _PAGE, None, token))

    def model_versions(self) -> Iterator[ModelVersion]:
        """All versions of all registered models."""
        yield from _pages(lambda token: self.registry.search_model_versions(None, _PAGE, None, token))


def trace_with_spans(store: Any, info: TraceInfo) -> Trace:
    """Return the trace of `info` with the spans that `store` holds."""
    found = store.batch_get_traces([info.trace_id])
    return found[0] if found else Trace(info, _no_spans())


def _no_spans() -> Any:
    from mlflow.entities import TraceData

    return TraceData(spans=[])


def open_source(uri: str) -> Source:
    """Open the store at `uri`: a SQL database or a folder of runs.

    Raises:
        MlflowException: There is none, or it is a kind that cannot be copied.
    """
    scheme = urlsplit(uri).scheme
    if scheme in SCHEMES:
        raise invalid("SOURCE is a MongoDB itself: copy it with mongodump and mongorestore.")
    if scheme in ("", "file"):
        return _open_folder(uri)
    if scheme.split("+")[0] == "sqlite":
        _check_exists(Path(uri.split("://", 1)[1].removeprefix("/")), uri)
    try:
        from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as SqlRegistry
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        return Source(_shown(uri), SqlAlchemyStore(uri, "./mlruns"), SqlRegistry(uri))
    except MlflowException:
        raise
    except (ImportError, SQLAlchemyError) as error:
        raise invalid(f"{_shown(uri)} cannot be opened: {type(error).__name__}") from None


def _open_folder(uri: str) -> Source:
    path = Path(local_file_uri_to_path(uri))
    _check_exists(path / "0", uri, "holds no experiments of MLflow")
    from mlflow.store.model_registry.file_store import FileStore as FileRegistry
    from mlflow.store.tracking.file_store import FileStore

    return Source(str(path.resolve()), FileStore(str(path)), FileRegistry(str(path)))


def _check_exists(path: Path, uri: str, problem: str = "does not exist") -> None:
    if not path.exists():
        raise invalid(f"{uri} {problem}: give sqlite:///FILE, postgresql://USER:PASSWORD@HOST/DATABASE or a folder.")


def _shown(uri: str) -> str:
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _pages(page: Callable[[str | None], Any]) -> Iterator[Any]:
    token = None
    while True:
        found = page(token)
        rows, token = found if isinstance(found, tuple) else (found, found.token)
        yield from rows
        if not token:
            return
