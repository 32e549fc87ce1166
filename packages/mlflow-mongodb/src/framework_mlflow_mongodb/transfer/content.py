"""What a store says about a thing, in one canonical form: two stores that say the same have the same digest."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Any

from mlflow.entities import Experiment, LoggedModel, Metric, Run, Trace
from mlflow.entities.model_registry import ModelVersion, RegisteredModel

from framework_mlflow_mongodb.tracking.points import Point


def digest(content: Any) -> str:
    """Return the checksum of `content`."""
    text = json.dumps(content, sort_keys=True, default=str)
    return blake2b(text.encode(), digest_size=16).hexdigest()


def experiment(found: Experiment) -> Any:
    """What an experiment is."""
    return [found.experiment_id, found.name, found.artifact_location, found.lifecycle_stage, dict(found.tags)]


def run(found: Run, history: dict[str, list[Metric]]) -> Any:
    """What a run is, with every point of its metrics."""
    info, inputs, outputs = found.info, found.inputs, found.outputs
    latest = {metric.key: _point(metric) for metric in found.data._metric_objs}
    return {
        "info": dict(info),
        "latest": latest,
        "history": {key: sorted(map(_point, points)) for key, points in history.items()},
        "params": dict(found.data.params),
        "tags": dict(found.data.tags),
        "datasets": sorted(
            [used.dataset.to_dictionary(), sorted([tag.key, tag.value] for tag in used.tags)]
            for used in (inputs.dataset_inputs if inputs else [])
        ),
        "model_inputs": sorted(used.model_id for used in (inputs.model_inputs or [] if inputs else [])),
        "model_outputs": sorted(
            [made.model_id, made.step] for made in (outputs.model_outputs or [] if outputs else [])
        ),
    }


def _point(metric: Metric) -> list[Any]:
    # As a store in a database keeps it: a folder of runs keeps infinities, and whole numbers as such.
    point = Point.of(metric)
    return [point.timestamp, point.step, repr(point.number)]


def logged_model(found: LoggedModel) -> Any:
    """What a logged model is."""
    fields = {key: value for key, value in found.to_dictionary().items() if key not in ("metrics", "tags", "params")}
    metrics = sorted([metric.key, metric.run_id or "", *_point(metric)] for metric in found.metrics or [])
    return [fields, dict(found.tags or {}), dict(found.params or {}), metrics]


def trace(found: Trace) -> Any:
    """What a trace is, with its spans."""
    info = found.info.to_dict()
    info["assessments"] = sorted((info.get("assessments") or []), key=lambda one: str(one.get("assessment_id")))
    spans = sorted((span.to_dict() for span in found.data.spans), key=lambda span: str(span.get("span_id")))
    return [info, spans]


def registered_model(found: RegisteredModel) -> Any:
    """What a registered model is."""
    aliases = {alias: str(version) for alias, version in found.aliases.items()}
    return [found.name, found.description, found.creation_timestamp, dict(found.tags), aliases]


def model_version(found: ModelVersion) -> Any:
    """What a version of a registered model is."""
    text = [found.name, found.description, found.current_stage, found.status, found.source, found.run_link]
    return [*text, int(found.version), found.creation_timestamp, found.run_id, found.model_id, dict(found.tags)]
