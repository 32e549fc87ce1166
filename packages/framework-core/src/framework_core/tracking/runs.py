"""The runs of a tracking store: found by MLflow's filters, in an order, each as a row."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework_core.contracts.config import TrackingConfig
from framework_core.errors import RunSearchError, TrackingError, UnknownNameError
from framework_core.tracking.store import SQLITE, check_store, opened_by_one, shown_uri, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PAGE = 1000
STARTED = "started"
TAG_REGISTRY = "framework.registry"
"""The tag of an experiment that holds the history of a registered model: the run with its records."""

TAG_STATUS = "framework.status"
"""The tag with the framework's own word for how a run stands."""


@dataclass(frozen=True)
class RunRow:
    """A run as the store knows it.

    Attributes:
        run_id: Its id.
        name: Its name.
        experiment: The name of its experiment.
        status: ``running``, ``finished``, ``failed``, ``interrupted``, or MLflow's word for a run of something else.
        started: Seconds since 1970; nothing where the store does not say.
        seconds: How long it took, or has been running.
        metrics: The last value of each.
        steps: The step of that value.
        params: Every parameter.
        tags: Every tag.
    """

    run_id: str
    name: str
    experiment: str
    status: str
    started: float | None
    seconds: float | None
    metrics: Mapping[str, float]
    steps: Mapping[str, int]
    params: Mapping[str, str]
    tags: Mapping[str, str]

    @classmethod
    def of(cls, *, name: str | None, status: str, start: int | None, end: int | None, **known: Any) -> RunRow:
        """A run from what MLflow keeps of it: its word for the status, and milliseconds since 1970."""
        started = start / 1000 if start else None
        ended = end / 1000 if end else time.time()
        ours = known["tags"].get(TAG_STATUS, "")
        return cls(
            name=name or known["run_id"],
            status=ours if ours and status != "RUNNING" else status.lower(),
            started=started,
            seconds=None if started is None else ended - started,
            **known,
        )

    @property
    def is_running(self) -> bool:
        """Whether more is to come."""
        return self.status == "running"

    def value(self, column: str) -> Any:
        """What a column says: a metric, a parameter, a tag, or a fact of the run itself."""
        for values in (self.metrics, self.params, self.tags):
            if column in values:
                return values[column]
        own = {"id": self.run_id, "name": self.name, "experiment": self.experiment, "status": self.status}
        return own.get(column, "")


class Runs:
    """The runs of a store.

    Args:
        uri: The store; empty takes MLFLOW_TRACKING_URI, and then a SQLite file here.

    Raises:
        TrackingError: It cannot be used, or there is no such file.
    """

    def __init__(self, uri: str = "") -> None:
        from mlflow import MlflowClient

        self.uri = tracking_uri(TrackingConfig(uri=uri or None))
        file = self.uri.removeprefix(SQLITE)
        if self.uri.startswith(SQLITE) and file and not Path(file).is_file():
            raise TrackingError(shown_uri(self.uri), "there is no such file, so no run was recorded there.")
        check_store(self.uri)
        with opened_by_one(self.uri):
            self.client: MlflowClient = MlflowClient(self.uri)
        self._names: dict[str, str] = {}

    def search(
        self,
        *,
        experiments: Sequence[str] = (),
        elsewhere: Collection[str] = (),
        where: str = "",
        order_by: Sequence[str] = (),
        most: int = 20,
    ) -> list[RunRow]:
        """Find runs.

        Args:
            experiments: Their names; empty takes all.
            elsewhere: Names that need not be in the store.
            where: A filter in MLflow's grammar.
            order_by: MLflow's ``order_by``; the newest first by default.
            most: How many at most.

        Raises:
            UnknownNameError: There is no such experiment.
            RunSearchError: The filter or the order cannot be read.
        """
        ids = self._experiment_ids(experiments, elsewhere)
        found: list[Run] = []
        token = None
        with _search_errors(where or ", ".join(order_by)):
            while ids and len(found) < most:
                page = self.client.search_runs(
                    ids, where, max_results=min(PAGE, most - len(found)), order_by=list(order_by), page_token=token
                )
                found += page
                token = page.token
                if not token:
                    break
        return [self._row(run) for run in found]

    def get(self, run_id: str) -> RunRow:
        """One run."""
        return self._row(self.client.get_run(run_id))

    def _experiment_ids(self, names: Sequence[str], elsewhere: Collection[str]) -> list[str]:
        found = list(_pages(lambda token: self.client.search_experiments(max_results=PAGE, page_token=token)))
        self._names = {each.experiment_id: each.name for each in found}
        known = {name: experiment_id for experiment_id, name in self._names.items()}
        for name in names:
            if name not in known and name not in elsewhere:
                raise UnknownNameError("experiment", name, known, listing="fw runs list")
        # What the registry of models remembers is kept as a run, and is none.
        runs = [each.experiment_id for each in found if TAG_REGISTRY not in each.tags]
        return [known[name] for name in names if name in known] if names else runs

    def _row(self, run: Run) -> RunRow:
        info, data = run.info, run.data
        if info.experiment_id not in self._names:
            self._names[info.experiment_id] = self.client.get_experiment(info.experiment_id).name
        return RunRow.of(
            run_id=info.run_id,
            name=info.run_name,
            experiment=self._names[info.experiment_id],
            status=info.status,
            start=info.start_time,
            end=info.end_time,
            metrics=data.metrics,
            steps={metric.key: metric.step for metric in data._metric_objs or ()},
            params=data.params,
            tags=data.tags,
        )


def order(column: str) -> str:
    """MLflow's ``order_by`` for a column: a metric, ``params.NAME``, ``tags.NAME`` or ``started``; ``-`` turns it."""
    name, direction = column.removeprefix("-"), "DESC" if column.startswith("-") else "ASC"
    if name == STARTED:
        return f"attributes.start_time {direction}"
    kind, dot, rest = name.partition(".")
    if dot and kind in ("params", "tags", "metrics", "attributes"):
        return f"{kind}.`{rest}` {direction}"
    return f"metrics.`{name}` {direction}"


def _pages(ask: Any) -> Iterator[Any]:
    token = None
    while True:
        page = ask(token)
        yield from page
        token = page.token
        if not token:
            return


@contextmanager
def _search_errors(asked: str) -> Iterator[None]:
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code != "INVALID_PARAMETER_VALUE":
            raise
        raise RunSearchError(asked, str(error).strip().partition("\n")[0]) from error
