"""The tracking store: its areas joined."""

from __future__ import annotations

from mlflow.store.tracking import DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH
from mlflow.store.tracking.abstract_store import AbstractStore
from mlflow.utils.uri import resolve_uri_if_local

from framework_mlflow_mongodb.artifact_location import check_artifact_uri
from framework_mlflow_mongodb.tracking.assessments import AssessmentArea
from framework_mlflow_mongodb.tracking.evaluation_records import EvaluationRecordArea
from framework_mlflow_mongodb.tracking.gateway.budgets import BudgetArea
from framework_mlflow_mongodb.tracking.gateway.guardrails import GuardrailArea
from framework_mlflow_mongodb.tracking.history import HistoryArea
from framework_mlflow_mongodb.tracking.inputs import InputArea
from framework_mlflow_mongodb.tracking.issues import IssueArea
from framework_mlflow_mongodb.tracking.label_schemas import LabelSchemaArea
from framework_mlflow_mongodb.tracking.model_search import ModelSearchArea
from framework_mlflow_mongodb.tracking.registry_history import RegistryHistoryArea
from framework_mlflow_mongodb.tracking.removal import RemovalArea
from framework_mlflow_mongodb.tracking.run_search import RunSearchArea
from framework_mlflow_mongodb.tracking.spans import SpanArea
from framework_mlflow_mongodb.tracking.trace_metrics import TraceMetricArea
from framework_mlflow_mongodb.tracking.unsupported import answers_what_is_missing
from framework_mlflow_mongodb.tracking.watching import WatchArea


@answers_what_is_missing
class MongoTrackingStore(
    IssueArea,
    RemovalArea,
    RegistryHistoryArea,
    HistoryArea,
    InputArea,
    RunSearchArea,
    ModelSearchArea,
    SpanArea,
    AssessmentArea,
    TraceMetricArea,
    EvaluationRecordArea,
    GuardrailArea,
    BudgetArea,
    LabelSchemaArea,
    WatchArea,
    AbstractStore,
):
    """MLflow's tracking store on MongoDB.

    Args:
        store_uri: The URI of the database, `mongodb://` or `mongodb+srv://`.
        artifact_uri: Where experiments keep their artifacts unless they say otherwise; `./mlruns` as with SQL.
    """

    def __init__(self, store_uri: str, artifact_uri: str | None = None) -> None:
        super().__init__()
        check_artifact_uri(artifact_uri or "")
        self.artifact_root_uri: str = resolve_uri_if_local(artifact_uri or DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH)
        self._open(store_uri)
        self._create_default_experiment()
