"""Label schemas: the questions that reviewers of traces are asked."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from google.protobuf.json_format import MessageToJson, Parse  # type: ignore[import-untyped]
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from mlflow.genai.label_schemas import validation
from mlflow.genai.label_schemas.label_schemas import InputText, LabelSchema, LabelSchemaType
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS
from mlflow.protos.label_schemas_pb2 import LabelSchema as ProtoLabelSchema
from mlflow.store.entities.paged_list import PagedList
from mlflow.utils.time import get_current_time_millis
from pymongo.errors import DuplicateKeyError

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import invalid, not_found
from framework_mlflow_mongodb.search.paging import Page, SortKey, values_of
from framework_mlflow_mongodb.tracking.experiments import ExperimentArea, check_max_results

_ORDER = [SortKey("created", ascending=False, never_missing=True), SortKey("_id", never_missing=True)]


class LabelSchemaArea(ExperimentArea):
    """Label schemas."""

    def create_label_schema(
        self,
        experiment_id: str,
        *,
        name: str,
        type: LabelSchemaType,
        input: Any,
        instruction: str | None = None,
        enable_comment: bool = False,
    ) -> LabelSchema:
        """Create a label schema in an active experiment."""
        validation.validate_schema_for_create(
            name=name, type=type, input=input, instruction=instruction, enable_comment=enable_comment
        )
        schema = LabelSchema(
            name=name,
            type=LabelSchemaType(str(type)),
            input=input,
            instruction=instruction,
            enable_comment=enable_comment,
        )
        return self._add_label_schema(experiment_id, schema)

    def _add_label_schema(self, experiment_id: str, schema: LabelSchema) -> LabelSchema:
        experiment, now = self._find_experiment(experiment_id, ViewType.ACTIVE_ONLY), get_current_time_millis()
        schema = replace(
            schema,
            schema_id=f"ls-{uuid.uuid4().hex}",
            experiment_id=str(experiment["_id"]),
            created_at=now,
            updated_at=now,
        )
        try:
            self._collection("label_schemas").insert_one(
                label_schema_document(schema, experiment["_id"], experiment["ws"])
            )
        except DuplicateKeyError:
            raise _exists(schema) from None
        return schema

    def get_label_schema(self, schema_id: str) -> LabelSchema:
        """Return a label schema."""
        return _schema(self._find_label_schema(schema_id))

    def _find_label_schema(self, schema_id: str) -> Document:
        found = self._collection("label_schemas").find_one({"_id": schema_id, "ws": self._workspace})
        if found is None:
            raise not_found(f"Label schema with id '{schema_id}' not found.")
        return found

    def get_label_schema_by_name(self, experiment_id: str, name: str) -> LabelSchema:
        """Return the label schema of an experiment that has a name."""
        key = self._find_experiment(experiment_id, ViewType.ACTIVE_ONLY)["_id"]
        found = self._collection("label_schemas").find_one({"exp": key, "name": name})
        if found is None:
            raise not_found(f"Label schema with name '{name}' not found for experiment '{experiment_id}'.")
        return _schema(found)

    def list_label_schemas(
        self, experiment_id: str, max_results: int = 100, page_token: str | None = None
    ) -> PagedList[LabelSchema]:
        """Return a page of the label schemas of an experiment, which has MLflow's default one at least."""
        check_max_results(max_results)
        key, page = self._find_experiment(experiment_id, ViewType.ACTIVE_ONLY)["_id"], Page.parse(page_token)
        self._add_default_label_schema(experiment_id, key)
        stages = [{"$match": {"exp": key}}, *page.stages(_ORDER, max_results)]
        rows = list(self._collection("label_schemas").aggregate(stages))
        token = page.token(max_results, values_of(rows[max_results - 1], _ORDER)) if len(rows) > max_results else None
        return PagedList([_schema(row) for row in rows[:max_results]], token)

    def _add_default_label_schema(self, experiment_id: str, key: int) -> None:
        if self._collection("label_schemas").find_one({"exp": key, "default": True}, {"_id": 1}):
            return
        default = LabelSchema(
            name=validation.DEFAULT_LABEL_SCHEMA_NAME,
            type=LabelSchemaType.FEEDBACK,
            input=InputText(),
            instruction=validation.DEFAULT_LABEL_SCHEMA_INSTRUCTION,
            is_default=True,
        )
        try:
            self._add_label_schema(experiment_id, default)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another client was faster
                raise

    def update_label_schema(
        self,
        schema_id: str,
        *,
        name: str | None = None,
        instruction: str | None = None,
        enable_comment: bool | None = None,
        input: Any = None,
    ) -> LabelSchema:
        """Change a label schema; what is None stays."""
        found = self._find_label_schema(schema_id)
        given = {"name": name, "instruction": instruction, "enable_comment": enable_comment, "input": input}
        old = _schema(found)
        validation.validate_schema_for_update(existing=old, **given)
        fields: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        new = replace(old, **fields, updated_at=get_current_time_millis())
        try:
            self._collection("label_schemas").replace_one(
                {"_id": schema_id}, label_schema_document(new, found["exp"], found["ws"])
            )
        except DuplicateKeyError:
            raise _exists(new) from None
        return new

    def delete_label_schema(self, schema_id: str) -> None:
        """Delete a label schema, if it is there; assessments that answered it stay."""
        condition = {"_id": schema_id, "ws": self._workspace}
        found = self._collection("label_schemas").find_one(condition, {"default": 1})
        if found is not None and found["default"]:
            raise invalid("The experiment's default question cannot be deleted.")
        self._collection("label_schemas").delete_one(condition)

    def _hard_delete_experiment(self, experiment_id: str) -> None:
        key = self._find_experiment(experiment_id, ViewType.DELETED_ONLY)["_id"]
        self._collection("label_schemas").delete_many({"exp": key})
        super()._hard_delete_experiment(experiment_id)


def label_schema_document(schema: LabelSchema, experiment: int, workspace: str) -> Document:
    """Return the document of a label schema."""
    return {
        "_id": schema.schema_id,
        "exp": experiment,
        "ws": workspace,
        "name": schema.name,
        "created": schema.created_at,
        "default": schema.is_default,
        "schema": MessageToJson(schema.to_proto(), indent=None),
    }


def _schema(document: Document) -> LabelSchema:
    return LabelSchema.from_proto(Parse(document["schema"], ProtoLabelSchema()))


def _exists(schema: LabelSchema) -> MlflowException:
    return MlflowException(
        f"Label schema with name '{schema.name}' already exists for experiment '{schema.experiment_id}'.",
        RESOURCE_ALREADY_EXISTS,
    )
