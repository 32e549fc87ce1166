"""The records of datasets for evaluation: one for each input."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import logging
import uuid
from typing import Any

from mlflow.entities import DatasetRecord, DatasetRecordSource
from mlflow.store.tracking import LOAD_DATASET_RECORDS_MAX_RESULTS
from mlflow.utils.mlflow_tags import MLFLOW_USER
from mlflow.utils.time import get_current_time_millis
from pymongo import ReplaceOne
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import invalid
from framework_mlflow_mongodb.search.conditions import Condition
from framework_mlflow_mongodb.tracking.evaluation_datasets import EvaluationDatasetArea, digest

_TYPES = {bool: "boolean", int: "integer", float: "float", str: "string", list: "array", dict: "object"}
_logger = logging.getLogger(__name__)


class EvaluationRecordArea(EvaluationDatasetArea):
    """The records of datasets for evaluation."""

    def upsert_dataset_records(self, dataset_id: str, records: list[dict[str, Any]]) -> dict[str, int]:
        """Add records; one with the inputs of a record that is there is merged into it."""
        try:
            return self._transaction(lambda session: self._upsert(dataset_id, records, session))
        except BulkWriteError:  # without transactions another writer may add the same inputs: now they are there
            return self._transaction(lambda session: self._upsert(dataset_id, records, session))

    def _upsert(self, dataset_id: str, records: list[dict[str, Any]], session: ClientSession | None) -> dict[str, int]:
        dataset, now = self._check_dataset(dataset_id, session), get_current_time_millis()
        hashes = [inputs_hash(record.get("inputs", {})) for record in records]
        collection = self._collection("eval_records")
        found = collection.find({"dataset": dataset_id, "hash": {"$in": hashes}}, session=session)
        documents = {document["hash"]: document for document in found}
        inserted, user = 0, None
        for record, key in zip(records, hashes, strict=True):
            user = (record.get("tags") or {}).get(MLFLOW_USER, user)
            if key in documents:
                _merge(documents[key], record, now)
            else:
                documents[key] = _new_record(dataset_id, key, record, now)
                inserted += 1
        writes = [ReplaceOne({"_id": document["_id"]}, document, upsert=True) for document in documents.values()]
        if writes:
            collection.bulk_write(writes, ordered=False, session=session)
        change: Document = {"updated": now, "updated_by": user, "digest": digest(dataset["name"], now)}
        schema = _schema(dataset["schema"], records)
        if schema is not None:
            change["schema"] = json.dumps(schema)
        count = collection.count_documents({"dataset": dataset_id}, session=session)
        if count:
            change["profile"] = json.dumps({"num_records": count})
        self._collection("eval_datasets").update_one({"_id": dataset_id}, {"$set": change}, session=session)
        return {"inserted": inserted, "updated": len(records) - inserted}

    def delete_dataset_records(self, dataset_id: str, dataset_record_ids: list[str]) -> int:
        """Delete records; those that are gone already do not count."""

        def delete(session: ClientSession | None) -> int:
            self._check_dataset(dataset_id, session)
            records, of_dataset = self._collection("eval_records"), {"dataset": dataset_id}
            chosen = {**of_dataset, "_id": {"$in": list(dataset_record_ids)}}
            deleted = records.delete_many(chosen, session=session).deleted_count
            if deleted:
                count = records.count_documents(of_dataset, session=session)
                profile = json.dumps({"num_records": count} if count else None)
                self._collection("eval_datasets").update_one(
                    {"_id": dataset_id}, {"$set": {"profile": profile}}, session=session
                )
            return deleted

        deleted = self._transaction(delete)
        if not deleted:
            _logger.warning("No records found to delete for dataset %s.", dataset_id)
        return deleted

    def _load_dataset_records(
        self, dataset_id: str, max_results: int | None = None, page_token: str | None = None
    ) -> tuple[list[DatasetRecord], str | None]:
        """Return a page of records in the order they were added, or all of them without `max_results`."""
        condition: Condition = {"dataset": dataset_id}
        if self.supports_workspaces:
            self._check_dataset(dataset_id)
        skip = 0
        if page_token:
            after = _position(page_token)
            if isinstance(after, int):
                skip = after
            else:
                created, record_id = after
                condition["$or"] = [
                    {"created": {"$gt": created}},
                    {"created": created, "_id": {"$gt": record_id}},
                ]
        found = self._collection("eval_records").find(condition).sort([("created", 1), ("_id", 1)]).skip(skip)
        if max_results is None:
            return [_record(document) for document in found], None
        limit = max_results or LOAD_DATASET_RECORDS_MAX_RESULTS
        documents = list(found.limit(limit + 1))
        token = None
        if len(documents) > limit:
            last = documents[limit - 1]
            token = base64.b64encode(f"{last['created']}:{last['_id']}".encode()).decode()
        return [_record(document) for document in documents[:limit]], token


def _position(token: str) -> tuple[int, str] | int:
    """Return the record that a page starts after, or how many it leaves out."""
    try:
        created, record_id = base64.b64decode(token.encode()).decode().split(":", 1)
        return int(created), record_id
    except (ValueError, binascii.Error):
        pass
    try:
        return int(token)
    except ValueError:
        raise invalid(f"Invalid page token: {token!r}") from None


def inputs_hash(inputs: Any) -> str:
    """Return what tells the inputs of a record from others."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _new_record(dataset_id: str, key: str, record: dict[str, Any], now: int) -> Document:
    source = record.get("source") or None
    entity = DatasetRecord(
        dataset_record_id=f"dr-{uuid.uuid4().hex}",
        dataset_id=dataset_id,
        inputs=record.get("inputs", {}),
        outputs=record.get("outputs", {}),
        created_time=now,
        last_update_time=now,
        expectations=record.get("expectations"),
        tags=record.get("tags"),
        source=DatasetRecordSource.from_dict(source) if isinstance(source, dict) else source,
    )
    user = (record.get("tags") or {}).get(MLFLOW_USER)
    return {
        "_id": entity.dataset_record_id,
        "dataset": dataset_id,
        "hash": key,
        "created": now,
        "updated": now,
        "created_by": user,
        "updated_by": user,
        # As JSON: keys and numbers of users may be such as no document can hold.
        "inputs": json.dumps(entity.inputs),
        "outputs": json.dumps(entity.outputs),
        "expectations": json.dumps(entity.expectations),
        "tags": json.dumps(entity.tags),
        "source": json.dumps(entity.source.to_dict()) if entity.source else None,
        "source_id": entity.source_id,
    }


