"""Documents of runs as MLflow's entities."""

from __future__ import annotations

import json
import zlib

from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
)

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.keys import unescape, unescaped

# What of a run document the entities need. To name it costs the server less than to name what they do not.
INFO_FIELDS = dict.fromkeys(("exp", "name", "user", "status", "start", "end", "life", "artifact_uri"), 1)
FIELDS = INFO_FIELDS | dict.fromkeys(("mv", "mm", "p", "t", "in", "model_in", "model_out", "spilled", "history"), 1)


def run_info(document: Document) -> RunInfo:
    """Return what a run document says about the run."""
    return RunInfo(
        run_id=document["_id"],
        run_name=document["name"],
        experiment_id=str(document["exp"]),
        user_id=document["user"],
        status=document["status"],
        start_time=document["start"],
        end_time=document["end"],
        lifecycle_stage=document["life"],
        artifact_uri=document["artifact_uri"],
    )


def run_data(document: Document) -> RunData:
    """Return the latest metrics, the parameters and the tags of a run document."""
    latest, metrics = document["mm"], []
    for field, value in document["mv"].items():
        step, timestamp, _ = latest[field]
        metrics.append(Metric(unescape(field), value, timestamp, step))
    data = RunData(metrics)
    # MLflow keeps no entities of these.
    data.params.update(unescaped(document["p"]))
    data.tags.update(unescaped(document["t"]))
    return data


def run(document: Document, datasets: dict[str, Dataset]) -> Run:
    """Return the run of a document; `datasets` holds those it names."""
    inputs = [
        DatasetInput(datasets[used["id"]], [InputTag(tag["k"], tag["v"]) for tag in used["tags"]])
        for used in document["in"]
        if used["id"] in datasets
    ]
    return Run(
        run_info(document),
        run_data(document),
        RunInputs(inputs, [LoggedModelInput(model_id) for model_id in document["model_in"]]),
        RunOutputs([LoggedModelOutput(made["id"], made["step"]) for made in document["model_out"]]),
    )


def dataset(document: Document) -> Dataset:
    """Return the dataset of a document."""
    return Dataset(
        name=document["name"],
        digest=document["digest"],
        source_type=document["source_type"],
        source=document["source"],
        schema=unpacked(document["schema"]),
        profile=unpacked(document["profile"]),
    )


# MLflow allows texts that together are above the 16 MB of a document; JSON shrinks well.
_PACKED_FROM = 100_000


def packed(text: str | None) -> str | bytes | None:
    """Return `text` as it is stored: compressed when it is long."""
    if text is None or len(text) < _PACKED_FROM:
        return text
    return zlib.compress(text.encode())


def unpacked(stored: str | bytes | None) -> str | None:
    """Return the text that `packed` stored."""
    return zlib.decompress(stored).decode() if isinstance(stored, bytes) else stored


def logged_models_tag(previous: str | None, model: dict[str, object]) -> str:
    """Return the value of the tag that lists the models of a run, with one more."""
    return json.dumps([*(json.loads(previous) if previous else []), model])
