"""What is asked of a store: each call has a time limit, and can be made again without doing anything twice."""

from __future__ import annotations

import json
import logging
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework_core.tracking.journal import Body, Point
from framework_core.tracking.runs import TAG_STATUS
from framework_core.tracking.store import opened_by_one

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

CALL_SECONDS = 30
"""How long one call may take."""

PARAMS_A_CALL = 100
TAG_JOURNAL = "framework.journal"
"""The tag by which a run is known again whose making was not acknowledged."""

TAG_GROUP = "framework.group"
TAG_PARENT = "mlflow.parentRunId"

MLFLOW_STATUS = {"running": "RUNNING", "finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
"""MLflow's word for a run that stands so; a run that was killed is KILLED too."""

REFUSALS = ("INVALID_PARAMETER_VALUE", "BAD_REQUEST")

VARIABLE, SERVICE = "MLFLOW_TRACKING_URI", "mlflow.tracking._tracking_service.utils"

Identity = tuple[str, int, int, float | None]


def client_of(uri: str) -> MlflowClient:
    """A client whose calls end in time, and which leaves it to its caller to ask again."""
    from mlflow import MlflowClient

    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(CALL_SECONDS))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with opened_by_one(uri):
        return MlflowClient(uri)


@contextmanager
def time_limit(uri: str) -> Iterator[None]:
    """A limit for the calls inside, where the store's driver has one of its own."""
    if uri.startswith("mongodb"):
        import pymongo

        limit: Any = pymongo.timeout(CALL_SECONDS)
    else:
        limit = nullcontext()
    with limit:
        yield


def is_refusal(error: Exception) -> bool:
    """Whether the store understood what it was asked, and will say the same again."""
    from mlflow.exceptions import MlflowException

    return isinstance(error, MlflowException) and error.error_code in REFUSALS


def number(value: float) -> float | None:
    """A value as stores give it back: infinities are their largest number, and NaN is nothing that can be compared."""
    if math.isnan(value):
        return None
    return max(-sys.float_info.max, min(sys.float_info.max, value))


def identity(point: Point) -> Identity:
    """What makes a point the same as another."""
    return point.key, point.step, point.timestamp, number(point.value)


def place(point: Point) -> tuple[str, int, float | None]:
    """What a point has in common with one that is made again."""
    return point.key, point.step, number(point.value)


def history(client: MlflowClient, run_id: str, keys: Iterable[str]) -> list[Point]:
    """The points that the store has of some curves."""
    return [
        Point(each.key, each.value, each.timestamp, each.step)
        for key in keys
        for each in client.get_metric_history(run_id, key)
    ]


def create_run(client: MlflowClient, body: Body) -> str:
    """Create a run, or find the one that an earlier call has created; its id."""
    experiment = _experiment(client, body["experiment"])
    made = client.search_runs([experiment], f"tags.`{TAG_JOURNAL}` = '{body['journal']}'", max_results=1)
    if made:
        return str(made[0].info.run_id)
    tags = {**body["tags"], TAG_JOURNAL: body["journal"]}
    run = client.create_run(experiment, start_time=body["started"], run_name=body["name"], tags=tags)
    return str(run.info.run_id)


def run_of_group(
    client: MlflowClient,
    *,
    experiment: str,
    name: str,
    started: int,
    members: Sequence[str],
    params: Mapping[str, str],
    metrics: Mapping[str, float],
    table: Path,
) -> str:
    """Record a run that stands over others, and let them stand under it; its id.

    Args:
        client: The store.
        experiment: The name of the experiment.
        name: The name of the run.
        started: When the first of them started, in milliseconds since 1970.
        members: The ids of the runs under it.
        params: What they differ in.
        metrics: What they reached together.
        table: A file with what each reached.
    """
    tags = {TAG_GROUP: "runs", TAG_STATUS: "finished"}
    run_id = str(client.create_run(_experiment(client, experiment), started, tags, run_name=name).info.run_id)
    log_params(client, run_id, params)
    for key, value in metrics.items():
        client.log_metric(run_id, key, value)
    client.log_artifact(run_id, str(table))
    for member in members:
        client.set_tag(member, TAG_PARENT, run_id)
    client.set_terminated(run_id)
    return run_id


def _experiment(client: MlflowClient, name: str) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is not None:
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name, tags={"mlflow.experimentKind": "custom_model_development"}))
    except MlflowException:
        made_meanwhile = client.get_experiment_by_name(name)
        if made_meanwhile is None:
            raise
        return str(made_meanwhile.experiment_id)


