"""From the body of a request to what a model is asked: files, or prepared inputs."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
import mimetypes
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import orjson
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from framework_core.serving.limits import MEGABYTE, Limits, Refused
from framework_core.serving.model import RawFile, ServedModel
from framework_core.serving.processing import Array

JSON, MULTIPART, BYTES = "application/json", "multipart/form-data", "application/octet-stream"
UNSAID = ("", BYTES, "application/x-www-form-urlencoded")
"""What clients send where nobody told them what it is."""

PATIENCE = 2.0
"""Seconds in which a client may send what is not read."""

SUFFIXES = {
    "application/csv": ".csv",
    "application/jsonl": ".jsonl",
    "application/x-ndjson": ".jsonl",
    "audio/flac": ".flac",
    "audio/ogg": ".ogg",
    "audio/vnd.wave": ".wav",
    "audio/wav": ".wav",
    "audio/x-wav": ".wav",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "text/csv": ".csv",
    "text/plain": ".txt",
    "text/tab-separated-values": ".tsv",
}
"""The ending of a file by its media type, where machines disagree."""


async def body_of(request: Request, limits: Limits) -> bytes:
    """The body of a request, as far as it is not too large or too slow.

    Raises:
        Refused: It is.
    """
    declared = request.headers.get("content-length", "0")
    if not declared.isdigit() or int(declared) > limits.body:
        raise await _too_large(request, limits)
    try:
        body = await asyncio.wait_for(_received(request, limits), limits.receiving)
    except asyncio.TimeoutError as error:  # another class up to Python 3.10
        message = f"The request did not arrive within {limits.receiving:g} seconds."
        raise Refused(408, message, close=True) from error
    if body is None:
        raise await _too_large(request, limits)
    return body


def media_type(request: Request) -> str:
    """What a request says that its body is."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def parsed(body: bytes) -> Any:
    """JSON, in which numbers are numbers.

    Raises:
        Refused: It is none.
    """
    with contextlib.suppress(orjson.JSONDecodeError):
        return orjson.loads(body)  # five times as fast, and says less of what is wrong
    try:
        return json.loads(body, parse_constant=_no_number)
    except RecursionError as error:
        raise Refused(400, "The body is nested too deeply.") from error
    except ValueError as error:
        raise Refused(400, f"The body is no JSON: {error}.") from error


async def files_of_form(request: Request, body: bytes, model: ServedModel, limits: Limits) -> list[RawFile]:
    """The files of a form.

    Raises:
        Refused: There is none, or one of a kind that the model does not read.
    """

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(request.headers, stream(), max_files=limits.files, max_fields=limits.files)
    parser.spool_max_size = limits.body
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError) as error:
        reason = error.message if isinstance(error, MultiPartException) else "it has no boundary"
        raise Refused(400, f"The form cannot be read: {reason.rstrip('.')}.") from error
    try:
        found = [each for _, each in form.multi_items() if isinstance(each, UploadFile)]
        if not found:
            raise Refused(400, "The form has no file: send one as -F file=@FILE.")
        return [
            RawFile(
                await each.read(), _suffix(each.content_type or "", each.filename or "", model), each.filename or ""
            )
            for each in found
        ]
    finally:
        await form.close()


def file_of_body(body: bytes, kind: str, model: ServedModel) -> RawFile:
    """A body that is a file.

    Raises:
        Refused: The model reads none of this kind, or the body is empty.
    """
    if not body:
        raise Refused(400, "The body is empty.")
    return RawFile(body, _suffix(kind, "", model))


def inputs_of(values: Any, model: ServedModel, limits: Limits) -> list[RawFile] | Array:
    """Inputs as JSON has them: files as text, or prepared inputs as numbers.

    Raises:
        Refused: They are neither, or too many.
    """
    if not isinstance(values, list) or not values:
        raise Refused(422, "The inputs are a list of at least one.")
    if all(isinstance(each, str | Mapping) for each in values):
        if len(values) > limits.files:
            raise Refused(413, f"A request may have {limits.files} inputs, and this one has {len(values)}.")
        return [_file(each, number, model) for number, each in enumerate(values)]
    return numbers_of(values)