def _merge(document: Document, record: dict[str, Any], now: int) -> None:
    if "outputs" in record:
        document["outputs"] = json.dumps(record["outputs"])
    for field in ("expectations", "tags"):
        if record.get(field):
            document[field] = json.dumps({**(json.loads(document[field]) or {}), **record[field]})
    document["updated"] = now
    document["updated_by"] = (record.get("tags") or {}).get(MLFLOW_USER, document["updated_by"])


def _record(document: Document) -> DatasetRecord:
    return DatasetRecord(
        dataset_record_id=document["_id"],
        dataset_id=document["dataset"],
        inputs=json.loads(document["inputs"]),
        outputs=json.loads(document["outputs"]),
        expectations=json.loads(document["expectations"]),
        tags=json.loads(document["tags"]),
        source=DatasetRecordSource.from_dict(json.loads(document["source"])) if document["source"] else None,
        source_id=document["source_id"],
        created_time=document["created"],
        last_update_time=document["updated"],
        created_by=document["created_by"],
        last_updated_by=document["updated_by"],
    )


def _schema(known: str | None, records: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the types of the fields that records had so far; the first record of a field decides."""
    if not records and not known:
        return None
    schema: dict[str, Any] = {"inputs": {}, "outputs": {}, "expectations": {}, "version": "1.0"}
    if known:
        schema = json.loads(known)
    for record in records:
        for part in ("inputs", "outputs", "expectations"):
            value = record.get(part)
            if isinstance(value, dict) and isinstance(schema[part], dict):
                schema[part] = {**{key: _type(field) for key, field in value.items()}, **schema[part]}
            elif part == "outputs" and value is not None and not schema[part]:
                schema[part] = _type(value)
    return schema


def _type(value: Any) -> str:
    if value is None:
        return "null"
    return next((name for kind, name in _TYPES.items() if isinstance(value, kind)), "unknown")
