"""Three ways to ask a model: plainly, as MLflow's scoring servers are asked, and by the Open Inference Protocol."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from starlette.requests import Request

from framework_core.serving import bodies
from framework_core.serving.answering import Answering
from framework_core.serving.limits import Refused
from framework_core.serving.model import RawFile, ServedModel
from framework_core.serving.networks import INPUT
from framework_core.serving.processing import Array, Row

DATATYPES = {
    "bool": "BOOL",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "uint8": "UINT8",
}
"""What the Open Inference Protocol calls the types of numpy."""

Answer = dict[str, Any]


async def predict(request: Request, model: ServedModel, answering: Answering) -> Answer:
    """Files or inputs to rows: the body is a file, a form with files, or ``{"inputs": [...]}``."""
    kind = bodies.media_type(request)
    body = await bodies.body_of(request, answering.limits)
    if kind == bodies.MULTIPART:
        return await _rows_of(await bodies.files_of_form(request, body, model, answering.limits), model, answering)
    if kind != bodies.JSON:
        bodies.check_reads_files(model)
        return await _rows_of([bodies.file_of_body(body, kind, model)], model, answering)
    asked = await answering.in_thread(bodies.parsed, body)
    if not isinstance(asked, Mapping) or set(asked) != {"inputs"}:
        raise Refused(422, 'The body is {"inputs": [...]}.')
    inputs = await answering.in_thread(bodies.inputs_of, asked["inputs"], model, answering.limits)
    if isinstance(inputs, list):
        return await _rows_of(inputs, model, answering)
    outputs = await answering.outputs(model, inputs)
    columns = {name: values.tolist() for name, values in outputs.items()}
    rows = [
        {"input": number, **{name: each[number] for name, each in columns.items()}} for number in range(len(inputs))
    ]
    return {"predictions": rows, **_of(model)}


async def invocations(request: Request, model: ServedModel, answering: Answering) -> Answer:
    """MLflow's scoring protocol: ``inputs``, ``instances``, ``dataframe_split`` or ``dataframe_records``, or CSV."""
    kind = bodies.media_type(request)
    body = await bodies.body_of(request, answering.limits)
    if kind in ("text/csv", "application/csv"):
        bodies.check_reads_files(model)
        (rows,) = await answering.rows(model, [bodies.file_of_body(body, kind, model)])
        return {"predictions": rows}
    if kind != bodies.JSON:
        raise Refused(415, f"The body is {bodies.JSON} or text/csv, and not {kind or 'of no kind'}.")
    asked = await answering.in_thread(bodies.parsed, body)
    inputs = await answering.in_thread(_scored, asked, model, answering)
    if isinstance(inputs, list):
        return {"predictions": [row for rows in await answering.rows(model, inputs) for row in rows]}
    outputs = await answering.outputs(model, inputs)
    return {"predictions": next(iter(outputs.values())).tolist()}


async def infer(request: Request, model: ServedModel, answering: Answering) -> Answer:
    """The Open Inference Protocol: a tensor, or files as ``BYTES``."""
    body = await bodies.body_of(request, answering.limits)
    if bodies.media_type(request) not in (bodies.JSON, *bodies.UNSAID):
        raise Refused(415, f"The body is {bodies.JSON}.")
    asked = await answering.in_thread(bodies.parsed, body)
    given = asked.get("inputs") if isinstance(asked, Mapping) else None
    if not isinstance(given, list) or len(given) != 1 or not isinstance(given[0], Mapping):
        raise Refused(400, f'The body is {{"inputs": [one tensor]}}, and its name is {INPUT!r}.')
    tensor = given[0]
    if tensor.get("datatype") == "BYTES":
        rows = await answering.rows(model, _bytes(tensor, model, answering))
        data = [json.dumps(each) for each in rows]
        found = [{"name": "predictions", "datatype": "BYTES", "shape": [len(data)], "data": data}]
    else:
        inputs = await answering.in_thread(_tensor, tensor)
        found = [_output(name, values) for name, values in (await answering.outputs(model, inputs)).items()]
    answer = {"model_name": model.name, "model_version": model.version, "outputs": found}
    if isinstance(asked.get("id"), str):
        answer["id"] = asked["id"]
    return answer


