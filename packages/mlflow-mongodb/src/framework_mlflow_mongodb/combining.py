"""Small writes that threads make at the same time, sent to the server together.

A write costs the server a command, and its writer a wait for the journal and the majority. One command with the writes
of many threads costs little more than one of a single write. So one command is under way at a time, and the next takes
all that have come meanwhile. Those who wrote with the last one mostly come again, and are waited for a little; a thread
that writes alone waits for nobody.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from bson.errors import BSONError
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

# Together below the 48 MB of a command, whatever MLflow allows in one.
_WRITES_AT_ONCE = 32


@dataclass(eq=False)
class _Write:
    condition: dict[str, Any]
    change: dict[str, Any]
    made: bool | None = None


class Combiner:
    """Updates of single documents of one collection, by many threads.

    Args:
        company_seconds: How long those who wrote with the last command are waited for: by default about as long as
            eight threads take to come again, and less than a command does.
    """

    def __init__(self, company_seconds: float = 0.002) -> None:
        self._company_seconds = company_seconds
        lock = threading.Lock()
        self._come, self._over = threading.Condition(lock), threading.Condition(lock)
        self._waiting: list[_Write] = []
        self._expected = 1
        self._under_way = False

    def update(self, collection: Collection[dict[str, Any]], condition: dict[str, Any], change: dict[str, Any]) -> bool:
        """Make `change` where `condition` holds; say whether that is known to have happened.

        False means that it must be tried alone, with the driver's own care: the condition did not hold, a write sent
        together with it failed, or nobody knows. So the change must be one that can be made twice.
        """
        own = _Write(condition, change)
        with self._over:
            self._waiting.append(own)
            self._come.notify()
            self._over.wait_for(lambda: own.made is not None or not self._under_way)
            if own.made is not None:
                return own.made
            self._under_way = True
        writes, made = [own], False
        try:
            writes = self._with_company(own)
            made = _made(collection, writes)
        finally:  # of an interruption too, or nobody would write again
            with self._over:
                for write in writes:
                    write.made = made
                self._expected = min(len(writes) + len(self._waiting), _WRITES_AT_ONCE)
                self._under_way = False
                self._over.notify_all()
        return made

    def _with_company(self, own: _Write) -> list[_Write]:
        """Wait a little for those who wrote with the last command; return what is to be sent."""
        with self._come:
            self._come.wait_for(lambda: len(self._waiting) >= self._expected, self._company_seconds)
            self._waiting.remove(own)
            writes = [own, *self._waiting[: _WRITES_AT_ONCE - 1]]
            self._waiting = self._waiting[len(writes) - 1 :]
        return writes


def _made(collection: Collection[dict[str, Any]], writes: list[_Write]) -> bool:
    # A plain command: the driver's own methods would have the server keep a record of each write, so that it can be
    # tried again. These can be made twice, and need none.
    command: dict[str, Any] = {
        "update": collection.name,
        "updates": [{"q": write.condition, "u": write.change} for write in writes],
        "ordered": False,
    }
    if not collection.write_concern.is_server_default:
        command["writeConcern"] = collection.write_concern.document
    try:
        answer = collection.database.command(command)
    except (PyMongoError, BSONError, OverflowError, UnicodeEncodeError):
        return False  # each will meet its own error alone
    return bool(answer["n"] == len(writes)) and not {"writeErrors", "writeConcernError"} & answer.keys()
