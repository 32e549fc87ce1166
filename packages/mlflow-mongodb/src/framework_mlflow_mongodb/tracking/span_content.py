"""The content of spans: as text beside the span, so that the server can search it; very large ones in parts."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator

from bson import Binary
from pymongo import ReplaceOne
from pymongo.collection import Collection

from framework_mlflow_mongodb.connection import Document

# A document holds 16 MB. MongoDB compresses what it stores, so the text itself is kept up to here.
TEXT_BYTES = 2 * 1024 * 1024
PART_BYTES = 8 * 1024 * 1024

Parts = Collection[Document]


def set_apart(spans: Iterable[Document], parts: Parts) -> None:
    """Move contents that are too large out of `spans`, compressed and in parts; the hash tells writers apart."""
    for span in spans:
        text = span["content"].encode()
        if len(text) > TEXT_BYTES:
            digest = hashlib.blake2b(text, digest_size=16).hexdigest()
            pieces = list(_pieces(zlib.compress(text, level=1)))
            for number, piece in enumerate(pieces):
                key = {**span["_id"], "h": digest, "n": number}
                body = {"_id": key, "trace": span["trace"], "data": Binary(piece)}
                parts.bulk_write([ReplaceOne({"_id": key}, body, upsert=True)])
            span["parts"] = {"h": digest, "n": len(pieces)}
            del span["content"]


def _pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), PART_BYTES):
        yield data[start : start + PART_BYTES]


def content_of(span: Document, parts: Parts) -> str:
    """Return the content of a span."""
    if "parts" not in span:
        text: str = span["content"]
        return text
    pieces = []
    for number in range(span["parts"]["n"]):
        key = {**span["_id"], "h": span["parts"]["h"], "n": number}
        found = parts.find_one({"_id": key})
        if found is None:
            raise LookupError(f"part {number} of span {span['_id']['s']} of trace {span['trace']} is missing")
        pieces.append(found["data"])
    return zlib.decompress(b"".join(pieces)).decode()