def metadata(model: ServedModel) -> Answer:
    """What the Open Inference Protocol says of a model."""
    about = model.about
    wanted = about.get("input")
    inputs = [] if wanted is None else [_described(INPUT, wanted["dtype"], wanted["shape"])]
    if model.suffixes:
        inputs.append({"name": "file", "datatype": "BYTES", "shape": [-1]})
    return {
        "name": model.name,
        "versions": [model.version],
        "platform": str(about["format"]),
        "inputs": inputs,
        "outputs": [_described(each["name"], "float32", each["shape"]) for each in about.get("outputs", ())],
        "parameters": {
            key: about[key] for key in ("task", "model", "dataset", "class_names", "target_names") if about.get(key)
        }
        | {"files": list(model.suffixes)},
    }


async def _rows_of(files: Sequence[RawFile], model: ServedModel, answering: Answering) -> Answer:
    found: list[Row] = []
    for number, (file, rows) in enumerate(zip(files, await answering.rows(model, files), strict=True)):
        said = {"input": number, **({"file": file.name} if file.name else {})}
        found += [{**said, **row} for row in rows]
    return {"predictions": found, **_of(model)}


def _of(model: ServedModel) -> Answer:
    return {"model": model.name, "version": model.version}


def _scored(asked: Any, model: ServedModel, answering: Answering) -> list[RawFile] | Array:
    known = ("inputs", "instances", "dataframe_split", "dataframe_records")
    names = [name for name in known if isinstance(asked, Mapping) and name in asked]
    if len(names) != 1 or set(asked) - {names[0], "params"}:
        raise Refused(400, f"The body has one of {', '.join(known)}, and params beside it at most.")
    values = asked[names[0]]
    if names[0].startswith("dataframe"):
        rows = bodies.columns_of(values) if names[0] == "dataframe_split" else values
        if not isinstance(rows, list) or not rows or not all(isinstance(row, Mapping) and row for row in rows):
            raise Refused(400, "The table has no rows.")
        values = [next(iter(row.values())) if len(row) == 1 else list(row.values()) for row in rows]
    return bodies.inputs_of(values, model, answering.limits)


def _bytes(tensor: Mapping[str, Any], model: ServedModel, answering: Answering) -> list[RawFile]:
    bodies.check_reads_files(model)
    data, parameters = tensor.get("data"), tensor.get("parameters")
    if not isinstance(data, list) or not data or not all(isinstance(each, str) for each in data):
        raise Refused(400, "The data of BYTES is a list of texts.")
    if len(data) > answering.limits.files:
        raise Refused(413, f"A request may have {answering.limits.files} inputs, and this one has {len(data)}.")
    form = parameters.get("content_type") if isinstance(parameters, Mapping) else None
    plain = form == "str" or (form is None and bodies.reads_text(model))
    contents = [each.encode("utf-8", "surrogatepass") if plain else bodies.from_base64(each) for each in data]
    return [RawFile(content, model.suffixes[0]) for content in contents]


def _tensor(tensor: Mapping[str, Any]) -> Array:
    shape, data = tensor.get("shape"), tensor.get("data")
    names = {name: dtype for dtype, name in DATATYPES.items()}
    dtype = names.get(str(tensor.get("datatype")))
    if dtype is None:
        raise Refused(400, f"The datatype of an input is one of {', '.join([*names, 'BYTES'])}.")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise Refused(400, "The shape of an input is a list of whole numbers.")
    found = bodies.numbers_of(data)
    if found.size != int(np.prod(shape, dtype=object)):
        raise Refused(400, f"The data has {found.size} numbers, and the shape {shape} has others.")
    try:
        return found.reshape(shape).astype(dtype)
    except (ValueError, OverflowError) as error:
        raise Refused(400, f"The data cannot be {tensor['datatype']} of the shape {shape}.") from error


def _output(name: str, values: Array) -> Answer:
    return {
        "name": name,
        "datatype": DATATYPES[str(values.dtype)],
        "shape": list(values.shape),
        "data": values.ravel().tolist(),
    }


def _described(name: str, dtype: str, shape: Sequence[int | None]) -> Answer:
    return {"name": name, "datatype": DATATYPES[dtype], "shape": [-1 if size is None else size for size in shape]}
