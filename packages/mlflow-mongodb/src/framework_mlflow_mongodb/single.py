"""One document read by its key, or inserted with a key of its own, in a command that costs as little as it can.

The driver's own methods have the server keep a record of a write, so that it can be tried again, and open a cursor
for a read. Neither is needed where a key is read, or where the key of a new document is random: it can be inserted
twice. The driver's own methods still have the last word when something goes wrong.
"""

from __future__ import annotations

from typing import Any

from bson.errors import BSONError
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError, PyMongoError

Document = dict[str, Any]


def find_by_key(collection: Collection[Document], condition: Document) -> Document | None:
    """Return the document that `condition`, which names its key, holds for."""
    command: Document = {"find": collection.name, "filter": condition, "limit": 1, "singleBatch": True}
    if collection.read_concern.document:
        command["readConcern"] = collection.read_concern.document
    try:
        answer = collection.database.command(command, read_preference=collection.read_preference)
    except PyMongoError:
        return collection.find_one(condition)
    found: list[Document] = answer["cursor"]["firstBatch"]
    return found[0] if found else None


def inserted(collection: Collection[Document], document: Document) -> bool:
    """Insert `document`, whose `_id` nobody else can have chosen; say whether that is known to have happened.

    If not, `insert_with_random_key` may follow with the same document.
    """
    answer = _answer(collection, {"insert": collection.name, "documents": [document]})
    return bool(answer and answer["n"] == 1 and not {"writeErrors", "writeConcernError"} & answer.keys())


def insert_with_random_key(collection: Collection[Document], document: Document) -> None:
    """Insert `document`, whose `_id` nobody else can have chosen.

    Raises:
        PyMongoError: The server refuses it, or does not answer.
    """
    if inserted(collection, document):
        return
    # The driver's own method meets the same error, or mends it.
    try:
        collection.insert_one(document)
    except DuplicateKeyError:
        if collection.find_one({"_id": document["_id"]}, {"_id": 1}) is None:
            raise  # another unique index, not the first try


def _answer(collection: Collection[Document], write: Document) -> Document | None:
    """Return the answer to a command that writes to `collection`; None if it fails."""
    if not collection.write_concern.is_server_default:
        write["writeConcern"] = collection.write_concern.document
    try:
        answer: Document = collection.database.command(write)
    except (PyMongoError, BSONError, OverflowError, UnicodeEncodeError):
        return None
    return answer