def numbers_of(values: Any) -> Array:
    """Nested lists of numbers as an array.

    Raises:
        Refused: They are none, or of different lengths.
    """
    try:
        found = np.asarray(values)
    except ValueError as error:
        raise Refused(422, "The inputs have different lengths.") from error
    if found.dtype.kind not in "iufb":
        raise Refused(422, "The inputs are neither numbers nor files: each is text, or nested lists of numbers.")
    return found


def reads_text(model: ServedModel) -> bool:
    """Whether the usual file of a model is text."""
    return bool(model.suffixes) and model.suffixes[0] == ".txt"


def from_base64(text: str) -> bytes:
    """Bytes that were sent as text.

    Raises:
        Refused: They were not.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(422, "An input is no base64.") from error


def check_reads_files(model: ServedModel) -> None:
    """See that a model takes files at all.

    Raises:
        Refused: It takes prepared inputs only.
    """
    if not model.suffixes:
        message = 'This model takes prepared inputs only: {"inputs": [[...]]} in application/json.'
        raise Refused(415, message)


async def _received(request: Request, limits: Limits) -> bytes | None:
    """The body; nothing where it is too large."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limits.body:
            return None
        parts.append(part)
    return b"".join(parts)


async def _too_large(request: Request, limits: Limits) -> Refused:
    """What is said of it, when the client listens: most send everything first, and some of that is thrown away."""
    with contextlib.suppress(asyncio.TimeoutError, ClientDisconnect, RuntimeError):
        await asyncio.wait_for(_thrown_away(request), PATIENCE)
    return Refused(413, f"A request may have {limits.body / MEGABYTE:g} MB.", close=True)


async def _thrown_away(request: Request) -> None:
    more: Any = True
    while more:
        more = (await request.receive()).get("more_body")


def _file(value: Any, number: int, model: ServedModel) -> RawFile:
    """A file of JSON: text where the model reads text, and else base64; or ``{"b64": ..., "name": "a.png"}``."""
    check_reads_files(model)
    if isinstance(value, str):
        content = value.encode("utf-8", "surrogatepass") if reads_text(model) else from_base64(value)
        return RawFile(content, model.suffixes[0])
    text, name = value.get("b64"), value.get("name", "")
    if not isinstance(text, str) or not isinstance(name, str) or set(value) - {"b64", "name"}:
        raise Refused(
            422, f'Input {number} is no file: it is text, or {{"b64": "...", "name": "a{model.suffixes[0]}"}}.'
        )
    return RawFile(from_base64(text), _suffix("", name, model), name)


def _suffix(kind: str, name: str, model: ServedModel) -> str:
    """The ending of a file by its name, or by its media type; the usual one where neither says anything."""
    check_reads_files(model)
    ending = PurePosixPath(name.replace("\\", "/")).suffix.lower()
    if not ending and kind not in UNSAID:
        ending = SUFFIXES.get(kind) or mimetypes.guess_extension(kind) or f" {kind}"
    if not ending:
        return model.suffixes[0]
    if ending not in model.suffixes:
        known = ", ".join(model.suffixes)
        raise Refused(415, f"The model reads no file of the kind {ending.strip()}; it reads {known}.")
    return ending


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def columns_of(table: Any) -> Sequence[Mapping[str, Any]]:
    """The rows of a table in MLflow's ``split`` form.

    Raises:
        Refused: It is none.
    """
    names, rows = (table.get(key) if isinstance(table, Mapping) else None for key in ("columns", "data"))
    if not isinstance(names, list) or not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise Refused(400, 'A table in split form is {"columns": [...], "data": [[...]]}.')
    if any(len(row) != len(names) for row in rows):
        raise Refused(400, f"The table has {len(names)} columns, and a row of another length.")
    return [dict(zip(names, row, strict=True)) for row in rows]