def log_points(client: MlflowClient, run_id: str, points: Sequence[Point]) -> None:
    """Log points in one call."""
    client.log_batch(run_id, metrics=[_metric(point) for point in points])


def _metric(point: Point) -> Metric:
    from mlflow.entities import Metric

    return Metric(point.key, point.value, point.timestamp, point.step)


def log_params(client: MlflowClient, run_id: str, params: Mapping[str, str]) -> None:
    """Log parameters."""
    from mlflow.entities import Param

    rows = [Param(key, value) for key, value in params.items()]
    for first in range(0, len(rows), PARAMS_A_CALL):
        client.log_batch(run_id, params=rows[first : first + PARAMS_A_CALL])


def log_data(client: MlflowClient, run_id: str, body: Body) -> None:
    """Log what a run is trained on."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(**body["dataset"])
    client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])


def log_file(client: MlflowClient, run_id: str, file: Path, folder: str) -> None:
    """Upload a file; ``.`` is the top."""
    client.log_artifact(run_id, str(file), None if folder == "." else folder)


def set_status(client: MlflowClient, run_id: str, body: Body) -> None:
    """Set how a run stands."""
    word = body["word"]
    status = MLFLOW_STATUS.get(word, "KILLED")
    if word == "running":
        client.update_run(run_id, status=status)
    client.set_tag(run_id, TAG_STATUS, word)
    if word != "running":
        client.set_terminated(run_id, status, body["at"])


def log_model(client: MlflowClient, run_id: str, folder: Path, body: Body) -> None:
    """Store the trained model of a folder, unless an earlier call has done so."""
    import mlflow
    import numpy as np
    from mlflow.entities import LoggedModelStatus
    from mlflow.models import Model, ModelSignature

    run = client.get_run(run_id)
    experiment = run.info.experiment_id
    for made in client.search_logged_models([experiment], f"source_run_id = '{run_id}'"):
        if made.status == LoggedModelStatus.READY:
            return
        client.delete_logged_model(made.model_id)
    # Where MLflow creates it itself, it belongs to the experiment that is active in this thread.
    made = client.create_logged_model(experiment, "model", source_run_id=run_id, params=run.data.params)
    Model.log(
        artifact_path=None,
        model_id=made.model_id,
        flavor=mlflow.pyfunc,
        run_id=run_id,
        metadata=body["metadata"],
        loader_module="framework_core.tracking.logged_model",
        data_path=str(folder / "model"),
        signature=ModelSignature.from_dict(json.loads((folder / "signature.json").read_text("utf-8"))),
        input_example=np.load(folder / "example.npy", allow_pickle=False),
        pip_requirements=body["requirements"],
    )
    _link(client, run_id, made.model_id, body)
    for card in folder.glob("*.md"):
        client.log_model_artifact(made.model_id, str(card))


def _link(client: MlflowClient, run_id: str, model_id: str, body: Body) -> None:
    """The final metrics as those of this model on this data: the same points of the run, and not others beside them."""
    from mlflow.entities import Metric

    there = {point.key: point for point in client.get_run(run_id).data.to_proto().metrics}
    linked = []
    for name, value in body["metrics"].items():
        point = there.get(name)
        at, step = (point.timestamp, point.step) if point and point.value == value else (body["at"], 0)
        linked.append(Metric(name, value, at, step, model_id=model_id, run_id=run_id, **body["data"]))
    client.log_batch(run_id, metrics=linked)


@contextmanager
def tidy_mlflow() -> Iterator[None]:
    """MLflow without its hints for other uses, on a terminal that shows a run."""
    with silent_mlflow(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def silent_mlflow() -> Iterator[None]:
    """MLflow without its log, on any thread: what is done with warnings on one is seen by all."""
    names = ("mlflow", "alembic", "mlflow.store.db.utils", "mlflow.tracking.fluent")
    levels = {name: logging.getLogger(name).level for name in names}
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def store_of_program() -> Callable[[], None]:
    """Remember the store that MLflow's own functions use in this process.

    Returns:
        What puts it back: MLflow keeps it in a variable of its own, which is set or not, and in the environment.
    """
    variable, before = os.environ.get(VARIABLE), getattr(sys.modules.get(SERVICE), "_tracking_uri", None)

    def put_back() -> None:
        if service := sys.modules.get(SERVICE):
            service.set_tracking_uri(before)
        os.environ.pop(VARIABLE, None)
        if variable is not None:
            os.environ[VARIABLE] = variable

    return put_back


@contextmanager
def global_store(uri: str) -> Iterator[None]:
    """MLflow's own functions on this store meanwhile: a model is logged by them."""
    import mlflow

    put_back = store_of_program()
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        put_back()
