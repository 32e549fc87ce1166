"""The OpenAPI document: what the bodies of requests are, and every answer that may come."""

from __future__ import annotations

from typing import Any

from framework_core.serving.bodies import JSON, MULTIPART, SUFFIXES
from framework_core.serving.limits import MEGABYTE, Limits
from framework_core.serving.model import ServedModel
from framework_core.serving.networks import INPUT
from framework_core.serving.protocols import DATATYPES

Document = dict[str, Any]

ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string"}, "request_id": {"type": "string"}},
    "required": ["error", "request_id"],
}
MLFLOW_ERROR = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("error_code", "message", "request_id")},
    "required": ["error_code", "message", "request_id"],
}
REFUSALS = {
    "400": "The body cannot be read.",
    "408": "The request did not arrive in time.",
    "413": "The request is too large.",
    "415": "The model reads no file of this kind.",
    "422": "The body can be read, and the model cannot take it.",
    "503": "Too many requests are under way.",
    "504": "There was no answer in time.",
}
ROWS = {
    "type": "object",
    "properties": {
        "predictions": {"type": "array", "items": {"type": "object"}},
        "model": {"type": "string"},
        "version": {"type": "string"},
    },
    "required": ["predictions", "model", "version"],
}
TAGS = ("predict", "MLflow", "Open Inference Protocol", "server", "health")
"""What is asked for, in the order in which the page shows it."""

NUMBERS: Document = {"type": "array", "minItems": 1, "items": {}}


def documented(document: Document, model: ServedModel, *, keys: bool, limits: Limits) -> Document:
    """The document that FastAPI made, with the bodies that it cannot know.

    Args:
        document: That of FastAPI; it is changed.
        model: The model, whose files are named.
        keys: Whether a key is asked for.
        limits: What a request may take.
    """
    document["info"]["description"] = (
        f"A request may have {limits.body / MEGABYTE:g} MB and {limits.files} inputs. "
        "An error is one sentence and the id of the request."
    )
    document["tags"] = [{"name": name} for name in TAGS]
    paths = document["paths"]
    _post(paths["/predict"]["post"], _predict_bodies(model), ROWS, ERROR)
    table = {"type": "object", "properties": {"predictions": {"type": "array"}}, "required": ["predictions"]}
    _post(paths["/invocations"]["post"], _invocations_bodies(model), table, MLFLOW_ERROR)
    infer = paths["/v2/models/{name}/infer"]["post"]
    _post(infer, {JSON: {"schema": _infer_body(model)}}, {"type": "object", "required": ["outputs"]}, ERROR)
    for path, methods in paths.items():
        for operation in methods.values():
            operation["summary"] = operation.pop("description").rstrip(".")
            answers = operation["responses"]
            if "{name}" in path:
                answers["404"] = _answer("There is no such model.", ERROR)
                answers.pop("422", None) if "requestBody" not in operation else None
            if keys and operation["tags"] != ["health"]:
                answers["401"] = _answer("There is no such key.", ERROR)
                operation["security"] = [{"key": []}]
            if "{name}" in path:
                (name,) = operation["parameters"]
                name["example"] = model.name
    if keys:
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    document.get("components", {}).get("schemas", {}).clear()
    return document


def _post(operation: Document, bodies: Document, answer: Document, error: Document) -> None:
    operation["requestBody"] = {"required": True, "content": bodies}
    operation["responses"] = {
        "200": _answer("The answer.", answer),
        **{status: _answer(why, error) for status, why in REFUSALS.items()},
    }


def _answer(why: str, schema: Document) -> Document:
    return {"description": why, "content": {JSON: {"schema": schema}}}


def _predict_bodies(model: ServedModel) -> Document:
    inputs = {"anyOf": [NUMBERS, _file_list(model)]} if model.suffixes else NUMBERS
    body = {
        "type": "object",
        "properties": {"inputs": inputs},
        "required": ["inputs"],
        "additionalProperties": False,
    }
    binary = {"schema": {"type": "string", "format": "binary"}}
    files = {kind: binary for kind, suffix in SUFFIXES.items() if suffix in model.suffixes}
    form = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}, "required": ["file"]}
    more = {MULTIPART: {"schema": form}} if model.suffixes else {}
    # The first is what the page offers: a file to choose, where the model reads files.
    return {**more, **files, JSON: {"schema": body}}


def _file_list(model: ServedModel) -> Document:
    """Texts, or files in base64."""
    file = {
        "type": "object",
        "properties": {"b64": {"type": "string", "format": "byte"}, "name": {"type": "string"}},
        "required": ["b64"],
        "additionalProperties": False,
    }
    return {"type": "array", "minItems": 1, "items": {"anyOf": [{"type": "string"}, file]}}


def _invocations_bodies(model: ServedModel) -> Document:
    split = {
        "type": "object",
        "properties": {"columns": {"type": "array"}, "data": {"type": "array", "items": {"type": "array"}}},
        "required": ["columns", "data"],
    }
    forms = {
        "inputs": NUMBERS,
        "instances": NUMBERS,
        "dataframe_split": split,
        "dataframe_records": {"type": "array", "minItems": 1, "items": {"type": "object", "minProperties": 1}},
    }
    body = {
        "oneOf": [{"type": "object", "properties": {name: each}, "required": [name]} for name, each in forms.items()]
    }
    table = {"text/csv": {"schema": {"type": "string"}}} if ".csv" in model.suffixes else {}
    return {JSON: {"schema": body}, **table}


def _infer_body(model: ServedModel) -> Document:
    kinds = [*DATATYPES.values(), *(["BYTES"] if model.suffixes else [])]
    tensor = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "example": INPUT},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            "datatype": {"type": "string", "enum": kinds},
            "data": {"type": "array"},
        },
        "required": ["name", "shape", "datatype", "data"],
    }
    return {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "inputs": {"type": "array", "minItems": 1, "maxItems": 1, "items": tensor},
        },
        "required": ["inputs"],
    }
